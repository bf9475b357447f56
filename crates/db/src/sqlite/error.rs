//! SQLite's result codes as [`Error`]s.

use rusqlite::ffi;
use rusqlite::{Connection, ErrorCode};

use crate::{ConstraintKind, Error};

pub(super) fn convert(error: rusqlite::Error, sql: &str) -> Error {
    let (code, message) = match error {
        rusqlite::Error::SqliteFailure(code, message) => (code, message),
        rusqlite::Error::SqlInputError { error, msg, .. } => (error, Some(msg)),
        other => return refused("misuse", other.to_string(), sql),
    };
    let message = message.unwrap_or_else(|| code.to_string());
    match code.code {
        ErrorCode::ConstraintViolation => Error::Constraint {
            kind: constraint_kind(code.extended_code),
            name: constraint_name(&message),
        },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::Busy,
        ErrorCode::DiskFull => Error::Full,
        ErrorCode::ReadOnly => Error::ReadOnly,
        ErrorCode::SystemIoFailure
        | ErrorCode::CannotOpen
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::OutOfMemory
        | ErrorCode::PermissionDenied => Error::Unavailable(message),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Error::Damaged(message),
        _ => refused(&code.extended_code.to_string(), message, sql),
    }
}

/// The same for an error on an open connection: damage is told with the file's name.
pub(super) fn failed(connection: &Connection, error: rusqlite::Error, sql: &str) -> Error {
    match convert(error, sql) {
        Error::Damaged(message) => Error::Damaged(format!(
            "{} is damaged ({message}); restore a backup",
            connection.path().unwrap_or("the database")
        )),
        other => other,
    }
}

fn refused(code: &str, message: String, sql: &str) -> Error {
    Error::Sql {
        code: code.to_owned(),
        message,
        sql: sql.to_owned(),
    }
}

fn constraint_kind(extended_code: i32) -> ConstraintKind {
    match extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE
        | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_ROWID => ConstraintKind::Unique,
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ConstraintKind::ForeignKey,
        ffi::SQLITE_CONSTRAINT_NOTNULL => ConstraintKind::NotNull,
        ffi::SQLITE_CONSTRAINT_CHECK => ConstraintKind::Check,
        _ => ConstraintKind::Other,
    }
}

/// The part after the colon in `UNIQUE constraint failed: account.tenant_id, account.email`.
fn constraint_name(message: &str) -> Option<String> {
    let (_, name) = message.split_once(": ")?;
    let name = name.strip_prefix("index ").unwrap_or(name);
    Some(name.trim_matches('\'').to_owned())
}
