//! What every answer carries, whatever it is.

use vestibule_http::RouteKind;

use super::{EMAIL, HOST, PASSWORD, acme_with_ada, flow_cookie, sign_in, submit, unproven};
use crate::app::{Reply, build, on_both};

#[track_caller]
fn protected(reply: &Reply, what: &str) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(reply.header(name), value, "{what}: {name}");
    }
    if reply.status.is_redirection() {
        let alone = reply.header("cross-origin-opener-policy");
        assert_eq!(alone, "same-origin", "{what}");
    }
    assert!(!reply.header("x-request-id").is_empty(), "{what}");
    assert!(
        reply.headers.get("server").is_none() && reply.headers.get("x-powered-by").is_none(),
        "{what}"
    );
    let policy = reply.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"),
        "{what}: {policy}"
    );
    assert!(
        !policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http:"),
        "{what}: {policy}"
    );
}

/// A page that loads and runs nothing of others, and nothing inline.
#[track_caller]
fn a_clean_page(reply: &Reply, what: &str) {
    assert_eq!(
        reply.header("content-type"),
        "text/html; charset=utf-8",
        "{what}"
    );
    assert_eq!(reply.header("cache-control"), "no-store", "{what}");
    let alone = reply.header("cross-origin-opener-policy");
    assert_eq!(alone, "same-origin", "{what}");
    for feature in ["camera", "geolocation", "microphone", "payment"] {
        let off = format!("{feature}=()");
        let policy = reply.header("permissions-policy");
        assert!(policy.contains(&off), "{what}: {off}");
    }
    assert_eq!(
        reply.header("strict-transport-security"),
        "max-age=31536000",
        "{what}"
    );
    let policy = reply.header("content-security-policy");
    for wanted in [
        "script-src 'self'",
        "style-src 'self'",
        "form-action 'self' https://app.acme.test;",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(wanted), "{what}: no {wanted} in {policy}");
    }
    let html = reply.body.to_ascii_lowercase();
    for inline in [
        "<script>",
        " style=",
        "<style",
        " onclick=",
        " onload=",
        " onerror=",
        "javascript:",
        "<iframe",
        "<base",
    ] {
        assert!(!html.contains(inline), "{what}: {inline}");
    }
    for loaded in html
        .split(" src=\"")
        .skip(1)
        .chain(html.split("<link ").skip(1))
    {
        assert!(
            !loaded.split('>').next().unwrap().contains("//"),
            "{what}: {loaded}"
        );
    }
    assert!(
        html.starts_with("<!doctype html>")
            && html.contains("<html lang=\"en\"")
            && html.contains("<title>"),
        "{what}: {html}"
    );
}

