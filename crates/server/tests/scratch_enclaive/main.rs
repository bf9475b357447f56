#![allow(
    dead_code,
    unused,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]
#[path = "../suite/app.rs"]
mod app;
#[path = "../suite/enclaive/mod.rs"]
mod enclaive;
#[path = "../suite/mail/mod.rs"]
mod mail;
#[path = "../suite/refresh.rs"]
mod refresh;
