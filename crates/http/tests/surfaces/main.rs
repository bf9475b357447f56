//! The router on a real core with SQLite: what a browser or a client gets, end to end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod account;
mod documents;
mod hand_off;
mod sign_in;
mod stage;
