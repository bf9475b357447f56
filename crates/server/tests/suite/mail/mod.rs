//! Mail from the outbox to a server that speaks SMTP: what arrives, and what happens when it does not.

mod content;
mod retries;
mod sink;

use std::sync::Arc;

use secrecy::ExposeSecret;
use vestibule::mail::{MailWorker, Sender};
use vestibule::settings::{Inputs, Settings};
use vestibule_identity::Cx;

use crate::app::TestApp;
use sink::Sink;

/// A worker as the server starts it, with these settings.
fn worker(app: &TestApp, settings: &[(&'static str, &str)]) -> Arc<MailWorker> {
    let settings = settings
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    let settings = Settings::load(&Inputs::closed(settings)).unwrap();
    Arc::new(MailWorker::new(
        app.identity.clone(),
        Sender::new(&settings),
    ))
}

/// `acme`, a sink, and a worker that hands everything to it.
async fn post(app: &TestApp) -> (Cx, Sink, Arc<MailWorker>) {
    let cx = app.acme().await;
    let sink = Sink::start().await;
    let worker = worker(app, &[("smtp_url", &sink.url())]);
    (cx, sink, worker)
}

/// The link in a mail's text.
fn link(text: &str) -> String {
    let links: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("https://"))
        .collect();
    assert_eq!(links.len(), 1, "{text}");
    links[0].to_owned()
}

fn secret(text: &secrecy::SecretString) -> &str {
    text.expose_secret()
}
