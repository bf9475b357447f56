//! The lock that a server holds on its database for as long as it lives. The system takes it back when the process ends,
//! however that happens.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::open::companion;
use crate::Error;

/// A command that looks whether a server runs holds the lock for a moment.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// Held until dropped.
pub(super) struct Lock(
    #[expect(dead_code, reason = "the lock lives as long as the open file")] File,
);

/// Where the lock of a database is.
pub(super) fn path_of(database: &Path) -> PathBuf {
    companion(database, ".lock")
}

/// Takes the lock; refuses while another process has it.
pub(super) fn hold(database: &Path) -> Result<Lock, Error> {
    let path = path_of(database);
    let trouble = |error: std::io::Error| {
        Error::File(format!(
            "cannot lock {}: {error}; this user must be able to write the file and its folder",
            path.display()
        ))
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(trouble)?;
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => {
                // The number is for messages only.
                let _ = file
                    .set_len(0)
                    .and_then(|()| writeln!(file, "{}", std::process::id()));
                return Ok(Lock(file));
            }
            Err(TryLockError::WouldBlock) => pause(),
            Err(TryLockError::Error(error)) => return Err(trouble(error)),
        }
    }
    let mut holder = String::new();
    let named = file
        .read_to_string(&mut holder)
        .is_ok_and(|_| !holder.trim().is_empty());
    let holder = match named {
        true => format!(" (process {})", holder.trim()),
        false => String::new(),
    };
    Err(Error::File(format!(
        "another server{holder} is using {}; stop it first, or name another database",
        database.display()
    )))
}

/// Whether a server has the lock.
pub(super) fn is_held(database: &Path) -> bool {
    let Ok(file) = File::open(path_of(database)) else {
        return false;
    };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

#[expect(clippy::disallowed_methods, reason = "no runtime thread runs this")]
pub(super) fn pause() {
    std::thread::sleep(PAUSE);
}
