//! What can go wrong, alike on both engines.

/// A database error. Never holds parameter values or the URL's password.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `Tx::one` found no row.
    #[error("no row")]
    NoRow,
    /// `Tx::one` or `Tx::opt` found more than one row.
    #[error("more than one row where one was expected: {sql}")]
    ManyRows {
        /// The statement.
        sql: String,
    },
    /// A constraint refused the statement.
    #[error("{kind} constraint violated{}", name.as_ref().map(|n| format!(": {n}")).unwrap_or_default())]
    Constraint {
        /// Which sort of constraint.
        kind: ConstraintKind,
        /// PostgreSQL: the constraint's name. SQLite: its columns (`table.column, …`) or the index's name.
        name: Option<String>,
    },
    /// No connection or queue place became free in time, or the lock stayed taken. Nothing has been done; try later.
    #[error("the database is busy")]
    Busy,
    /// The connection was lost while COMMIT was under way: the transaction may or may not have been committed.
    #[error("the answer to COMMIT was lost; the change may or may not have been stored")]
    OutcomeUnknown,
    /// The database cannot be reached. Nothing has been committed.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The file's content is not what a database holds. Names the file.
    #[error("{0}")]
    Damaged(String),
    /// `Db::close` has been called.
    #[error("the database has been closed")]
    Closed,
    /// The disk is full.
    #[error("the database's disk is full; free some space on it")]
    Full,
    /// A write inside `Db::read`, on a standby server or on a read-only file.
    #[error("the database or transaction is read-only")]
    ReadOnly,
    /// The engine has no such operation.
    #[error("{0}")]
    Unsupported(String),
    /// The options cannot be used.
    #[error("{0}")]
    Config(String),
    /// There is no SQLite file at that path, and none was to be made.
    #[error("there is no database at {}", .0.display())]
    Missing(std::path::PathBuf),
    /// A file could not be read or written.
    #[error("{0}")]
    File(String),
    /// The engine refused the statement.
    #[error("{message} ({code}) in: {sql}")]
    Sql {
        /// SQLSTATE on PostgreSQL, the extended result code on SQLite.
        code: String,
        /// The engine's message.
        message: String,
        /// The statement.
        sql: String,
    },
    /// The parameters do not fit the statement.
    #[error("parameter ${number}: {problem}")]
    Parameter {
        /// Counted from 1 as in the SQL.
        number: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A column holds another type than the one asked for.
    #[error("column {index}: wanted {wanted}, found {found}")]
    Column {
        /// Counted from 0.
        index: usize,
        /// What the caller asked for.
        wanted: &'static str,
        /// What the row holds: a type's name, never the value.
        found: String,
    },
    /// The closure panicked; its transaction has been rolled back.
    #[error("a database closure panicked")]
    Panicked,
}

/// The sort of a violated constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConstraintKind {
    /// UNIQUE or PRIMARY KEY.
    Unique,
    /// FOREIGN KEY.
    ForeignKey,
    /// NOT NULL.
    NotNull,
    /// CHECK.
    Check,
    /// Any other, such as SQLite's STRICT types.
    Other,
}

impl std::fmt::Display for ConstraintKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unique => "unique",
            Self::ForeignKey => "foreign key",
            Self::NotNull => "not null",
            Self::Check => "check",
            Self::Other => "table",
        })
    }
}

impl Error {
    /// Whether a UNIQUE or PRIMARY KEY constraint was violated.
    #[must_use]
    pub fn is_unique_violation(&self) -> bool {
        matches!(
            self,
            Self::Constraint {
                kind: ConstraintKind::Unique,
                ..
            }
        )
    }

    /// What went wrong, without the statement: for one line to an operator.
    #[must_use]
    pub fn cause(&self) -> String {
        match self {
            Self::Sql { code, message, .. } => format!("{message} ({code})"),
            Self::Unavailable(cause) => cause.clone(),
            other => other.to_string(),
        }
    }

    /// Whether what is under the engine failed, and not the statement.
    pub(crate) fn blames_storage(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_)
                | Self::OutcomeUnknown
                | Self::Full
                | Self::ReadOnly
                | Self::Damaged(_)
        )
    }

    pub(crate) fn column(index: usize, wanted: &'static str, found: impl Into<String>) -> Self {
        Self::Column {
            index,
            wanted,
            found: found.into(),
        }
    }

    pub(crate) fn parameter(number: usize, problem: impl Into<String>) -> Self {
        Self::Parameter {
            number,
            problem: problem.into(),
        }
    }

    /// What a failed COMMIT means: losing the engine then leaves the outcome open.
    pub(crate) fn at_commit(self) -> Self {
        match self {
            Self::Unavailable(_) => Self::OutcomeUnknown,
            other => other,
        }
    }
}
