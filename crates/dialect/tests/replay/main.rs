//! Plays the recorded exchanges of every dialect against the identity core on a fresh SQLite database. What the browser
//! sees beyond the status (cookies, locations, pages) belongs to the HTTP surface and is played there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod server;

use std::collections::BTreeMap;
use std::path::Path;

use server::Server;
use vestibule_dialect::Dialects;
use vestibule_dialect::examples::{Example, builtin, load};

async fn play(dialects: &Dialects, dialect: &str, example: &Example) {
    let server = Server::start(dialects.clone(), dialect, &example.given).await;
    let mut variables: BTreeMap<String, String> = server.variables.clone();
    for (index, step) in example.step.iter().enumerate() {
        let place = format!("{} step {} ({})", example.file, index + 1, step.request);
        if let Some(span) = &step.after {
            server.advance(span);
        }
        if step.variables().iter().any(|name| name == "mail.token") {
            server.read_mail(&mut variables).await;
        }
        let request = step
            .request(&variables)
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        let (received, is_browser) = server.send(request).await;
        let mut step = step.clone();
        if is_browser {
            step.answer_headers.clear();
        }
        step.matches(&received, &variables)
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        variables.extend(
            step.saved(&received)
                .unwrap_or_else(|error| panic!("{place}: {error}")),
        );
    }
}

async fn play_all(dialect: &str) {
    let examples = builtin(dialect).unwrap_or_else(|problems| panic!("{problems}"));
    let dialects = Dialects::builtin().unwrap();
    for example in &examples {
        play(&dialects, dialect, example).await;
    }
}

#[tokio::test]
async fn rezi() {
    play_all("rezi").await;
}

#[tokio::test]
async fn enclaive() {
    play_all("enclaive").await;
}

#[tokio::test]
async fn alphalearn() {
    play_all("alphalearn").await;
}

/// A vendor nobody has heard of, in data alone.
#[tokio::test]
async fn a_dialect_from_a_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialects");
    let dialects =
        Dialects::load(Some(&folder), &[]).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(
        dialects.names(),
        ["alphalearn", "enclaive", "parcel", "rezi"]
    );
    for example in load(&folder.join("parcel")).unwrap_or_else(|problems| panic!("{problems}")) {
        play(&dialects, "parcel", &example).await;
    }
}
