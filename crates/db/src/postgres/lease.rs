//! Borrowing connections. The gate before it sees to their number.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::client::Client;
use super::dial::Dialer;
use crate::Error;

#[derive(Clone)]
pub(super) struct Connections(Arc<Shared>);

struct Shared {
    dialer: Dialer,
    idle: Mutex<Vec<Client>>,
    closed: AtomicBool,
}

impl Connections {
    pub(super) fn new(dialer: Dialer) -> Self {
        Self(Arc::new(Shared {
            dialer,
            idle: Mutex::default(),
            closed: AtomicBool::new(false),
        }))
    }

    /// An idle connection, the one used last first, or a new one. The flag says whether it is new.
    pub(super) async fn take(&self) -> Result<(Lease, bool), Error> {
        if self.0.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        loop {
            let idle = self.0.idle.lock().pop();
            match idle {
                Some(client) if client.is_closed() => {}
                Some(client) => return Ok((self.lease(client), false)),
                None => return Ok((self.lease(self.0.dialer.dial().await?), true)),
            }
        }
    }

    /// A new connection that is nobody else's.
    pub(super) async fn dial(&self) -> Result<Client, Error> {
        self.0.dialer.dial().await
    }

    /// Drops the idle connections: one of them turned out to lead nowhere, so the others may too.
    pub(super) fn forget_idle(&self) {
        self.0.idle.lock().clear();
    }

    pub(super) fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.forget_idle();
    }

    fn lease(&self, client: Client) -> Lease {
        Lease {
            client,
            home: self.clone(),
        }
    }
}

/// A borrowed connection. Unless it is [kept](Lease::keep) it is closed when dropped, so that none is used again in the
/// middle of a transaction.
pub(super) struct Lease {
    client: Client,
    home: Connections,
}

impl Lease {
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Gives the connection back for use by others.
    pub(super) fn keep(self) {
        if !self.home.0.closed.load(Ordering::Acquire) {
            self.home.0.idle.lock().push(self.client);
        }
    }
}
