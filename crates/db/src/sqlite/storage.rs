//! What is known about the health of the file under the connections, and the writing connection after a fault of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rusqlite::Connection;

use super::open::{self, Purpose};
use super::statement::control;
use super::wal;
use crate::Error;

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
    /// `alone`: nobody else has the file open. Otherwise the log is theirs, and they know its state.
    pub(super) fn open(storage: Arc<Storage>, alone: bool) -> Result<Self, Error> {
        let connection = open::connect(storage.path(), Purpose::Write)?;
        let sure = match alone {
            true => renew(&connection, storage.path()),
            false => Ok(()),
        };
        let connection = match sure {
            Ok(()) => Some(connection),
            Err(error @ Error::Damaged(_)) => return Err(error),
            // Where nothing can be written, what is there can be read all the same.
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
                renew(&connection, self.storage.path())?;
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
        const FOLD: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
        let folded = self
            .connection
            .map(|connection| connection.query_row(FOLD, [], |_| Ok(())));
        if let Some(Err(error)) = folded {
            tracing::warn!(%error, "the last SQLite checkpoint failed");
        }
    }
}

/// Makes sure of the log, while nobody can write to it.
fn renew(connection: &Connection, path: &Path) -> Result<(), Error> {
    control(connection, "BEGIN IMMEDIATE")?;
    let renewed = wal::renew(path);
    control(connection, "ROLLBACK")?;
    renewed
}
