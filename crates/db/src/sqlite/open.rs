//! Finding, creating and setting up the file.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::convert;
use crate::Error;

/// How long a statement waits for another process's lock.
const BUSY: Duration = Duration::from_secs(5);
/// More than the statements that the program has.
const STATEMENTS: usize = 512;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Write,
}

/// The path in `sqlite:relative.db`, `sqlite:/absolute.db` or `sqlite:///absolute.db`.
pub(super) fn path_of(url: &str) -> Result<PathBuf, Error> {
    let path = url.strip_prefix("sqlite:").unwrap_or(url);
    let path = path.strip_prefix("//").unwrap_or(path);
    let problem = if path.is_empty() {
        "names no file"
    } else if path.contains(":memory:") {
        "asks for a database in memory, which is not supported"
    } else if path.contains(['?', '#', '\0']) {
        "has options after the path, which are not supported"
    } else {
        return Ok(PathBuf::from(path));
    };
    Err(Error::Config(format!(
        "the database URL {problem}; write `sqlite:/path/to/vestibule.db`"
    )))
}

/// Creates the file for its owner only; SQLite gives its companions (`-wal`, `-shm`) the same mode.
pub(super) fn make_file(path: &Path, create: bool) -> Result<(), Error> {
    if path.exists() {
        return Ok(());
    }
    if !create {
        return Err(Error::File(format!(
            "there is no database at {}",
            path.display()
        )));
    }
    let trouble = |error| Error::File(format!("cannot create {}: {error}", path.display()));
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        make_folder(parent).map_err(trouble)?;
    }
    match new_file(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(trouble(error)),
        _ => Ok(()),
    }
}

fn make_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Creates an empty file that its owner alone may read; fails if there is one already.
pub(super) fn new_file(path: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

pub(super) fn connect(path: &Path, purpose: Purpose) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(|error| convert(error, "open"))
        .map_err(|error| match error {
            Error::Unavailable(message) => {
                Error::Unavailable(format!("cannot open {}: {message}", path.display()))
            }
            other => other,
        })?;
    set_up(&connection, purpose).map_err(|error| convert(error, "PRAGMA"))?;
    Ok(connection)
}

fn set_up(connection: &Connection, purpose: Purpose) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    if purpose == Purpose::Write {
        use_wal(connection)?;
    }
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;
         PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864;",
    )?;
    if purpose == Purpose::Read {
        connection.execute_batch("PRAGMA query_only = ON;")?;
    }
    Ok(())
}

/// Changing the journal does not honour the busy timeout, so two processes that open a new file at once need this loop.
#[expect(clippy::disallowed_methods, reason = "no runtime thread runs this")]
fn use_wal(connection: &Connection) -> rusqlite::Result<()> {
    let start = Instant::now();
    loop {
        let answer = connection.query_row("PRAGMA journal_mode = WAL", [], |row| {
            row.get::<_, String>(0)
        });
        match answer {
            Err(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                    && start.elapsed() < BUSY =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            answer => return answer.map(drop),
        }
    }
}
