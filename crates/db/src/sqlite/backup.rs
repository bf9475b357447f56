//! Copying and checking a database file.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, InterruptHandle, OpenFlags};

use super::error::convert;
use super::open::{companion, new_file, sync_folder_of};
use crate::Error;

/// Pages copied between two reports (1 MiB with the usual page size).
const PAGES: i32 = 256;

/// Ends the copying when the database is closed.
#[derive(Default)]
pub(super) struct Breaker {
    broken: AtomicBool,
    checking: Mutex<Option<InterruptHandle>>,
}

impl Breaker {
    pub(super) fn stop(&self) {
        self.broken.store(true, Ordering::Release);
        if let Some(connection) = self.checking.lock().take() {
            connection.interrupt();
        }
    }

    fn watch(&self, connection: &Connection) -> Result<(), Error> {
        *self.checking.lock() = Some(connection.get_interrupt_handle());
        self.ask()
    }

    fn ask(&self) -> Result<(), Error> {
        match self.broken.load(Ordering::Acquire) {
            true => Err(Error::Closed),
            false => Ok(()),
        }
    }
}

/// Copies the database as it is now to `to`, which appears only once it is complete, verified and synced.
pub(super) fn copy(
    from: &Connection,
    to: &Path,
    breaker: &Breaker,
    progress: impl FnMut(u64, u64),
) -> Result<(), Error> {
    let partial = companion(to, ".partial");
    if to.exists() {
        return Err(exists(to));
    }
    let held = start_partial(&partial)?;
    let result = fill(from, &partial, breaker, progress).and_then(|()| publish(&partial, to));
    // Published under its name, or not worth keeping.
    remove_partial(&partial);
    drop(held);
    result.map_err(|error| breaker.ask().err().unwrap_or(error))
}

fn exists(path: &Path) -> Error {
    Error::File(format!(
        "{} already exists; remove it or choose another name",
        path.display()
    ))
}

/// A new file, locked as long as somebody writes to it; what a process that died left behind is removed.
fn start_partial(partial: &Path) -> Result<File, Error> {
    if let Ok(left) = File::open(partial) {
        left.try_lock().map_err(|_| {
            Error::File(format!(
                "another process is writing {}; wait until it has ended",
                partial.display()
            ))
        })?;
        remove_partial(partial);
    }
    let created = new_file(partial).and_then(|file| {
        file.try_lock()?;
        Ok(file)
    });
    created.map_err(|error| trouble("create", partial, &error))
}

/// Removes a copy that was never finished, with what SQLite keeps beside it.
pub(super) fn remove_partial(partial: &Path) {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        // The first error is the one to report; most of these files are not there.
        let _ = fs::remove_file(companion(partial, suffix));
    }
}

fn fill(
    from: &Connection,
    partial: &Path,
    breaker: &Breaker,
    mut progress: impl FnMut(u64, u64),
) -> Result<(), Error> {
    let failed = |error| convert(error, "backup");
    let mut target =
        Connection::open_with_flags(partial, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    // A snapshot of our own: otherwise every commit of the running server would start the copy anew.
    from.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")
        .map_err(failed)?;
    let backup = Backup::new(from, &mut target).map_err(failed)?;
    loop {
        breaker.ask()?;
        let step = backup.step(PAGES).map_err(failed)?;
        let now = backup.progress();
        let total = u64::try_from(now.pagecount).unwrap_or(0);
        let left = u64::try_from(now.remaining).unwrap_or(0);
        progress(total.saturating_sub(left), total);
        match step {
            StepResult::Done => break,
            StepResult::More => {}
            _ => return Err(Error::Busy),
        }
    }
    drop(backup);
    // One file without companions, which can be read from anywhere.
    target
        .query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
        .map_err(failed)?;
    breaker.watch(&target)?;
    verify(from, &target)?;
    from.execute_batch("COMMIT").map_err(failed)?;
    target.close().map_err(|(_, error)| failed(error))
}

/// The copy is sound, and has as many rows in each table as the snapshot that it was taken from.
fn verify(from: &Connection, copy: &Connection) -> Result<(), Error> {
    if let Some(problem) = problems(copy)?.first() {
        return Err(Error::File(format!("the copy is damaged: {problem}")));
    }
    let (there, here) = (counts(from)?, counts(copy)?);
    if there != here {
        return Err(Error::File("the copy is damaged: rows are missing".into()));
    }
    Ok(())
}

fn counts(connection: &Connection) -> Result<Vec<(String, i64)>, Error> {
    let failed = |error| convert(error, "SELECT count(*)");
    let mut tables = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .map_err(failed)?;
    let tables = tables
        .query_map([], |row| row.get::<_, String>(0))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
        .map_err(failed)?;
    let count = |table: String| {
        let sql = format!("SELECT count(*) FROM \"{table}\"");
        let rows = connection.query_row(&sql, [], |row| row.get(0))?;
        Ok((table, rows))
    };
    tables
        .into_iter()
        .map(count)
        .collect::<rusqlite::Result<_>>()
        .map_err(failed)
}

/// Gives the finished file its name. A link rather than a new name, so that nothing is ever replaced.
fn publish(partial: &Path, to: &Path) -> Result<(), Error> {
    File::open(partial)
        .and_then(|file| file.sync_all())
        .map_err(|error| trouble("sync", partial, &error))?;
    match fs::hard_link(partial, to) {
        Ok(()) => sync_folder_of(to),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(exists(to)),
        // Some file systems have no links.
        Err(_) => {
            fs::rename(partial, to).map_err(|error| trouble("rename", partial, &error))?;
            sync_folder_of(to)
        }
    }
}

pub(super) fn trouble(what: &str, path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull => Error::Full,
        _ => Error::File(format!("cannot {what} {}: {error}", path.display())),
    }
}

/// What `integrity_check` and `foreign_key_check` complain about.
pub(super) fn problems(connection: &Connection) -> Result<Vec<String>, Error> {
    let failed = |error| convert(error, "PRAGMA integrity_check");
    let mut statement = connection
        .prepare("PRAGMA integrity_check")
        .map_err(failed)?;
    let mut problems = statement
        .query_map([], |row| row.get::<_, String>(0))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
        .map_err(failed)?;
    problems.retain(|line| line != "ok");
    let mut statement = connection
        .prepare("PRAGMA foreign_key_check")
        .map_err(failed)?;
    let orphans = statement
        .query_map([], |row| {
            let (table, parent) = (row.get::<_, String>(0)?, row.get::<_, String>(2)?);
            Ok(format!(
                "a row of {table} refers to a missing row of {parent}"
            ))
        })
        .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
        .map_err(failed)?;
    problems.extend(orphans);
    Ok(problems)
}

/// Copies in `folder` that were begun under a name with this start and never finished. Those still written are not.
pub fn sweep_partial(folder: &Path, prefix: &str) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| name.starts_with(prefix) && name.ends_with(".partial"))
            && File::open(&path).is_ok_and(|file| file.try_lock().is_ok())
        {
            remove_partial(&path);
        }
    }
    Ok(())
}
