//! Who, what, from where, and how it ended; and that a reference leads there.

use serde_json::json;
use vestibule_identity::AuditEntry;

use super::*;
use crate::app::{build, on_both};
use crate::browser::{ORIGIN, page, refused};

/// The newest entry of an event.
async fn newest(app: &TestApp, cx: &Cx, event: &str) -> AuditEntry {
    let query = AuditQuery {
        action: Some(event.to_owned()),
        limit: 1,
        ..AuditQuery::default()
    };
    app.identity.audit_query(cx, query).await.unwrap().remove(0)
}

on_both! {
    async fn an_entry_says_who_what_whence_and_how(app: TestApp) {
        let cx = app.acme().await;
        let ada = app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let key = app.api_key(&cx).await;
        let agent = ("user-agent", "Mozilla/5.0 (test)");
        let reply = app.post(HOST, "/api/login", &[agent], json!({"email": EMAIL, "password": PASSWORD})).await;
        let entry = newest(&app, &cx, "sign_in.password").await;
        assert_eq!(
            (&*entry.outcome, entry.reason.as_deref(), &*entry.actor, entry.actor_id.as_deref(), entry.account_id.as_deref()),
            ("done", None, "person", Some(&*ada.id), Some(&*ada.id))
        );
        assert_eq!(
            (&*entry.surface, entry.client_address.as_deref(), entry.user_agent.as_deref(), &*entry.request_id),
            ("enclaive", Some("192.0.2.1"), Some(agent.1), reply.header("x-request-id"))
        );
        app.post(HOST, "/api/login", &[], json!({"email": EMAIL, "password": "wrong-wrong-wrong"})).await.status(401);
        let entry = newest(&app, &cx, "sign_in.password").await;
        assert_eq!(
            (&*entry.outcome, entry.reason.as_deref(), &*entry.actor, entry.actor_id.as_deref(), entry.account_id.as_deref()),
            ("refused", Some("invalid_credentials"), "anonymous", None, Some(&*ada.id))
        );
        let key_id = app.identity.api_keys(&cx).await.unwrap()[0].id.clone();
        assert_eq!(newest(&app, &cx, "api_key.created").await.target.as_deref(), Some(&*key_id));
        let bearer = format!("Bearer {key}");
        app.post(HOST, "/v1/user/token", &[("authorization", &bearer)], json!({"email": "bob@example.com", "uid": "uid-1"})).await.status(200);
        let entry = newest(&app, &cx, "partner.account_created").await;
        assert_eq!((&*entry.actor, entry.actor_id.as_deref(), &*entry.surface), ("back_end", Some(&*key_id), "rezi"));
    }

    async fn lists_are_narrowed(app: TestApp) {
        let cx = lively(&app).await;
        let ada = app.identity.user(&cx, EMAIL).await.unwrap().id;
        let of = async |query: AuditQuery| app.identity.audit_query(&cx, AuditQuery { limit: 100, ..query }).await.unwrap().len();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(of(AuditQuery { action: text("sign_in"), ..AuditQuery::default() }).await, 4);
        assert_eq!(of(AuditQuery { action: text("sign_in"), outcome: text("refused"), ..AuditQuery::default() }).await, 2);
        assert_eq!(of(AuditQuery { account: Some(ada), ..AuditQuery::default() }).await, 5);
        assert_eq!(of(AuditQuery { account: text("nobody"), ..AuditQuery::default() }).await, 0);
        assert_eq!(of(AuditQuery { since: Some(app.identity.now() + std::time::Duration::from_micros(1)), ..AuditQuery::default() }).await, 0);
        assert_eq!(of(AuditQuery { since: Some(app.identity.now()), ..AuditQuery::default() }).await, 7);
        let newest_first = app.identity.audit_entries(&cx, 100).await.unwrap();
        let places: Vec<_> = newest_first.iter().filter_map(|entry| entry.seq).collect();
        assert_eq!(places, [7, 6, 5, 4, 3, 2, 1]);
    }

    async fn the_reference_of_a_refusal_leads_to_its_entry(app: TestApp) {
        let cx = lively(&app).await;
        let html = ("accept", "text/html");
        let long = "x".repeat(70_000);
        let form = ("content-type", "application/x-www-form-urlencoded");
        let foreign = ("origin", "https://evil.test");
        for (method, path, headers, body, status, expected) in [
            ("GET", "/login/?token=nonsense", &[html][..], "", 401, "sign_in.browser refused invalid_login_token"),
            ("GET", "/login/?token=nonsense", &[html, ("sec-fetch-dest", "image")], "", 403, "sign_in.browser refused not_a_navigation"),
            ("POST", "/site/login-by-jwt-token", &[html, form], "token=x&type=1&inputData=%7B%22enrollmentId%22%3A7%7D", 401, "sign_in.browser refused invalid_login_token"),
            ("GET", "/nothing", &[html], "", 404, "request.refused refused not_found"),
            ("PUT", "/sign-in", &[html], "", 405, "request.refused refused method_not_allowed"),
            ("POST", "/sign-in", &[html, form, foreign], "email=a", 403, "request.refused refused forbidden"),
            ("POST", "/sign-in", &[html, form, ORIGIN], &long, 413, "request.refused refused body_too_large"),
        ] {
            let reply = app.send(build(method, HOST, path, headers, body.to_owned())).await;
            assert_eq!(reply.status, status, "{method} {path}: {}", reply.body);
            assert_eq!(of_request(&app, &cx, reply.header("x-request-id")).await, [expected], "{method} {path}");
        }
        let reply = page(&app, "/login/?token=nonsense", "").await;
        refused(&reply, 401);
    }

    async fn a_failure_of_ours_leaves_an_entry(app: TestApp) {
        let cx = lively(&app).await;
        tamper(&app, "ALTER TABLE session RENAME TO elsewhere", &params![]).await;
        for (path, headers) in [("/sign-in", &[ORIGIN, ("content-type", "application/x-www-form-urlencoded")][..]), ("/api/login", &[("content-type", "application/x-www-form-urlencoded")])] {
            let body = format!("email={EMAIL}&password={}", PASSWORD.replace(' ', "+"));
            let reply = app.send(build("POST", HOST, path, headers, body)).await;
            let id = reply.header("x-request-id").to_owned();
            reply.status(500);
            assert_eq!(of_request(&app, &cx, &id).await, ["request.failed refused internal"], "{path}");
            if path == "/sign-in" {
                assert!(reply.body.contains(&id), "the page names its reference: {}", reply.body);
            }
        }
    }
}
