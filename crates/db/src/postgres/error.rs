//! PostgreSQL's errors as [`Error`]s.

use std::error::Error as _;
use std::time::Duration;

use tokio_postgres::error::{DbError, SqlState};

use crate::{ConstraintKind, Error};

/// Why a statement has no result.
pub(super) enum Fault {
    Driver(tokio_postgres::Error),
    /// No answer in time.
    Silent(Duration),
}

impl Fault {
    pub(super) fn convert(&self, sql: &str) -> Error {
        match self {
            Self::Driver(error) => convert(error, sql),
            Self::Silent(limit) => Error::Unavailable(format!("no answer within {limit:?}")),
        }
    }

    pub(super) fn wants_retry(&self) -> bool {
        matches!(self, Self::Driver(error) if wants_retry(error))
    }

    pub(super) fn is_stale(&self) -> bool {
        matches!(self, Self::Driver(error) if is_stale(error))
    }

    pub(super) fn is_broken(&self) -> bool {
        match self {
            Self::Driver(error) => is_broken(error),
            Self::Silent(_) => true,
        }
    }

    /// Whether other connections are likely to be of no use either: the way to the server is dead, or it has become a
    /// standby.
    pub(super) fn leads_nowhere(&self) -> bool {
        match self {
            Self::Driver(error) => error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION),
            Self::Silent(_) => true,
        }
    }
}

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
        _ if *code == SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN => Error::OutcomeUnknown,
        _ if *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => {
            Error::Unavailable(db.message().to_owned())
        }
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
fn wants_retry(error: &tokio_postgres::Error) -> bool {
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
fn is_stale(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|db: &DbError| {
        *db.code() == SqlState::INVALID_SQL_STATEMENT_NAME
            || (*db.code() == SqlState::FEATURE_NOT_SUPPORTED
                && db.routine() == Some("RevalidateCachedQuery"))
    })
}

/// Whether the connection should not be used again: it is gone, or its server has become a standby.
fn is_broken(error: &tokio_postgres::Error) -> bool {
    match error.as_db_error() {
        None => true,
        Some(db) => {
            *db.code() == SqlState::READ_ONLY_SQL_TRANSACTION
                || *db.code() == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
                || ["08", "57"].contains(&db.code().code().get(..2).unwrap_or_default())
        }
    }
}
