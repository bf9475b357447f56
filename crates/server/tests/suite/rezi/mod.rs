//! The partner dialect: a back end mints login tokens, and browsers that bring them are signed in.

mod accounts;
mod bodies;
mod choice;
mod exchange;
mod login;
mod misuse;
mod options;
mod tenants;

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};

pub const HOST: &str = "lms.acme.test";
pub const TOKEN: &str = "/v1/user/token";
pub const EMAIL: &str = "user@example.com";
pub const UID: &str = "12345678910";

pub fn person() -> Value {
    json!({"email": EMAIL, "uid": UID})
}

/// What an unknown key is told.
pub fn unauthorized() -> Value {
    json!({"status": "error", "errorCode": "token-01", "errorMessage": "unauthorized token"})
}

/// What another uid than the first is told.
pub fn mismatch() -> Value {
    json!({"status": "error", "errorCode": "token-02", "errorMessage": "uid does not match this email"})
}

/// One exchange of a key, an address and a uid, at acme.
pub async fn exchange(app: &TestApp, key: &str, email: &str, uid: &str) -> Reply {
    exchange_at(app, HOST, key, json!({"email": email, "uid": uid})).await
}

pub async fn exchange_at(app: &TestApp, host: &str, key: &str, body: Value) -> Reply {
    app.post(
        host,
        TOKEN,
        &[("authorization", &format!("Bearer {key}"))],
        body,
    )
    .await
}

/// A field of the answer that must be there.
#[track_caller]
pub fn text(reply: &Reply, name: &str) -> String {
    let answer = reply.status(200).json();
    answer[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {answer}"))
        .to_owned()
}

/// A fresh login token for the address, at acme.
pub async fn login_token(app: &TestApp, key: &str, email: &str) -> String {
    text(&exchange(app, key, email, UID).await, "token")
}

/// A browser opens the link.
pub async fn open(app: &TestApp, token: &str, headers: &[(&str, &str)]) -> Reply {
    app.get(HOST, &format!("/login/?token={token}"), headers)
        .await
}

/// Asserts a page that refuses the token: status, no session, nothing of the token in it.
#[track_caller]
pub fn refused(reply: &Reply, status: u16, token: &str) {
    reply.status(status);
    assert_eq!(reply.session_cookie(), None);
    assert!(
        reply.header("content-type").starts_with("text/html"),
        "{:?}",
        reply.headers
    );
    assert!(
        reply.body.contains("role=\"alert\""),
        "no explanation in {}",
        reply.body
    );
    assert!(
        token.is_empty() || !reply.body.contains(token),
        "the page repeats the token"
    );
    assert_eq!(
        (
            reply.header("referrer-policy"),
            reply.header("cache-control")
        ),
        ("no-referrer", "no-store")
    );
}
