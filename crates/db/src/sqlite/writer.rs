//! One thread owns the writing connection. It runs whole closures and commits all that have queued up with one fsync.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::statement::control;
use super::storage::Pen;
use crate::work::{Work, run};
use crate::{Error, Tx};

/// Closures that may wait; one more answers [`Error::Busy`].
const QUEUE: usize = 1024;
/// Closures that share one COMMIT at most, so that the first does not wait for ever.
const GROUP: usize = 128;

type Queue = SyncSender<Job>;

pub(super) struct Writer {
    queue: Mutex<Option<Queue>>,
    thread: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    commits: Arc<AtomicU64>,
}

impl Writer {
    pub(super) fn start(pen: Pen) -> Result<Self, Error> {
        let (queue, jobs) = sync_channel(QUEUE);
        let commits = Arc::new(AtomicU64::new(0));
        let counter = commits.clone();
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || serve(pen, &jobs, &counter))
            .map_err(|error| Error::Unavailable(format!("cannot start a thread: {error}")))?;
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            thread: tokio::sync::Mutex::new(Some(thread)),
            commits,
        })
    }

    pub(super) async fn write(&self, work: Work) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Job {
            work,
            end: Ok(()),
            reply,
        })?;
        answer.await.unwrap_or(Err(Error::OutcomeUnknown))
    }

    fn enqueue(&self, job: Job) -> Result<(), Error> {
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

/// A queued closure.
struct Job {
    work: Work,
    end: Result<(), Error>,
    reply: oneshot::Sender<Result<(), Error>>,
}

impl Job {
    /// Tells the caller, if he still waits. The group's failure is everybody's.
    fn answer(self, group: Option<Error>) {
        let _ = self.reply.send(group.map_or(self.end, Err));
    }
}

fn serve(mut pen: Pen, jobs: &Receiver<Job>, commits: &AtomicU64) {
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        group.extend(jobs.try_iter().take(GROUP - 1));
        let error = match write_group(&mut pen, &mut group) {
            Ok(done) => {
                commits.fetch_add(u64::from(done.committed), Ordering::Relaxed);
                if let Some(fault) = done.fault {
                    pen.met(&fault);
                }
                None
            }
            Err(error) => {
                pen.met(&error);
                Some(error)
            }
        };
        for job in group {
            job.answer(error.clone());
        }
    }
    pen.put_away();
}

/// How a group went that was not rolled back as a whole.
#[derive(Default)]
struct Done {
    committed: bool,
    /// What one of its closures met of the storage.
    fault: Option<Error>,
}

fn write_group(pen: &mut Pen, group: &mut [Job]) -> Result<Done, Error> {
    let connection = pen.take_up()?;
    let before = connection.total_changes();
    let result = run_group(connection, group);
    let changed = connection.total_changes() != before;
    match &result {
        Ok(done) if done.committed && changed => pen.storage().works(),
        Ok(_) => {}
        Err(_) => roll_back(connection),
    }
    result
}

/// Runs a group as one transaction.
fn run_group(connection: &Connection, group: &mut [Job]) -> Result<Done, Error> {
    control(connection, "BEGIN IMMEDIATE")?;
    let mut done = Done::default();
    for job in group {
        let (keep, failure) = run_job(connection, job)?;
        done.committed |= keep;
        done.fault = done.fault.or(failure.filter(Error::blames_storage));
    }
    if done.committed {
        control(connection, "COMMIT").map_err(Error::at_commit)?;
    } else {
        control(connection, "ROLLBACK")?;
    }
    Ok(done)
}

/// Answers whether to keep what it did, and the first statement that failed.
fn run_job(connection: &Connection, job: &mut Job) -> Result<(bool, Option<Error>), Error> {
    control(connection, "SAVEPOINT closure")?;
    let ran = run(&mut job.work, Tx::sqlite(connection));
    if connection.is_autocommit() {
        // SQLite rolls everything back by itself after some errors, such as a full disk.
        return Err(ran.failure.unwrap_or_else(|| {
            Error::Unavailable("a closure ended the transaction it shares".to_owned())
        }));
    }
    let keep = matches!(ran.keep, Ok(true));
    job.end = ran.keep.map(drop);
    if !keep {
        control(connection, "ROLLBACK TO closure")?;
    }
    control(connection, "RELEASE closure")?;
    Ok((keep, ran.failure))
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = control(connection, "ROLLBACK")
    {
        tracing::error!(%error, "SQLite could not roll back");
    }
}
