#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    dead_code
)]
#[path = "../suite/app.rs"]
mod app;
#[path = "../suite/browser/mod.rs"]
mod browser;
#[path = "../suite/rezi/mod.rs"]
mod rezi;
