//! How a transaction begins, and how long its statements may take.

use std::time::Duration;

use crate::Options;

/// What a transaction may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    /// Read, with one statement that is its own transaction.
    One,
    Write,
    /// Write, for as long as it takes.
    Patient,
}

/// The answer may be so much later than the server's own limit, before the connection counts as dead.
const GRACE: Duration = Duration::from_secs(1);

/// A server that is there answers BEGIN at once. A pooler may first have to wait for a connection of its own.
const BEGIN: Duration = Duration::from_secs(2);

/// One plan for each statement, by its indexes, whatever has been counted of the tables: planned once a connection, and as
/// good for a million rows as for the ten that were there then.
const PLANS: &str = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off";

#[derive(Clone, Copy)]
pub(super) struct Limits {
    statement: Option<Duration>,
    wait: Duration,
    pub(super) pool: usize,
}

impl Limits {
    pub(super) fn of(options: &Options) -> Self {
        Self {
            statement: options.limit,
            wait: options.wait,
            pool: options.pool,
        }
    }

    /// Settings for the start of a connection. A node that stops in the middle of a transaction holds its locks no
    /// longer than that either.
    pub(super) fn settings(self) -> String {
        let millis = self.millis();
        format!(
            "{PLANS} -c statement_timeout={millis} -c idle_in_transaction_session_timeout={millis}"
        )
    }

    /// The statement that begins; where settings do not last beyond the transaction, with them.
    pub(super) fn begin(self, access: Access, direct: bool) -> String {
        let begin = match access {
            Access::Read | Access::One => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Access::Write | Access::Patient => "BEGIN ISOLATION LEVEL READ COMMITTED",
        };
        let millis = match access {
            Access::Patient => 0,
            _ if direct => return begin.to_owned(),
            _ => self.millis(),
        };
        format!(
            "{begin}; SET LOCAL statement_timeout = {millis}; SET LOCAL idle_in_transaction_session_timeout = {millis}"
        )
    }

    /// How long to wait for the answer to a statement.
    pub(super) fn statement(self, access: Access) -> Option<Duration> {
        match access {
            Access::Patient => None,
            _ => self.statement.map(|limit| limit + GRACE),
        }
    }

    /// How long to wait for the first answer on a connection that may have died since its last.
    pub(super) fn first_within(self, direct: bool) -> Duration {
        match direct {
            true => self.wait.min(BEGIN),
            false => self.wait,
        }
    }

    fn millis(self) -> u128 {
        self.statement.map_or(0, |limit| limit.as_millis().max(1))
    }
}
