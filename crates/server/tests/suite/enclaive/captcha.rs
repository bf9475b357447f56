//! Proof of being human, against a verdict server that really answers.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::json;

use super::{HOST, PASSWORD, Tokens, failure, login, registered, with_bearer};
use crate::app::{TestApp, on_both};

const RESEND: &str = "/api/resend-email-verification";

/// A captcha provider on a port of its own. It confirms the answer `right` of the right secret.
#[derive(Clone, Default)]
pub struct Provider {
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl Provider {
    pub async fn start() -> (Provider, String) {
        let provider = Provider::default();
        let app = Router::new()
            .route("/siteverify", post(verdict))
            .with_state(provider.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/siteverify", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (provider, url)
    }

    pub fn seen(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

async fn verdict(State(provider): State<Provider>, body: String) -> Response {
    let field = |name: &str| {
        url::form_urlencoded::parse(body.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let (secret, response) = (field("secret"), field("response"));
    provider
        .seen
        .lock()
        .unwrap()
        .push((secret.clone(), response.clone()));
    let text = match response.as_str() {
        "right" if secret == "secret of env:CAPTCHA" => r#"{"success":true}"#,
        "text" => r#"{"success":"true"}"#,
        "one" => r#"{"success":1}"#,
        "absent" => "{}",
        "list" => r#"[{"success":true}]"#,
        "broken" => r#"{"success":true"#,
        "html" => "<html>",
        "empty" => "",
        "fault" => {
            return (StatusCode::INTERNAL_SERVER_ERROR, r#"{"success":true}"#).into_response();
        }
        "moved" => {
            return (
                StatusCode::TEMPORARY_REDIRECT,
                [("location", "/siteverify?again")],
                r#"{"success":true}"#,
            )
                .into_response();
        }
        "huge" => {
            return format!("{{\"success\":true,\"pad\":\"{}\"}}", "x".repeat(2 << 20))
                .into_response();
        }
        _ => r#"{"success":false,"error-codes":["invalid-input-response"]}"#,
    };
    text.into_response()
}

async fn guard(app: &TestApp, url: &str) {
    app.acme_with(&format!("[registration]\ncaptcha = \"turnstile\"\ncaptcha_secret = \"env:CAPTCHA\"\ncaptcha_url = \"{url}\"\n")).await;
}

fn person(email: &str) -> serde_json::Value {
    json!({ "email": email, "password": PASSWORD, "name": "Ada King" })
}

on_both! {
    async fn none_configured_is_none_asked(app: TestApp) {
        app.acme().await;
        let tokens = registered(&app, "ada@team.example").await;
        app.mails().await;
        app.pass(std::time::Duration::from_secs(60));
        with_bearer(&app, &format!("{RESEND}?capcha=whatever"), &tokens.user).await.status(200);
        assert_eq!(app.mails().await.len(), 1);
    }

    async fn the_right_answer_passes_under_both_spellings(app: TestApp) {
        app.acme().await;
        let (provider, url) = Provider::start().await;
        guard(&app, &url).await;
        let mut tokens = None;
        for (index, field) in ["capcha", "captcha"].into_iter().enumerate() {
            let mut body = person(&format!("p{index}@team.example"));
            body[field] = json!("right");
            tokens = Some(Tokens::of(&app.post(HOST, "/api/register", &[], body).await));
        }
        let user = tokens.unwrap().user;
        assert_eq!(app.mails().await.len(), 2);
        for name in ["capcha", "captcha"] {
            app.pass(std::time::Duration::from_secs(60));
            with_bearer(&app, &format!("{RESEND}?{name}=right"), &user).await.status(200);
            assert_eq!(app.mails().await.len(), 1, "{name}");
        }
        assert_eq!(provider.seen(), vec![("secret of env:CAPTCHA".to_owned(), "right".to_owned()); 4]);
        login(&app, "p0@team.example", PASSWORD).await.status(200);
        assert!(provider.seen().is_empty(), "a sign-in asks for no proof");
    }

    async fn a_missing_answer_is_400_and_nobody_is_asked(app: TestApp) {
        app.acme().await;
        let tokens = registered(&app, "old@team.example").await;
        app.mails().await;
        let (provider, url) = Provider::start().await;
        guard(&app, &url).await;
        app.pass(std::time::Duration::from_secs(60));
        let missing = failure(400, json!(["The captcha answer is missing."]));
        app.post(HOST, "/api/register", &[], person("ada@team.example")).await.is(400, missing.clone());
        for blank in [json!(""), json!("  "), json!(null)] {
            let mut body = person("ada@team.example");
            body["capcha"] = blank;
            app.post(HOST, "/api/register", &[], body).await.is(400, missing.clone());
        }
        for query in ["", "?capcha=", "?captcha=%20", "?x=right"] {
            with_bearer(&app, &format!("{RESEND}{query}"), &tokens.user).await.is(400, missing.clone());
        }
        assert!(provider.seen().is_empty() && app.mails().await.is_empty());
    }

    async fn only_a_plain_yes_of_the_provider_opens(app: TestApp) {
        let cx = app.acme().await;
        let tokens = registered(&app, "old@team.example").await;
        app.mails().await;
        let (_provider, url) = Provider::start().await;
        guard(&app, &url).await;
        app.pass(std::time::Duration::from_secs(60));
        for (answer, status) in [
            ("wrong", 400), ("RIGHT", 400), ("text", 400), ("one", 400), ("absent", 400), ("list", 400),
            ("broken", 503), ("html", 503), ("empty", 503), ("fault", 503), ("moved", 503), ("huge", 503),
        ] {
            let mut body = person("ada@team.example");
            body["capcha"] = json!(answer);
            let reply = app.post(HOST, "/api/register", &[], body).await;
            reply.status(status);
            assert_eq!(reply.json()["statusCode"], status, "{answer}: {}", reply.body);
            assert_eq!(reply.headers.contains_key("retry-after"), status == 503, "{answer}");
            with_bearer(&app, &format!("{RESEND}?capcha={answer}"), &tokens.user).await.status(status);
        }
        assert!(app.mails().await.is_empty());
        assert_eq!(app.identity.users(&cx, "", 10).await.unwrap().len(), 1);
    }

    async fn a_provider_that_is_down_lets_nobody_in(app: TestApp) {
        let cx = app.acme().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/siteverify", listener.local_addr().unwrap());
        drop(listener);
        guard(&app, &url).await;
        let mut body = person("ada@team.example");
        body["capcha"] = json!("right");
        let reply = app.post(HOST, "/api/register", &[], body).await;
        assert_eq!((reply.status.as_u16(), reply.json()["statusCode"].clone()), (503, json!(503)));
        assert!(!reply.body.contains("127.0.0.1") && !reply.body.contains("secret of"), "{}", reply.body);
        assert!(app.mails().await.is_empty() && app.identity.users(&cx, "", 10).await.unwrap().is_empty());
    }

    async fn one_answer_given_under_two_spellings_counts_once(app: TestApp) {
        app.acme().await;
        let (provider, url) = Provider::start().await;
        guard(&app, &url).await;
        let mut body = person("ada@team.example");
        body["capcha"] = json!("wrong");
        body["captcha"] = json!("right");
        app.post(HOST, "/api/register", &[], body).await.status(400);
        assert_eq!(provider.seen().len(), 1);
    }
}
