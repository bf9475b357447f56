//! A real Chromium before a real server: what the tests of the hosted pages and the pictures of the book are made with.
//!
//! Chromium is driven through ChromeDriver, which speaks WebDriver (W3C), JSON over HTTP: the few commands that are needed
//! here are less than any crate for it brings along.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "for tests only: what is not as it should be ends the test"
)]

mod axe;
mod chromium;
mod driver;
mod server;
mod tour;

pub use chromium::{Chromium, Look};
pub use server::{PASSWORD, Server};
pub use tour::{invite, newcomer, sign_up, tour};

/// What `look` finds, as soon as it does; looked for during five seconds. `what` is for the message when it does not come.
pub fn awaited<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..500 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{what} did not come");
}
