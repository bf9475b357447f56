//! Borrowing connections. The gate before it sees to their number.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Runtime};

use super::client::Client;
use super::dial::Dialer;
use super::error::Fault;
use crate::Error;

#[derive(Clone)]
pub(super) struct Connections(Arc<Shared>);

struct Shared {
    dialer: Dialer,
    idle: Mutex<Vec<Line>>,
    /// How often all connections were to be forgotten.
    forgotten: AtomicU64,
    closed: AtomicBool,
}

impl Connections {
    pub(super) fn new(dialer: Dialer) -> Self {
        Self(Arc::new(Shared {
            dialer,
            idle: Mutex::default(),
            forgotten: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }))
    }

    /// An idle connection, the one used last first, or a new one. The flag says whether it is new. In a thread that may
    /// block.
    pub(super) fn take(&self) -> Result<(Lease, bool), Error> {
        if self.is_closed() {
            return Err(Error::Closed);
        }
        loop {
            let idle = self.0.idle.lock().pop();
            match idle {
                Some(line) if line.client.is_closed() => {}
                Some(line) => return Ok((self.lease(line), false)),
                None => return Ok((self.lease(Line::new(&self.0.dialer)?), true)),
            }
        }
    }

    /// A new connection that is nobody else's.
    pub(super) async fn dial(&self) -> Result<Client, Error> {
        self.0.dialer.dial().await
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }

    /// As [`Connections::dial`], for what can wait: a failure is nobody else's.
    pub(super) async fn dial_aside(&self) -> Result<Client, Error> {
        self.0.dialer.dial_aside().await
    }

    /// Drops the idle connections: one of them turned out to lead nowhere, so the others may too.
    pub(super) fn forget_idle(&self) {
        self.0.forgotten.fetch_add(1, Ordering::AcqRel);
        self.0.idle.lock().clear();
    }

    /// The same, unless it was done since.
    pub(super) fn forget_since(&self, forgotten: u64) {
        let next = forgotten + 1;
        let order = Ordering::AcqRel;
        let first = self
            .0
            .forgotten
            .compare_exchange(forgotten, next, order, Ordering::Acquire);
        if first.is_ok() {
            self.0.idle.lock().clear();
        }
    }

    /// How often that was done: what was made before the last time should not be used.
    pub(super) fn forgotten(&self) -> u64 {
        self.0.forgotten.load(Ordering::Acquire)
    }

    pub(super) fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.forget_idle();
    }

    fn lease(&self, line: Line) -> Lease {
        Lease {
            line,
            home: self.clone(),
        }
    }
}

/// A connection with what waits for its socket, in the thread of whoever has borrowed it.
struct Line {
    client: Client,
    /// None only while it is dropped.
    runtime: Option<Runtime>,
}

impl Line {
    fn new(dialer: &Dialer) -> Result<Line, Error> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::Unavailable(error.to_string()))?;
        let client = runtime.block_on(dialer.dial())?;
        Ok(Line {
            client,
            runtime: Some(runtime),
        })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Idle ones are dropped wherever it turns out that they are of no use, also where nobody may block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A borrowed connection. Unless it is [kept](Lease::keep) it is closed when dropped, so that none is used again in the
/// middle of a transaction.
pub(super) struct Lease {
    line: Line,
    home: Connections,
}

impl Lease {
    pub(super) fn client(&self) -> &Client {
        &self.line.client
    }

    /// Waits in place for an answer.
    pub(super) fn wait<T>(
        &self,
        limit: Option<Duration>,
        call: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Fault> {
        let Some(runtime) = &self.line.runtime else {
            return Err(Fault::Silent(Duration::ZERO));
        };
        let answer = self.client().answer(call);
        match limit {
            None => runtime.block_on(answer).map_err(Fault::Driver),
            Some(limit) => runtime
                .block_on(async { tokio::time::timeout(limit, answer).await })
                .map_err(|_| Fault::Silent(limit))?
                .map_err(Fault::Driver),
        }
    }

    /// Gives the connection back for use by others.
    pub(super) fn keep(self) {
        if !self.home.is_closed() {
            self.home.0.idle.lock().push(self.line);
        }
    }
}
