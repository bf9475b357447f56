//! The whole server through its front door: real router, real engines, a clock that tests set.
//!
//! The tree mirrors the surfaces. Each test runs on SQLite and on PostgreSQL (`on_both!`).
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod account_numbers;
mod addresses;
mod app;
mod audit;
mod authorization;
mod browser;
mod captcha;
mod commands;
mod foreign_dialects;
mod forge;
mod hostile;

mod alphalearn;
mod enclaive;
mod enumeration;
mod fourth_dialect;
mod fuzz;
mod google;
mod house;
mod import;
mod limits;
mod locks;
mod mail;
mod nodes;
mod password_policy;
mod proxies;
mod refresh;
mod rezi;
mod secrets;
mod sessions_held;
mod storage;
mod suspension;
mod tokens;
