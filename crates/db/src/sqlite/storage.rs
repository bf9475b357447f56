//! What is known about the health of the file under the connections, and the writing connection after a fault of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::error::convert;
use super::open::{self, BUSY, Purpose};
use crate::Error;

/// How long starting the log anew waits for readers.
const FOLD: Duration = Duration::from_secs(1);

/// The state of the file, shared by its connections.
pub(super) struct Storage {
    path: PathBuf,
    failing: AtomicBool,
    damaged: Mutex<Option<Error>>,
}

impl Storage {
    pub(super) fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            path,
            failing: AtomicBool::new(false),
            damaged: Mutex::new(None),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether writing failed and has not succeeded since.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    /// Takes note of an error; answers whether the connection that met it should not be used again.
    pub(super) fn met(&self, error: &Error) -> bool {
        if let Error::Damaged(_) = error {
            let mut damaged = self.damaged.lock();
            if damaged.is_none() {
                tracing::error!(%error, "nothing will be written until a restart");
                *damaged = Some(error.clone());
            }
        }
        let storage = error.blames_storage();
        if storage && !self.failing.swap(true, Ordering::AcqRel) {
            tracing::error!(path = %self.path.display(), %error, "the database cannot be written");
        }
        storage && !matches!(error, Error::Full | Error::ReadOnly)
    }

    /// Something was written.
    pub(super) fn works(&self) {
        if self.failing.swap(false, Ordering::AcqRel) {
            tracing::info!(path = %self.path.display(), "the database can be written again");
        }
    }
}

/// The writing connection. After a fault it is replaced before anything else is written.
pub(super) struct Pen {
    storage: Arc<Storage>,
    connection: Option<Connection>,
}

impl Pen {
    pub(super) fn open(storage: Arc<Storage>) -> Result<Self, Error> {
        let connection = open::connect(storage.path(), Purpose::Write)?;
        // Where others have the file open, the log is theirs and they know its state.
        let folded = fold(&connection, Duration::ZERO);
        let connection = match folded {
            Ok(_) => Some(connection),
            Err(error @ Error::Damaged(_)) => return Err(error),
            // On a full disk, say, what is there can be read all the same.
            Err(error) => {
                storage.met(&error);
                None
            }
        };
        Ok(Self {
            storage,
            connection,
        })
    }

    pub(super) fn storage(&self) -> &Storage {
        &self.storage
    }

    /// The connection, opened anew if the last one met a fault.
    pub(super) fn take_up(&mut self) -> Result<&Connection, Error> {
        if let Some(error) = &*self.storage.damaged.lock() {
            return Err(error.clone());
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connection = open::connect(self.storage.path(), Purpose::Write)?;
                if !fold(&connection, FOLD)? {
                    return Err(Error::Busy);
                }
                connection
            }
        };
        Ok(self.connection.insert(connection))
    }

    /// Takes note of an error.
    pub(super) fn met(&mut self, error: &Error) {
        if self.storage.met(error) {
            self.connection = None;
        }
    }

    /// Ends in good order: everything in the database file, the log empty.
    pub(super) fn put_away(self) {
        let folded = self.connection.map(|connection| fold(&connection, BUSY));
        if let Some(Err(error)) = folded {
            tracing::warn!(%error, "the last SQLite checkpoint failed");
        }
    }
}

/// Brings what the log holds into the database file, synced, and starts the log anew; `false` if others are in the way.
///
/// A failed fsync may leave commits in the log that the system will never write and yet takes for written; a process
/// that starts after such a one cannot tell. Commits appended behind them would be lost with them at a power failure.
fn fold(connection: &Connection, wait: Duration) -> Result<bool, Error> {
    const SQL: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
    let failed = |error| convert(error, SQL);
    connection.busy_timeout(wait).map_err(failed)?;
    let busy = connection.query_row(SQL, [], |row| row.get::<_, bool>(0));
    connection.busy_timeout(BUSY).map_err(failed)?;
    Ok(!busy.map_err(failed)?)
}
