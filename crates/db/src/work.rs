//! A caller's closure with its types erased, so that the engines are compiled once and not once for each closure.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::{Error, Tx};

/// Runs on a transaction, possibly several times; answers whether to keep what it did.
pub(crate) type Work = Box<dyn FnMut(&mut Tx<'_>) -> bool + Send>;

/// Where a closure's own result waits until the engine has brought the transaction to its end.
pub(crate) struct Slot<T, E>(Arc<Mutex<Option<Result<T, E>>>>);

impl<T, E> Slot<T, E>
where
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    /// The erased closure and the place of its result.
    pub(crate) fn fill(
        mut f: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> (Work, Self) {
        let place = Arc::new(Mutex::new(None));
        let filled = place.clone();
        let work = Box::new(move |tx: &mut Tx<'_>| {
            let result = f(tx);
            let keep = result.is_ok();
            *filled.lock() = Some(result);
            keep
        });
        (work, Self(place))
    }

    /// The answer to the caller. The engine's error wins: whatever the closure saw has then not come to be.
    pub(crate) fn answer(self, end: Result<(), Error>) -> Result<T, E> {
        end?;
        let result = self.0.lock().take();
        result.unwrap_or_else(|| Err(Error::OutcomeUnknown.into()))
    }
}

/// How a run of [`Work`] ended, before COMMIT or ROLLBACK.
pub(crate) struct Run {
    /// Whether to keep what it did. A panic is an error, and so is success over a failed statement.
    pub(crate) keep: Result<bool, Error>,
    /// The first statement that failed.
    pub(crate) failure: Option<Error>,
}

/// Runs it once.
pub(crate) fn run(work: &mut Work, mut tx: Tx<'_>) -> Run {
    let kept = catch_unwind(AssertUnwindSafe(|| work(&mut tx)));
    let failure = tx.into_failure();
    let keep = match (kept, &failure) {
        (Err(_), _) => Err(Error::Panicked),
        (Ok(true), Some(failure)) => Err(failure.clone()),
        (Ok(keep), _) => Ok(keep),
    };
    Run { keep, failure }
}
