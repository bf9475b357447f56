//! The lock that a server holds on its database for as long as it lives. The system takes it back when the process ends,
//! however that happens.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::open::companion;
use crate::Error;

/// A command that looks whether a server runs holds the lock for a moment.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// Held until dropped.
pub(super) struct Lock {
    _file: File,
    rebooted: bool,
}

impl Lock {
    /// Whether the system was started anew since the last server. What is in files that nobody syncs, such as SQLite's
    /// index of its log, may be of any time then.
    pub(super) fn rebooted(&self) -> bool {
        self.rebooted
    }
}

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
                let rebooted = has_rebooted(&read(&mut file));
                // The number is for messages only.
                let (process, boot) = (std::process::id(), boot().unwrap_or_default());
                let _ = file
                    .set_len(0)
                    .and_then(|()| file.rewind())
                    .and_then(|()| writeln!(file, "{process}\n{boot}"));
                return Ok(Lock {
                    _file: file,
                    rebooted,
                });
            }
            Err(TryLockError::WouldBlock) => pause(),
            Err(TryLockError::Error(error)) => return Err(trouble(error)),
        }
    }
    let content = read(&mut file);
    let holder = match content.lines().next() {
        Some(process) => format!(" (process {process})"),
        None => String::new(),
    };
    Err(Error::File(format!(
        "another server{holder} is using {}; stop it first, or name another database",
        database.display()
    )))
}

/// What a command beside the servers finds.
pub(super) struct Servers {
    /// A server has the lock.
    pub(super) running: bool,
    /// See [`Lock::rebooted`].
    pub(super) rebooted: bool,
}

/// Whether a server has the lock.
pub(super) fn servers(database: &Path) -> Servers {
    let Ok(mut file) = File::open(path_of(database)) else {
        return Servers {
            running: false,
            rebooted: false,
        };
    };
    Servers {
        running: matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)),
        rebooted: has_rebooted(&read(&mut file)),
    }
}

fn read(file: &mut File) -> String {
    let mut content = String::new();
    // What cannot be read says nothing.
    let _ = file.read_to_string(&mut content);
    content
}

/// The system's name for the time since it started.
fn boot() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(boot.trim().to_owned())
}

/// Whether the second line of a lock does not name this boot. One that is missing was lost with the power, as may be.
fn has_rebooted(content: &str) -> bool {
    boot().is_some_and(|now| content.lines().nth(1) != Some(&now))
}

#[expect(clippy::disallowed_methods, reason = "no runtime thread runs this")]
pub(super) fn pause() {
    std::thread::sleep(PAUSE);
}
