//! Bare axum handlers in a process of their own: what any server on this stack pays for a request.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, RwLock};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::routing::{get, post};
use bytes::Bytes;
use serde_json::Value;
use std::io::{BufRead, BufReader};

type Answer = Arc<RwLock<Bytes>>;

/// Serves until it is killed; says its port first.
pub fn serve() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let router = Router::new()
            .route("/", get(bytes).put(set))
            .route("/json", post(json))
            .with_state(Answer::default());
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", socket.local_addr()?.port());
        Ok(axum::serve(socket, router).await?)
    })
}

type Typed = ([(header::HeaderName, HeaderValue); 1], Bytes);

fn typed(bytes: Bytes) -> Typed {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], bytes)
}

async fn bytes(State(answer): State<Answer>) -> Typed {
    typed(answer.read().map(|bytes| bytes.clone()).unwrap_or_default())
}

async fn set(State(answer): State<Answer>, body: Bytes) {
    if let Ok(mut answer) = answer.write() {
        *answer = body;
    }
}

/// Reads JSON and a header, answers JSON of about the same size as a refresh does.
async fn json(headers: HeaderMap, body: Bytes) -> Typed {
    let given: Value = serde_json::from_slice(&body).unwrap_or_default();
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let answer = serde_json::json!({
        "success": true,
        "data": { "response": {
            "acknowledgement": "Success",
            "data": { "status": "ok", "host": host, "token": given },
            "error": { "code": "", "internal_message": "", "moreInfo": [] },
        } },
    });
    typed(Bytes::from(answer.to_string()))
}

/// The process; dropping it ends it.
#[derive(Debug)]
pub struct Bare {
    child: Child,
    pub port: u16,
}

impl Bare {
    pub fn start() -> Result<Bare> {
        let own: PathBuf = std::env::current_exe()?;
        let mut child = Command::new(own)
            .arg("bare")
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let port = line.trim().parse().context("the bare server's port")?;
        Ok(Bare { child, port })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
