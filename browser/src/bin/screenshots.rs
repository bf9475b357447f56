//! `cargo xtask screenshots`: the main pages as pictures, into the folder named by the first argument.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "for developers only"
)]

use std::path::PathBuf;

use browser::{Chromium, Look, Server, tour};

/// What the file is called after, and how the window is.
const LOOKS: [(&str, Look); 6] = [
    ("phone", Look::PHONE),
    ("phone-dark", Look::PHONE.dark()),
    ("desk", Look::DESK),
    ("desk-dark", Look::DESK.dark()),
    ("phone-ar", Look::PHONE.in_language("ar")),
    ("phone-ja", Look::PHONE.in_language("ja")),
];

/// What the book shows.
const SHOWN: [&str; 6] = [
    "demo-desk",
    "sign-in-desk",
    "sign-in-phone-dark",
    "sign-up-phone-ja",
    "sign-in-phone-ar",
    "account-desk",
];

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let folder = PathBuf::from(arguments.next().expect("a folder"));
    let all = arguments.next().is_some_and(|option| option == "--all");
    std::fs::create_dir_all(&folder).unwrap();
    let shown = |name: &str| all || SHOWN.contains(&name);
    for (suffix, look) in LOOKS {
        if !SHOWN.iter().any(|name| all || name.ends_with(suffix)) {
            continue;
        }
        let (server, browser) = (Server::start(), Chromium::start(look));
        tour(&server, &browser, |page| {
            let name = format!("{page}-{suffix}");
            if shown(&name) {
                let file = folder.join(format!("{name}.png"));
                std::fs::write(file, browser.whole_picture()).unwrap();
                println!("{name}");
            }
        });
    }
}
