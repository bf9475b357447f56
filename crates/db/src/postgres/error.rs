//! PostgreSQL's errors as [`Error`]s.

use std::error::Error as _;

use tokio_postgres::error::{DbError, SqlState};

use crate::{ConstraintKind, Error};

pub(super) fn convert(error: &tokio_postgres::Error, sql: &str) -> Error {
    let Some(db) = error.as_db_error() else {
        return Error::Unavailable(described(error));
    };
    let code = db.code();
    let class = code.code().get(..2).unwrap_or_default();
    match class {
        "23" => Error::Constraint {
            kind: constraint_kind(code),
            name: db.constraint().or(db.column()).map(str::to_owned),
        },
        // Serialization failure, deadlock; lock not available.
        _ if wants_retry(error) || *code == SqlState::LOCK_NOT_AVAILABLE => Error::Busy,
        _ if *code == SqlState::DISK_FULL => Error::Full,
        _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Error::ReadOnly,
        // Connection exception, refused login, no such database, insufficient resources, operator intervention,
        // system error.
        "08" | "28" | "3D" | "53" | "57" | "58" => Error::Unavailable(db.message().to_owned()),
        _ => Error::Sql {
            code: code.code().to_owned(),
            message: db.message().to_owned(),
            sql: sql.to_owned(),
        },
    }
}

/// The driver's message and its cause's; neither quotes parameters or the password.
fn described(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn constraint_kind(code: &SqlState) -> ConstraintKind {
    if *code == SqlState::UNIQUE_VIOLATION {
        ConstraintKind::Unique
    } else if *code == SqlState::FOREIGN_KEY_VIOLATION {
        ConstraintKind::ForeignKey
    } else if *code == SqlState::NOT_NULL_VIOLATION {
        ConstraintKind::NotNull
    } else if *code == SqlState::CHECK_VIOLATION {
        ConstraintKind::Check
    } else {
        ConstraintKind::Other
    }
}

/// Whether the server asks for the whole transaction to be run again.
pub(super) fn wants_retry(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| {
        [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
        ]
        .contains(code)
    })
}

/// Whether the connection's prepared statements are out of date: the schema changed, or a pooler between changed
/// servers. A new connection will do.
pub(super) fn is_stale(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|db: &DbError| {
        *db.code() == SqlState::INVALID_SQL_STATEMENT_NAME
            || (*db.code() == SqlState::FEATURE_NOT_SUPPORTED
                && db.routine() == Some("RevalidateCachedQuery"))
    })
}

/// Whether the connection should not be used again: it is gone, or its server has become a standby.
pub(super) fn is_broken(error: &tokio_postgres::Error) -> bool {
    match error.as_db_error() {
        None => true,
        Some(db) => {
            *db.code() == SqlState::READ_ONLY_SQL_TRANSACTION
                || ["08", "57"].contains(&db.code().code().get(..2).unwrap_or_default())
        }
    }
}
