//! Accepting connections: HTTP/1.1 with limits against slow and greedy clients, and a stop that lets requests finish.

mod framing;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt as _;

use framing::Strict;

/// A head not complete by then, or a connection idle for so long, is closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Request line and headers together.
const MAX_HEAD_BYTES: usize = 32 * 1024;
const MAX_HEADERS: usize = 100;
/// More wait in the system's queue.
const MAX_CONNECTIONS: usize = 8192;
/// For requests in flight when the server is told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections without a request (browsers open some in advance) are not waited for longer than this.
const STOP_IDLE: Duration = Duration::from_millis(300);

/// A listener with its connections. Dropping it ends them at once.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Serves `router` on a bound socket; it finds its peer as `ConnectInfo<SocketAddr>`.
    pub fn start(socket: TcpListener, router: Router) -> io::Result<Listener> {
        let address = socket.local_addr()?;
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(accept(socket, router, stopping));
        Ok(Listener {
            address,
            stop,
            task,
        })
    }

    /// Where it really listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nobody any more, lets requests in flight finish (10 s at most), closes everything.
    pub async fn stop(mut self) {
        // Without a receiver the task has ended already.
        let _ = self.stop.send(true);
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(socket: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let in_flight = Arc::new(AtomicUsize::new(0));
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer, place) = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = next(&socket, &places) => accepted,
        };
        let connection = serve(stream, peer, router.clone(), Arc::clone(&in_flight));
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%peer, "connection ended: {error}");
            }
            drop(place);
        });
    }
    drop(socket);
    let finished = tokio::select! {
        () = graceful.shutdown() => true,
        () = idle(&in_flight) => true,
        () = tokio::time::sleep(STOP_TIMEOUT) => false,
    };
    if !finished {
        tracing::warn!(
            requests = in_flight.load(Ordering::Relaxed),
            "stopped before all requests had finished"
        );
    }
    connections.shutdown().await;
}

/// The next connection, once there is a place for it.
async fn next(
    socket: &TcpListener,
    places: &Arc<Semaphore>,
) -> (
    TcpStream,
    SocketAddr,
    Option<tokio::sync::OwnedSemaphorePermit>,
) {
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            Err(error) => {
                // Out of file descriptors, most likely: trying again at once would only heat the processor.
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

type Connection<S> = http1::Connection<TokioIo<Strict<TcpStream>>, S>;
type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    in_flight: Arc<AtomicUsize>,
) -> Connection<impl HttpService<Incoming, ResBody = Body, Error = Infallible, Future = Answer>> {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, "TCP_NODELAY: {error}");
    }
    let service = service_fn(move |request: hyper::Request<Incoming>| -> Answer {
        let counted = Counted::new(&in_flight);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let router = router.clone();
        Box::pin(async move {
            let response = router.oneshot(request).await;
            drop(counted);
            response
        })
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Strict::new(stream)), service)
}

/// Ends when no request has been in flight for a while.
async fn idle(in_flight: &AtomicUsize) {
    let mut quiet = Duration::ZERO;
    let step = Duration::from_millis(20);
    while quiet < STOP_IDLE {
        tokio::time::sleep(step).await;
        quiet = if in_flight.load(Ordering::Relaxed) == 0 {
            quiet + step
        } else {
            Duration::ZERO
        };
    }
}

/// A request in flight, for as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Counted {
        count.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
