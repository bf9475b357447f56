//! A small HTTP client that names the tenant's host.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use ureq::http::{HeaderMap, Request};

pub(crate) const HOST: &str = "torture.test";
const TIMEOUT: Duration = Duration::from_secs(10);

/// A client of one server, or of several by turns. Clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Web {
    agent: ureq::Agent,
    ports: Arc<[AtomicU16]>,
    turn: Arc<AtomicUsize>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    /// The body, null if it is no JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The session cookie that was set, as `name=value`.
    pub(crate) fn cookie(&self) -> Option<String> {
        let set = self.headers.get_all("set-cookie").iter();
        let mut pairs = set.filter_map(|value| value.to_str().ok()?.split(';').next());
        pairs
            .find(|pair| pair.starts_with("__Host-vestibule="))
            .map(str::to_owned)
    }
}

impl Web {
    pub(crate) fn new(port: u16) -> Web {
        Web::of([AtomicU16::new(port)].into())
    }

    /// Of servers whose ports may change.
    pub(crate) fn of(ports: Arc<[AtomicU16]>) -> Web {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(TIMEOUT));
        Web {
            agent: config.build().new_agent(),
            ports,
            turn: Arc::default(),
        }
    }

    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Reply> {
        self.send("GET", path, headers, None)
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Result<Reply> {
        self.send("POST", path, headers, Some(body))
    }

    /// Any request, with a JSON body or none; an error if no answer comes.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.ports.len();
        let port = self.ports[turn].load(Ordering::SeqCst);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:{port}{path}"))
            .header("host", HOST);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json");
                self.agent.run(request.body(body.to_string())?)?
            }
            None => self.agent.run(request.body(())?)?,
        };
        Ok(Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.body_mut().read_to_string()?,
        })
    }
}
