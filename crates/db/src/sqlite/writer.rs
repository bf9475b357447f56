//! One thread owns the writing connection. It runs whole closures and commits all that have queued up with one fsync.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::statement::control;
use crate::{Error, Tx};

/// Closures that may wait; one more answers [`Error::Busy`].
const QUEUE: usize = 1024;
/// Closures that share one COMMIT at most, so that the first does not wait for ever.
const GROUP: usize = 128;

type Queue = SyncSender<Box<dyn Job>>;

pub(super) struct Writer {
    queue: Mutex<Option<Queue>>,
    thread: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    commits: Arc<AtomicU64>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Self, Error> {
        let (queue, jobs) = sync_channel(QUEUE);
        let commits = Arc::new(AtomicU64::new(0));
        let counter = commits.clone();
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || serve(&connection, &jobs, &counter))
            .map_err(|error| Error::Unavailable(format!("cannot start a thread: {error}")))?;
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            thread: tokio::sync::Mutex::new(Some(thread)),
            commits,
        })
    }

    pub(super) async fn write<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Box::new(Closure {
            f,
            result: None,
            reply,
        }))?;
        answer
            .await
            .unwrap_or_else(|_| Err(Error::OutcomeUnknown.into()))
    }

    fn enqueue(&self, job: Box<dyn Job>) -> Result<(), Error> {
        match self.queue.lock().as_ref().map(|queue| queue.try_send(job)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(Error::Busy),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(Error::Closed),
        }
    }

    /// Waits until the queue has been worked off and the connection closed.
    pub(super) async fn close(&self) {
        self.queue.lock().take();
        let mut thread = self.thread.lock().await;
        if let Some(thread) = thread.take()
            && !matches!(
                tokio::task::spawn_blocking(|| thread.join()).await,
                Ok(Ok(()))
            )
        {
            tracing::error!("the SQLite writer ended with a panic");
        }
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

/// A queued closure with its types erased.
trait Job: Send {
    /// Runs it and keeps its result for [`Job::answer`].
    fn run(&mut self, connection: &Connection) -> Outcome;
    /// Hands its result to the caller, if he still waits. A failed group turns success into that failure.
    fn answer(self: Box<Self>, group: Option<Error>);
}

struct Outcome {
    keep: bool,
    failure: Option<Error>,
}

struct Closure<T, E, F> {
    f: F,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for Closure<T, E, F>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn run(&mut self, connection: &Connection) -> Outcome {
        let mut tx = Tx::sqlite(connection);
        let result = catch_unwind(AssertUnwindSafe(|| (self.f)(&mut tx)));
        let failure = tx.into_failure();
        let result = match (result, &failure) {
            (Err(_), _) => Err(Error::Panicked.into()),
            (Ok(Ok(_)), Some(failure)) => Err(failure.clone().into()),
            (Ok(result), _) => result,
        };
        let keep = result.is_ok();
        self.result = Some(result);
        Outcome { keep, failure }
    }

    fn answer(self: Box<Self>, group: Option<Error>) {
        let result = match (self.result, group) {
            (Some(Err(error)), _) => Err(error),
            (_, Some(error)) => Err(error.into()),
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(Error::OutcomeUnknown.into()),
        };
        // The caller may have gone away.
        let _ = self.reply.send(result);
    }
}

fn serve(connection: &Connection, jobs: &Receiver<Box<dyn Job>>, commits: &AtomicU64) {
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        group.extend(jobs.try_iter().take(GROUP - 1));
        let error = match run_group(connection, &mut group) {
            Ok(committed) => {
                commits.fetch_add(u64::from(committed), Ordering::Relaxed);
                None
            }
            Err(error) => {
                roll_back(connection);
                Some(error)
            }
        };
        for job in group {
            job.answer(error.clone());
        }
    }
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        tracing::warn!(%error, "the last SQLite checkpoint failed");
    }
}

/// Runs a group as one transaction; answers whether anything was committed.
fn run_group(connection: &Connection, group: &mut [Box<dyn Job>]) -> Result<bool, Error> {
    control(connection, "BEGIN IMMEDIATE")?;
    let mut any = false;
    for job in group {
        any |= run_job(connection, job.as_mut())?;
    }
    if any {
        control(connection, "COMMIT").map_err(Error::at_commit)?;
    } else {
        control(connection, "ROLLBACK")?;
    }
    Ok(any)
}

fn run_job(connection: &Connection, job: &mut dyn Job) -> Result<bool, Error> {
    control(connection, "SAVEPOINT closure")?;
    let outcome = job.run(connection);
    if connection.is_autocommit() {
        // SQLite rolls everything back by itself after some errors, such as a full disk.
        return Err(outcome.failure.unwrap_or_else(|| {
            Error::Unavailable("a closure ended the transaction it shares".to_owned())
        }));
    }
    if !outcome.keep {
        control(connection, "ROLLBACK TO closure")?;
    }
    control(connection, "RELEASE closure")?;
    Ok(outcome.keep)
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = control(connection, "ROLLBACK")
    {
        tracing::error!(%error, "SQLite could not roll back");
    }
}
