//! The load: clients on hyper, each with a connection that it keeps, each request as soon as the last is answered.
//!
//! Not oha or its like: a client here must go on with what it was answered, such as a token that changes at each refresh.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::clock::process_cpu;

pub const HOST: &str = "bench.test";

pub type Ask = Request<Full<Bytes>>;

/// Whoever asks. `answer` says whether it was the right one.
pub trait Client: Send {
    fn request(&mut self) -> Ask;
    fn answer(&mut self, status: StatusCode, _body: &Bytes) -> bool {
        status == StatusCode::OK
    }
}

/// Asks the same again and again.
pub struct Same(pub Ask);

impl Client for Same {
    fn request(&mut self) -> Ask {
        self.0.clone()
    }
}

/// Makes each request anew, and expects one status.
pub struct Fresh<F>(pub F, pub StatusCode);

impl<F: FnMut() -> Ask + Send> Client for Fresh<F> {
    fn request(&mut self) -> Ask {
        (self.0)()
    }
    fn answer(&mut self, status: StatusCode, _: &Bytes) -> bool {
        status == self.1
    }
}

pub type Clients = Vec<Box<dyn Client>>;

/// What came of one measurement.
#[derive(Debug, Clone)]
pub struct Sample {
    pub requests: u64,
    /// Answered 503, and counted nowhere else.
    pub refused: u64,
    pub seconds: f64,
    /// Processor seconds of the server.
    pub cpu: f64,
    /// Microseconds.
    pub latency: Histogram<u64>,
}

impl Sample {
    pub fn throughput(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    pub fn refused_percent(&self) -> f64 {
        100.0 * self.refused as f64 / (self.requests + self.refused) as f64
    }

    /// Microseconds of the server's processor time for each request.
    pub fn cpu_each(&self) -> f64 {
        self.cpu * 1e6 / self.requests as f64
    }

    /// Milliseconds that so many of a hundred requests took at most.
    pub fn percentile(&self, percent: f64) -> f64 {
        self.latency.value_at_percentile(percent) as f64 / 1e3
    }
}

/// Whom to load, and how.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub port: u16,
    pub pid: u32,
    pub seconds: f64,
    /// Between the starts of two requests of a client; none: at once.
    pub pace: Option<Duration>,
}

impl Load {
    /// Lets the clients ask. Answers of overload are counted; wrong answers are an error: what is not done is not fast.
    pub async fn drive(self, clients: Clients) -> Result<Sample> {
        let mut ready = Vec::new();
        for client in clients {
            ready.push((connect(self.port).await?, client));
        }
        let (start, cpu) = (Instant::now(), process_cpu(self.pid)?);
        let end = start + Duration::from_secs_f64(self.seconds);
        let tasks: Vec<_> = ready
            .into_iter()
            .map(|(sender, client)| tokio::spawn(one(sender, client, end, self.pace)))
            .collect();
        let (mut latency, mut refused) = (histogram()?, 0);
        for task in tasks {
            let (answered, busy) = task.await??;
            latency.add(answered)?;
            refused += busy;
        }
        Ok(Sample {
            requests: latency.len(),
            refused,
            seconds: start.elapsed().as_secs_f64(),
            cpu: process_cpu(self.pid)? - cpu,
            latency,
        })
    }
}

fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000, 3)?)
}

async fn one(
    mut sender: SendRequest<Full<Bytes>>,
    mut client: Box<dyn Client>,
    end: Instant,
    pace: Option<Duration>,
) -> Result<(Histogram<u64>, u64)> {
    let (mut latency, mut refused) = (histogram()?, 0);
    let mut next = Instant::now();
    while Instant::now() < end {
        // A paced client counts from when it meant to ask, or a stall would hide behind the requests it kept from coming.
        let begun = match pace {
            Some(pace) => {
                tokio::time::sleep_until(next.into()).await;
                let meant = next;
                next += pace;
                meant
            }
            None => Instant::now(),
        };
        let reply = send(&mut sender, client.request()).await?;
        let took = u64::try_from(begun.elapsed().as_micros())?;
        if reply.status == StatusCode::SERVICE_UNAVAILABLE {
            refused += 1;
            continue;
        }
        let right = client.answer(reply.status, &reply.body);
        ensure!(
            right,
            "answered {}: {}",
            reply.status,
            String::from_utf8_lossy(&reply.body)
        );
        latency.record(took.max(1))?;
    }
    Ok((latency, refused))
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub body: Bytes,
}

async fn connect(port: u16) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn send(sender: &mut SendRequest<Full<Bytes>>, ask: Ask) -> Result<Reply> {
    sender.ready().await?;
    let response = sender.send_request(ask).await?;
    let (head, body) = response.into_parts();
    Ok(Reply {
        status: head.status,
        body: body.collect().await?.to_bytes(),
    })
}

/// One request on a connection of its own.
pub async fn once(port: u16, ask: Ask) -> Result<Reply> {
    let path = ask.uri().clone();
    send(&mut connect(port).await?, ask)
        .await
        .with_context(|| format!("asking {path}"))
}

pub fn get(path: &str, token: Option<&str>) -> Result<Ask> {
    ask(HOST, Method::GET, path, token, None)
}

pub fn post(path: &str, token: Option<&str>, body: &serde_json::Value) -> Result<Ask> {
    ask(HOST, Method::POST, path, token, Some(body))
}

/// A request with a bearer token or none, and a JSON body or none.
pub fn ask(
    host: &str,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: Option<&serde_json::Value>,
) -> Result<Ask> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, host);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let body = match body {
        Some(body) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Full::from(body.to_string())
        }
        None => Full::default(),
    };
    Ok(request.body(body)?)
}
