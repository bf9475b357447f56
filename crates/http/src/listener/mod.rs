//! Accepting connections: HTTP/1.1 with limits against slow and greedy clients, and a stop that lets requests finish.

mod framing;
mod patience;
mod places;
mod received;
mod strict;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tower::{Service, ServiceExt as _};

#[cfg(feature = "fuzzing")]
pub(crate) use framing::framed;
use patience::Patience;
use places::{Place, Places};
use received::Received;
use strict::Strict;

/// A head not complete by then, or a connection idle for so long, is closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Request line and headers together.
const MAX_HEAD_BYTES: usize = 32 * 1024;
const MAX_HEADERS: usize = 100;
/// Whoever comes then takes the place of a quiet connection; if there is none, he waits in the system's queue.
const MAX_CONNECTIONS: usize = 4096;
/// How many connections the system should keep for us that were not accepted yet.
const MAX_WAITING: u32 = 4096;
/// For the database, outgoing connections and the rest.
const OTHER_FILES: usize = 256;
/// For requests in flight when the server is told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(6);
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
    /// A listening socket on `host:port` (port 0: any free one), with room for those who come while we are busy.
    pub async fn bind(address: &str) -> io::Result<TcpListener> {
        let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in tokio::net::lookup_host(address).await? {
            match listen(address) {
                Err(error) => failed = error,
                bound => return bound,
            }
        }
        Err(failed)
    }

    /// Serves on a bound socket; the service finds its peer as `ConnectInfo<SocketAddr>`. `files` is how many files the
    /// process may have open.
    pub fn start(socket: TcpListener, service: impl Serves, files: usize) -> io::Result<Listener> {
        let most = files.saturating_sub(OTHER_FILES).max(OTHER_FILES);
        Listener::start_with(socket, service, most.min(MAX_CONNECTIONS))
    }

    fn start_with(socket: TcpListener, service: impl Serves, most: usize) -> io::Result<Listener> {
        let address = socket.local_addr()?;
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(accept(socket, service, Places::new(most), stopping));
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

    /// Accepts nobody any more, lets requests in flight finish (6 s at most), closes everything.
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

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(MAX_WAITING)
}

/// What all connections of a listener share.
#[derive(Default)]
struct Traffic {
    /// Every answer is the last one of its connection.
    stopping: AtomicBool,
    /// Requests that have not been answered.
    requests: AtomicUsize,
    /// Connections on which a request has come.
    used: AtomicUsize,
}

async fn accept<S: Serves>(
    socket: TcpListener,
    service: S,
    places: Arc<Places>,
    mut stop: watch::Receiver<bool>,
) {
    let mut open = Connections {
        service,
        traffic: Arc::default(),
        graceful: GracefulShutdown::new(),
        tasks: JoinSet::new(),
    };
    // Goes on where a connection that ends interrupts the wait: its pauses count.
    let mut coming = Box::pin(next(&socket, &places));
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = open.tasks.join_next() => continue,
            accepted = &mut coming => accepted,
        };
        coming.set(next(&socket, &places));
        open.add(stream, peer, places.take(peer));
    }
    drop(coming);
    let deadline = tokio::time::Instant::now() + STOP_TIMEOUT;
    open.traffic.stopping.store(true, Ordering::Relaxed);
    // Closing the socket would reset those who have connected and not been accepted yet.
    open.add_waiting(socket, &places);
    open.finish(deadline).await;
}

struct Connections<S> {
    service: S,
    traffic: Arc<Traffic>,
    graceful: GracefulShutdown,
    tasks: JoinSet<()>,
}