on_both! {
    async fn every_page_is_protected(app: TestApp) {
        acme_with_ada(&app).await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        let fresh = unproven(&app, "new@example.com").await;
        let verify = app.mailed_link(vestibule_identity::MailKind::VerifyEmail).await.replace("https://lms.acme.test", "");
        let flow = &flow_cookie(&submit(&app, "/forgot-password", "", &[("email", EMAIL)]).await);
        let sign_up = [("email", "newer@example.com"), ("password", PASSWORD), ("name", "New")];
        let reset = app.mailed_link(vestibule_identity::MailKind::ResetPassword).await.replace("https://lms.acme.test", "");
        let signed_up = &flow_cookie(&submit(&app, "/sign-up", "", &sign_up).await);
        for (path, cookie, status) in [
            ("/sign-in", "", 200),
            ("/sign-up/sent", signed_up, 200),
            ("/sign-in?notice=signed-out", "", 200),
            ("/sign-up", "", 200),
            ("/forgot-password", "", 200),
            ("/forgot-password/sent", flow, 200),
            ("/login/", "", 200),
            ("/login/?token=x", "", 401),
            ("/verify-email", &*fresh, 200),
            (&*verify, "", 200),
            ("/verify-email/x", "", 400),
            (&*reset, "", 200),
            ("/reset-password/x", "", 400),
            ("/onboarding", &*cookie, 200),
            ("/account", &*cookie, 200),
            ("/sign-out", "", 405),
        ] {
            let reply = app.get(HOST, path, &[("cookie", cookie), ("accept", "text/html")]).await;
            assert_eq!(reply.status, status, "{path}");
            protected(&reply, path);
            a_clean_page(&reply, path);
        }
        for (path, headers, status) in [
            ("/nothing", &[("accept", "text/html")][..], 404),
            ("/login/?token=x", &[("sec-fetch-dest", "iframe")], 403),
        ] {
            let reply = app.get(HOST, path, headers).await;
            assert_eq!(reply.status, status, "{path}");
            protected(&reply, path);
            a_clean_page(&reply, path);
        }
        let wrong = submit(&app, "/sign-in", "", &[("email", EMAIL), ("password", "wrong")]).await;
        protected(&wrong, "a wrong password");
        a_clean_page(&wrong, "a wrong password");
        let forged = app.post_form(HOST, "/sign-in", &[], &[("email", EMAIL), ("password", PASSWORD)]).await;
        assert_eq!(forged.status, 403);
        protected(&forged, "a forged form");
        a_clean_page(&forged, "a forged form");
    }

    async fn every_route_there_is_is_protected(app: TestApp) {
        acme_with_ada(&app).await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        let routes = vestibule_http::routes(true);
        assert!(routes.len() > 25, "{routes:?}");
        for (kind, pattern) in routes {
            let path = pattern.replace("{token}", "x").replace("{id}", "x").replace("{hash}", "x").replace("{name}", "x");
            for method in ["GET", "HEAD", "POST", "DELETE", "PATCH", "OPTIONS", "BREW"] {
                for cookie in ["", &cookie] {
                    let reply = app.send(build(method, HOST, &path, &[("cookie", cookie), ("accept", "text/html")], "")).await;
                    let what = format!("{method} {path}");
                    protected(&reply, &what);
                    if kind == RouteKind::Page && reply.header("content-type").starts_with("text/html") && method != "HEAD" {
                        a_clean_page(&reply, &what);
                    }
                    if kind == RouteKind::Page || kind == RouteKind::Account {
                        assert_eq!(reply.header("cache-control"), "no-store", "{what}");
                    }
                }
            }
        }
    }

    async fn every_other_answer_is_protected(app: TestApp) {
        acme_with_ada(&app).await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        for (method, host, path, status) in [
            ("GET", HOST, "/", 303),
            ("GET", HOST, "/account", 200),
            ("GET", HOST, "/account/v1/session", 200),
            ("GET", HOST, "/account/v1/nothing", 404),
            ("POST", HOST, "/account/v1/session", 405),
            ("GET", HOST, "/forward-auth", 200),
            ("GET", HOST, "/.well-known/jwks.json", 200),
            ("GET", HOST, "/.well-known/openid-configuration", 200),
            ("GET", HOST, "/health/live", 200),
            ("GET", HOST, "/health/ready", 200),
            ("GET", HOST, "/robots.txt", 200),
            ("GET", HOST, "/favicon.ico", 200),
            ("GET", HOST, "/nothing", 404),
            ("POST", HOST, "/v1/user/token", 401),
            ("GET", HOST, "/v1/user/token", 405),
            ("POST", HOST, "/api/login", 400),
            ("POST", HOST, "/authorize/login", 400),
            ("GET", "nobody.test", "/sign-in", 421),
            ("GET", "nobody.test", "/account/v1/session", 421),
            ("GET", "", "/sign-in", 400),
            ("TRACE", HOST, "/sign-in", 405),
        ] {
            let reply = app.send(build(method, host, path, &[("cookie", &*cookie)], "")).await;
            assert_eq!(reply.status, status, "{method} {host} {path}: {}", reply.body);
            protected(&reply, path);
        }
    }

    async fn a_refused_method_comes_with_those_that_are_allowed(app: TestApp) {
        app.acme().await;
        for (path, allowed) in [
            ("/sign-in", &["GET", "HEAD", "POST"][..]),
            ("/account/v1/profile", &["GET", "HEAD", "PATCH"]),
            ("/account/v1/sessions/x", &["DELETE"]),
            ("/sign-out", &["POST"]),
            ("/forward-auth", &["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]),
            ("/health/live", &["GET", "HEAD"]),
            ("/v1/user/token", &["POST"]),
            ("/login/", &["GET", "HEAD"]),
        ] {
            for method in ["TRACE", "CONNECT", "BREW"] {
                let reply = app.send(build(method, HOST, path, &[], "")).await;
                let mut told: Vec<&str> = reply.header("allow").split(',').map(str::trim).collect();
                told.sort_unstable();
                assert_eq!((reply.status.as_u16(), &*told), (405, allowed), "{method} {path}");
            }
        }
        assert_eq!(app.send(build("TRACE", HOST, "/nothing", &[], "")).await.status, 404);
    }

    async fn an_error_page_says_a_thing_once(app: TestApp) {
        app.acme().await;
        let reply = app.get(HOST, "/nothing", &[("accept", "text/html")]).await;
        let said = reply.status(404).body.split("<main").nth(1).unwrap();
        assert_eq!(said.matches("There is nothing here").count(), 1, "{said}");
        for path in ["/verify-email/x", "/reset-password/x"] {
            let reply = app.get(HOST, path, &[]).await;
            assert_eq!(reply.status(400).body.matches("has expired").count(), 1, "{path}: {}", reply.body);
        }
    }

    async fn each_request_has_a_name_of_its_own(app: TestApp) {
        app.acme().await;
        let mut names = Vec::new();
        for _ in 0..20 {
            names.push(app.get(HOST, "/sign-in", &[("x-request-id", "mine")]).await.header("x-request-id").to_owned());
        }
        names.sort();
        names.dedup();
        assert_eq!((names.len(), names.contains(&"mine".to_owned())), (20, false), "{names:?}");
    }

    async fn unknown_paths_and_junk_are_plain_refusals(app: TestApp) {
        app.acme().await;
        for path in ["/%00", "/%ff", "/..%2f..%2fetc/passwd", "/sign-in/", "/SIGN-IN", "/sign-in%2f", "//sign-in", "/sign-in;x=1", "/verify-email/", "/reset-password/", "/*"] {
            let reply = app.get(HOST, path, &[]).await;
            assert!(matches!(reply.status.as_u16(), 400 | 404), "{path}: {}", reply.status);
            protected(&reply, path);
        }
    }
}
