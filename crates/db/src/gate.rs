//! A bounded wait for one of a fixed number of places.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Error;

/// Lets `size` callers in at once; others wait up to `wait`.
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    size: u32,
    wait: Duration,
    closed: AtomicBool,
}

impl Gate {
    pub(crate) fn new(size: usize, wait: Duration) -> Self {
        let size = u32::try_from(size.clamp(1, 1024)).unwrap_or(1);
        Self {
            places: Arc::new(Semaphore::new(size as usize)),
            size,
            wait,
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// A place; [`Error::Busy`] after the wait, [`Error::Closed`] once closed.
    pub(crate) async fn enter(&self) -> Result<OwnedSemaphorePermit, Error> {
        if self.is_closed() {
            return Err(Error::Closed);
        }
        match tokio::time::timeout(self.wait, self.places.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(Error::Closed),
            Err(_) => Err(Error::Busy),
        }
    }

    /// Lets nobody in any more and waits until everybody has left.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        if self.places.acquire_many(self.size).await.is_ok() {
            self.places.close();
        }
    }
}
