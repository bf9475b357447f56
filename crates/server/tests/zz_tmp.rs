#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]
#[path = "suite/alphalearn/mod.rs"]
mod alphalearn;
#[path = "suite/app.rs"]
mod app;
#[path = "suite/forge.rs"]
mod forge;
#[path = "suite/google.rs"]
mod google;
#[path = "suite/tokens/mod.rs"]
mod tokens;
#[path = "suite/fourth_dialect.rs"]
mod fourth_dialect;