impl<S: Serves> Connections<S> {
    fn add(&mut self, stream: TcpStream, peer: SocketAddr, place: Place) {
        let lost = place.lost();
        let visit = Visit {
            peer,
            place,
            traffic: Arc::clone(&self.traffic),
            service: self.service.clone(),
        };
        let connection = self.graceful.watch(serve(stream, visit));
        self.tasks.spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%peer, "connection ended: {error}");
                },
                () = lost => {}
            }
        });
    }

    /// Takes what waits in the system's queue, and closes it.
    fn add_waiting(&mut self, socket: TcpListener, places: &Arc<Places>) {
        let Ok(socket) = socket.into_std() else {
            return;
        };
        for _ in 0..MAX_WAITING {
            let Ok((stream, peer)) = socket.accept() else {
                return;
            };
            let stream = stream
                .set_nonblocking(true)
                .and_then(|()| TcpStream::from_std(stream));
            if let Ok(stream) = stream {
                self.add(stream, peer, places.take(peer));
            }
        }
    }

    /// Lets requests finish. Clients that keep their connections alive are told with their next answer that it is the
    /// last; only then are quiet connections closed, so that no request meets a closing one.
    async fn finish(mut self, deadline: tokio::time::Instant) {
        let told = async {
            until(STOP_IDLE, || {
                self.traffic.requests.load(Ordering::Relaxed) == 0
            })
            .await
        };
        let _ = tokio::time::timeout(STOP_IDLE * 10, told).await;
        let traffic = Arc::clone(&self.traffic);
        let closed = async {
            tokio::select! {
                () = self.graceful.shutdown() => {}
                // What is left has never asked anything.
                () = until(Duration::ZERO, || traffic.used.load(Ordering::Relaxed) == 0) => {}
            }
        };
        if tokio::time::timeout_at(deadline, closed).await.is_err() {
            tracing::warn!(
                requests = traffic.requests.load(Ordering::Relaxed),
                "stopped before all requests had finished"
            );
        }
        self.tasks.shutdown().await;
    }
}

/// Ends when this has held for so long.
async fn until(span: Duration, holds: impl Fn() -> bool) {
    let step = Duration::from_millis(20);
    let mut held = Duration::ZERO;
    loop {
        tokio::time::sleep(step).await;
        held = if holds() { held + step } else { Duration::ZERO };
        if held >= span.max(step) {
            return;
        }
    }
}

/// The next connection, once there is a place for it.
async fn next(socket: &TcpListener, places: &Places) -> (TcpStream, SocketAddr) {
    places.room().await;
    loop {
        match socket.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                // Out of file descriptors, most likely: trying again at once would only heat the processor.
                if places.may_complain() {
                    tracing::warn!("cannot accept a connection: {error}");
                }
                places.make_room();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// What answers requests, and never fails to.
pub trait Serves:
    Service<Request, Response = Response, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Serves for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

type Connection<S> = http1::Connection<TokioIo<Strict<Patience<TcpStream>>>, S>;

/// A connection's surroundings; lives as long as it does.
struct Visit<S> {
    peer: SocketAddr,
    place: Place,
    traffic: Arc<Traffic>,
    service: S,
}

fn serve<S: Serves>(
    stream: TcpStream,
    visit: Visit<S>,
) -> Connection<impl HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send>> {
    let peer = visit.peer;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, "TCP_NODELAY: {error}");
    }
    let visit = Arc::new(visit);
    // Lives as long as the connection.
    let used = OnceLock::new();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        used.get_or_init(|| Counted::new(&visit.traffic, |traffic| &traffic.used));
        let counted = Counted::new(&visit.traffic, |traffic| &traffic.requests);
        let visit = Arc::clone(&visit);
        visit.place.receives();
        let arriving = Arc::clone(&visit);
        let whole = move || arriving.place.works();
        let mut request = request.map(|body| Body::new(Received::new(body, whole)));
        request.extensions_mut().insert(ConnectInfo(peer));
        async move {
            let mut response = visit.service.clone().oneshot(request).await;
            drop(counted);
            visit.place.rests();
            if let Ok(response) = &mut response
                && visit.traffic.stopping.load(Ordering::Relaxed)
            {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            response
        }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(MAX_HEAD_BYTES)
        // Head and body in one piece: most answers are short.
        .writev(false)
        .serve_connection(TokioIo::new(Strict::new(Patience::new(stream))), service)
}

/// Counts in one of the figures for as long as it lives.
struct Counted {
    traffic: Arc<Traffic>,
    figure: fn(&Traffic) -> &AtomicUsize,
}

impl Counted {
    fn new(traffic: &Arc<Traffic>, figure: fn(&Traffic) -> &AtomicUsize) -> Counted {
        figure(traffic).fetch_add(1, Ordering::Relaxed);
        Counted {
            traffic: Arc::clone(traffic),
            figure,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.figure)(&self.traffic).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
