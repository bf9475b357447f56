//! Putting a backup in the database's place.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::backup::{remove_partial, trouble};
use super::lock::{self, Lock};
use super::open::{companion, make_folder_of, new_file, path_of, sync_folder_of};
use crate::Error;

/// A backup copied beside the database whose place it is to take. Dropped before [`Restore::finish`] it goes away, and
/// the database is as it was.
pub struct Restore {
    database: PathBuf,
    staged: PathBuf,
    _lock: Lock,
}

impl std::fmt::Debug for Restore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Restore")
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl Restore {
    /// Takes the lock that a server holds ([`Error::File`] while one does) and copies the backup; `progress` gets bytes
    /// done and bytes in all. `url` names the database, which may be missing or damaged.
    pub fn begin(
        url: &str,
        backup: &Path,
        progress: impl FnMut(u64, u64),
    ) -> Result<Restore, Error> {
        let database = path_of(url)?;
        if fs::metadata(backup).is_ok_and(|found| found.is_file() && found.len() == 0) {
            let backup = backup.display();
            let message = format!("{backup} is empty (0 bytes); name another backup");
            return Err(Error::File(message));
        }
        make_folder_of(&database).map_err(|error| trouble("create", &database, &error))?;
        let lock = lock::hold(&database)?;
        let staged = companion(&database, ".restoring");
        // Only one process at a time gets here.
        remove_partial(&staged);
        let restore = Restore {
            database,
            staged,
            _lock: lock,
        };
        copy(backup, &restore.staged, progress)?;
        let log = companion(backup, "-wal");
        if log.exists() {
            copy(&log, &companion(&restore.staged, "-wal"), |_, _| ())?;
        }
        Ok(restore)
    }

    /// The URL of the copy, to look at it and to change it. It must be closed again before [`Restore::finish`].
    #[must_use]
    pub fn url(&self) -> String {
        format!("sqlite:{}", self.staged.display())
    }

    /// Puts the copy in the database's place. What was there is kept under its name with `suffix` appended, which is
    /// answered; `None` if nothing was there. After a crash in here there is either the old database, or the new one,
    /// or (only where the old one was damaged) none.
    pub fn finish(self, suffix: &str) -> Result<Option<PathBuf>, Error> {
        if companion(&self.staged, "-wal").exists() {
            return Err(Error::File(format!(
                "{} is still in use",
                self.staged.display()
            )));
        }
        File::open(&self.staged)
            .and_then(|file| file.sync_all())
            .map_err(|error| trouble("sync", &self.staged, &error))?;
        let kept = match fs::symlink_metadata(&self.database) {
            Ok(_) => Some(self.keep_old(&self.free_name(suffix))?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(trouble("look at", &self.database, &error)),
        };
        for stray in ["-wal", "-shm"].map(|suffix| companion(&self.database, suffix)) {
            match fs::remove_file(&stray) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(trouble("remove", &stray, &error));
                }
                _ => {}
            }
        }
        sync_folder_of(&self.database)?;
        fs::rename(&self.staged, &self.database)
            .map_err(|error| trouble("replace", &self.database, &error))?;
        sync_folder_of(&self.database)?;
        Ok(kept)
    }

    /// Two restores may end within what the suffix tells apart.
    fn free_name(&self, suffix: &str) -> PathBuf {
        let named = |more: String| companion(&self.database, &format!("{suffix}{more}"));
        let later = (2..100).map(|count| named(format!("-{count}")));
        let mut names = std::iter::once(named(String::new())).chain(later);
        names
            .find(|name| name.symlink_metadata().is_err())
            .unwrap_or_else(|| named(String::new()))
    }

    fn keep_old(&self, kept: &Path) -> Result<PathBuf, Error> {
        fold_log(&self.database)?;
        let failed = |error| trouble("keep the old database as", kept, &error);
        let log = companion(&self.database, "-wal");
        if log.exists() {
            // It could not be read, so its log belongs to it still. A log must never meet another database.
            fs::rename(&self.database, kept).map_err(failed)?;
            fs::rename(&log, companion(kept, "-wal")).map_err(failed)?;
        } else {
            fs::hard_link(&self.database, kept).map_err(failed)?;
        }
        Ok(kept.to_owned())
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        remove_partial(&self.staged);
    }
}

/// Brings the log's content into the old database, which only works while no other process has it open. A damaged one
/// stays as it is.
fn fold_log(database: &Path) -> Result<(), Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let folded = Connection::open_with_flags(database, flags).and_then(|connection| {
        connection.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
    });
    match folded.as_ref().map_err(rusqlite::Error::sqlite_error_code) {
        Err(Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => {
            Err(Error::File(format!(
                "another command is using {}; wait until it has ended",
                database.display()
            )))
        }
        _ => Ok(()),
    }
}

fn copy(from: &Path, to: &Path, mut progress: impl FnMut(u64, u64)) -> Result<(), Error> {
    let unread = |error| trouble("read", from, &error);
    let unwritten = |error| trouble("write", to, &error);
    let mut source = File::open(from).map_err(unread)?;
    let found = source.metadata().map_err(unread)?;
    if !found.is_file() {
        return Err(Error::File(format!("{} is not a file", from.display())));
    }
    let mut target = new_file(to).map_err(unwritten)?;
    let (mut buffer, mut done) = (vec![0; 1 << 20], 0);
    loop {
        let length = source.read(&mut buffer).map_err(unread)?;
        let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else {
            return target.sync_all().map_err(unwritten);
        };
        target.write_all(piece).map_err(unwritten)?;
        done += length as u64;
        progress(done, found.len().max(done));
    }
}
