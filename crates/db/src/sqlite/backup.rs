//! Copying and checking a database file.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::error::convert;
use super::open::new_file;
use crate::Error;

/// Pages copied between two reports (1 MiB with the usual page size).
const PAGES: i32 = 256;

/// Copies the database as it is now to `to`, which appears only once it is complete, synced and verified.
pub(super) fn copy(
    from: &Connection,
    to: &Path,
    progress: impl FnMut(u64, u64),
) -> Result<(), Error> {
    let partial = partial_path(to);
    for path in [to, &partial] {
        if path.exists() {
            return Err(Error::File(format!(
                "{} already exists; remove it or choose another name",
                path.display()
            )));
        }
    }
    new_file(&partial).map_err(|error| trouble("create", &partial, &error))?;
    let result = fill(from, &partial, progress).and_then(|()| publish(&partial, to));
    if result.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&partial);
    }
    result
}

fn partial_path(to: &Path) -> PathBuf {
    let mut name = OsString::from(to);
    name.push(".partial");
    PathBuf::from(name)
}

fn fill(
    from: &Connection,
    partial: &Path,
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
    from.execute_batch("COMMIT").map_err(failed)?;
    match problems(&target)?.first() {
        None => target.close().map_err(|(_, error)| failed(error)),
        Some(problem) => Err(Error::File(format!("the copy is damaged: {problem}"))),
    }
}

fn publish(partial: &Path, to: &Path) -> Result<(), Error> {
    File::open(partial)
        .and_then(|file| file.sync_all())
        .map_err(|error| trouble("sync", partial, &error))?;
    fs::rename(partial, to).map_err(|error| trouble("rename", partial, &error))?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| trouble("sync", folder, &error))
}

fn trouble(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::File(format!("cannot {what} {}: {error}", path.display()))
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
