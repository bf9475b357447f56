//! The hosted pages as people meet them: in a real Chromium, before the real program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod journeys;
mod leaving;
mod looks;
mod twice;
