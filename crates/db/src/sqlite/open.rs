//! Finding, creating and setting up the file.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags};

use super::error::convert;
use crate::Error;

/// How long a statement waits for another process's lock.
const BUSY: Duration = Duration::from_secs(5);
/// More than the statements that the program has.
const STATEMENTS: usize = 512;
/// "VSTB", in the header of the files that we make.
const APPLICATION_ID: i32 = 0x5653_5442;

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
        return Ok(behind_links(PathBuf::from(path)));
    };
    Err(Error::Config(format!(
        "the database URL {problem}; write `sqlite:/path/to/vestibule.db`"
    )))
}

/// The file itself where the path is a link to it: that is where SQLite keeps the file's companions.
fn behind_links(path: PathBuf) -> PathBuf {
    match path.is_symlink() {
        true => fs::canonicalize(&path).unwrap_or(path),
        false => path,
    }
}

/// Sees to it that there is a database of ours at the path; a missing one is made if `create` says so. A file that is
/// there but empty is what is left of somebody's database, never a place for a new one.
pub(super) fn prepare(path: &Path, create: bool) -> Result<(), Error> {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(Error::File(format!(
            "{shown} is not a file; remove it, or name another one"
        ))),
        Ok(found) if found.len() == 0 => Err(Error::File(format!(
            "{shown} is empty (0 bytes); restore a backup, or delete the file and run `vestibule db migrate` for a new database"
        ))),
        Ok(_) => close_to_others(path),
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::File(format!("cannot look at {shown}: {error}")))
        }
        Err(_) if !create => Err(Error::Missing(path.to_owned())),
        Err(_) => {
            make_file(path).map_err(|error| Error::File(format!("cannot create {shown}: {error}")))
        }
    }
}

/// The file with something appended to its name, as SQLite names what belongs to it.
pub(super) fn companion(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A file put here by hand may be readable by everybody. What is in it has been seen by then; that it goes on is ours.
fn close_to_others(path: &Path) -> Result<(), Error> {
    for path in ["", "-wal", "-shm"].map(|suffix| companion(path, suffix)) {
        let Ok(mode) = fs::metadata(&path).map(|found| found.permissions().mode() & 0o777) else {
            continue;
        };
        if mode & 0o077 == 0 {
            continue;
        }
        let shown = path.display();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o700)).map_err(|_| {
            Error::File(format!(
                "{shown} is open to others (mode {mode:04o}); as its owner run: chmod 600 {shown}"
            ))
        })?;
        tracing::warn!(path = %shown, "was open to others (mode {mode:04o}); now it is its owner's alone");
    }
    Ok(())
}

/// Creates the file for its owner only; SQLite gives its companions (`-wal`, `-shm`) the same mode. It is marked beside
/// its place and linked to it: of several processes that do so at once one wins, and nobody sees a file without the mark.
fn make_file(path: &Path) -> std::io::Result<()> {
    make_folder_of(path)?;
    let draft = draft_of(path)?;
    let linked = mark(&draft).and_then(|()| fs::hard_link(&draft, path));
    // A draft left behind is harmless: nothing ever opens it.
    let _ = fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => fs::File::open(folder_of(path))?.sync_all(),
    }
}

pub(super) fn folder_of(path: &Path) -> &Path {
    let folder = path.parent();
    folder
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Makes the names of the files in the path's folder last.
pub(super) fn sync_folder_of(path: &Path) -> Result<(), Error> {
    let folder = folder_of(path);
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Error::File(format!("cannot sync {}: {error}", folder.display())))
}

/// A new file beside the path that no other process uses.
fn draft_of(path: &Path) -> std::io::Result<PathBuf> {
    for count in 0_u32.. {
        let name = companion(path, &format!(".new-{}-{count}", std::process::id()));
        match new_file(&name) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made.map(|_| name),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

fn mark(draft: &Path) -> std::io::Result<()> {
    let marked = Connection::open_with_flags(draft, OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(
        |connection| {
            connection.pragma_update(None, "application_id", APPLICATION_ID)?;
            connection.close().map_err(|(_, error)| error)
        },
    );
    marked.map_err(std::io::Error::other)
}

/// Makes the path's folder, if it is missing, for this user only.
pub(super) fn make_folder_of(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder_of(path))
}

/// Creates an empty file that its owner alone may read; fails if there is one already.
pub(super) fn new_file(path: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

pub(super) fn connect(path: &Path, purpose: Purpose) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |error| not_opened(path, error);
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    if purpose == Purpose::Write {
        // SQLite itself would open it for reading only, and complain with the first write.
        if connection.is_readonly(MAIN_DB).map_err(failed)? {
            return Err(unwritable(path));
        }
        if !is_ours(&connection).map_err(failed)? {
            return Err(Error::File(format!(
                "{} is a database of another program; name another file, or restore a backup",
                path.display()
            )));
        }
    }
    set_up(&connection, purpose).map_err(failed)?;
    Ok(connection)
}

fn not_opened(path: &Path, error: rusqlite::Error) -> Error {
    let code = error.sqlite_error_code();
    let advice = match code {
        Some(ErrorCode::ReadOnly) => return unwritable(path),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "; this user must be able to read and write the file and its folder"
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => "; restore a backup",
        _ => "",
    };
    match convert(error, "open") {
        Error::Unavailable(message) | Error::Damaged(message) => {
            Error::Unavailable(format!("{}: {message}{advice}", path.display()))
        }
        other => other,
    }
}

fn unwritable(path: &Path) -> Error {
    Error::File(format!(
        "{} cannot be written by this user; make the file and its folder writable, or run as their owner",
        path.display()
    ))
}

/// Whether the file has our mark, or our bookkeeping.
fn is_ours(connection: &Connection) -> rusqlite::Result<bool> {
    let mark: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let kept = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migration')",
        [],
        |row| row.get::<_, bool>(0),
    )?;
    Ok(mark == APPLICATION_ID || kept)
}

fn set_up(connection: &Connection, purpose: Purpose) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    // Or a statement kept for its next use is compiled anew whenever one of its values could have changed the plan, which
    // costs ten times as much as running it. We want the same plan whatever the values are.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
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
