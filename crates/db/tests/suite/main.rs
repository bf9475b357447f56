//! The same tests on both engines, and a few on one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

#[macro_use]
mod place;

mod copy;
mod looks;
mod migrations;
mod outage;
mod pgbouncer;
mod pooler;
mod postgres;
mod sqlite;
mod statements;
mod tls;
mod transactions;
mod wire;
