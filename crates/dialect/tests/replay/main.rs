//! Plays the recorded exchanges of every dialect against the identity core on a fresh SQLite database. What the browser
//! sees beyond the status (cookies, locations, pages) belongs to the HTTP surface and is played there.

mod server;

use std::collections::BTreeMap;

use server::Server;
use vestibule_dialect::examples::{Example, builtin};

async fn play(dialect: &str, example: &Example) {
    let server = Server::start(dialect, &example.given).await;
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
    for example in &examples {
        play(dialect, example).await;
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
