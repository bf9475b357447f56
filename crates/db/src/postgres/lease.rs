//! Borrowing a connection from the pool.

use deadpool_postgres::{ClientWrapper, Object, Pool, PoolError, TimeoutType};

use super::error;
use crate::Error;

#[derive(Clone)]
pub(super) struct Connections {
    pool: Pool,
}

impl Connections {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    pub(super) fn limit(&self) -> usize {
        self.pool.status().max_size
    }

    pub(super) async fn take(&self) -> Result<Lease, Error> {
        match self.pool.get().await {
            Ok(object) => Ok(Lease {
                object: Some(object),
            }),
            Err(PoolError::Backend(error)) => Err(error::convert(&error, "connect")),
            Err(PoolError::Timeout(TimeoutType::Wait)) => Err(Error::Busy),
            Err(PoolError::Closed) => Err(Error::Closed),
            Err(other) => Err(Error::Unavailable(other.to_string())),
        }
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }
}

/// A borrowed connection. Unless it is [kept](Lease::keep) it is closed when dropped, so that none goes back to the
/// pool in the middle of a transaction.
pub(super) struct Lease {
    object: Option<Object>,
}

impl Lease {
    #[allow(
        clippy::expect_used,
        reason = "the object leaves only by `keep` and `drop`"
    )]
    pub(super) fn client(&self) -> &ClientWrapper {
        self.object.as_ref().expect("a lease holds its connection")
    }

    /// Gives the connection back for use by others.
    pub(super) fn keep(mut self) {
        self.object.take();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}
