//! What a browser meets: hosted pages, the signed-in person's API, the proxies' question, documents.

mod account;
mod api;
mod begun;
mod branding;
mod codes;
mod csrf;
mod documents;
mod email_change;
mod forward_auth;
mod headers;
mod held;
mod invitation;
mod language;
mod leaving;
pub mod logs;
mod notices;
mod onboarding;
mod password;
mod sign_in;
mod sign_up;
mod verify;
mod ways;

use serde_json::json;
use vestibule_identity::Cx;

use crate::app::{Reply, TestApp};

pub const HOST: &str = "lms.acme.test";
pub const APP: &str = "https://app.acme.test/";
pub const ORIGIN: (&str, &str) = ("origin", "https://lms.acme.test");
pub const EMAIL: &str = "ada@example.com";
pub const PASSWORD: &str = "correct horse battery";

/// Acme, with a verified Ada in it.
pub async fn acme_with_ada(app: &TestApp) -> Cx {
    let cx = app.acme().await;
    app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
    cx
}

/// A form of one of our own pages.
pub async fn submit(app: &TestApp, path: &str, cookie: &str, form: &[(&str, &str)]) -> Reply {
    app.post_form(HOST, path, &[ORIGIN, ("cookie", cookie)], form)
        .await
}

/// A page, seen with these cookies.
pub async fn page(app: &TestApp, path: &str, cookie: &str) -> Reply {
    app.get(HOST, path, &[("cookie", cookie)]).await
}

/// The session cookie of somebody who signs in with a password.
pub async fn sign_in(app: &TestApp, email: &str, password: &str) -> String {
    let reply = submit(
        app,
        "/sign-in",
        "",
        &[("email", email), ("password", password)],
    )
    .await;
    reply
        .session_cookie()
        .unwrap_or_else(|| panic!("not signed in: {} {}", reply.status, reply.body))
}

/// The browser of somebody whose address is not proven: signed up through a dialect, signed in here. One mail waits.
pub async fn unproven(app: &TestApp, email: &str) -> String {
    let body = json!({"email": email, "password": PASSWORD, "name": "New"});
    app.post(HOST, "/api/register", &[], body).await.status(200);
    sign_in(app, email, PASSWORD).await
}

/// The cookie that a browser keeps of what goes on by mail.
pub fn flow_cookie(reply: &Reply) -> String {
    let cookie = reply.header("set-cookie");
    assert!(cookie.starts_with("__Host-vestibule-flow="), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

/// An access token of the password dialect, as a header value.
pub async fn bearer(app: &TestApp, email: &str, password: &str) -> String {
    let reply = app
        .post(
            HOST,
            "/api/login",
            &[],
            json!({"email": email, "password": password}),
        )
        .await;
    format!(
        "Bearer {}",
        reply.status(200).json()["userToken"].as_str().unwrap()
    )
}

/// Whether the cookie signs somebody in.
pub async fn is_live(app: &TestApp, cookie: &str) -> bool {
    let status = app
        .get(HOST, "/account/v1/session", &[("cookie", cookie)])
        .await
        .status;
    assert!(status == 200 || status == 401, "{status}");
    status == 200
}

/// Whether the password signs the person in.
pub async fn password_works(app: &TestApp, email: &str, password: &str) -> bool {
    let reply = app
        .post(
            HOST,
            "/api/login",
            &[],
            json!({"email": email, "password": password}),
        )
        .await;
    assert!(
        reply.status == 200 || reply.status == 401,
        "{} {}",
        reply.status,
        reply.body
    );
    reply.status == 200
}

#[track_caller]
pub fn leads_to(reply: &Reply, location: &str) {
    assert_eq!(
        (reply.status.as_u16(), reply.header("location")),
        (303, location),
        "{}",
        reply.body
    );
}

/// Asserts a page with an explanation, and no session.
#[track_caller]
pub fn refused(reply: &Reply, status: u16) {
    reply.status(status);
    assert_eq!(reply.session_cookie(), None);
    assert!(
        reply.header("content-type").starts_with("text/html")
            && reply.body.contains("role=\"alert\""),
        "{}",
        reply.body
    );
}
