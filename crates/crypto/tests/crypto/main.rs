//! The crate through its public face.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod hostile_tokens;
mod imported;
mod jws;
mod keys;
mod password;
mod sealing;
mod times;
mod tokens;
