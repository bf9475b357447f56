//! What an attacker sends for an address, a path, a link: the same lists that the rules' own tests read.

use std::sync::LazyLock;

fn read(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap()
}

/// None of them is an e-mail address.
pub static EMAILS: LazyLock<Vec<String>> =
    LazyLock::new(|| read(include_str!("../../../../testdata/hostile/emails.json")));

/// None of them is a path on our own host.
pub static PATHS: LazyLock<Vec<String>> =
    LazyLock::new(|| read(include_str!("../../../../testdata/hostile/paths.json")));

/// None of them is a link for mails of a tenant that lists www.acme.test.
pub static LINKS: LazyLock<Vec<String>> =
    LazyLock::new(|| read(include_str!("../../../../testdata/hostile/links.json")));
