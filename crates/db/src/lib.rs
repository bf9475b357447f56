//! Storage on SQLite or PostgreSQL behind one SQL text.
//!
//! A caller hands [`Db::read`] or [`Db::write`] a synchronous closure over a [`Tx`]. The closure is one
//! transaction: `Ok` commits it, `Err` or a panic rolls it back.
//!
//! What a closure may rely on, on either engine:
//!
//! - Parameters are `$1`, `$2` …, bound by name, each number from 1 up used at least once.
//! - Values are NULL, 64-bit integers, text and blobs ([`Value`]). Text holds no NUL character and compares bytewise.
//! - After a statement has failed the transaction is lost: later statements answer that first error, and so does the
//!   whole call even if the closure returns `Ok`. Prefer `ON CONFLICT … RETURNING` to catching an error.
//! - A write closure may run more than once (PostgreSQL retries it after a serialization failure or a deadlock), so it
//!   must have no effect outside its transaction.
//! - Once it has been queued (SQLite) or has a connection (PostgreSQL), a write runs to its end even if its future is
//!   dropped. Before that, dropping the future means that nothing happens.
//!
//! Constraints must not be deferred: on SQLite several closures share one COMMIT.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod changes;
mod copy;
mod db;
mod error;
mod gate;
mod migrate;
mod postgres;
mod sqlite;
mod tx;
mod value;
mod work;

pub use copy::{CopyError, CopyProgress, copy};
pub use db::{Db, Engine, Listener, Options};
pub use error::{ConstraintKind, Error};
pub use migrate::{MigrateError, Migration};
pub use sqlite::{Restore, lock_file, sqlite_file, sweep_partial};
pub use tx::Tx;
pub use value::{FromValue, Row, Value, ValueRef};
