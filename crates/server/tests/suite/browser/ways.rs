//! There is always a way on, and where somebody wanted to go is kept: past reloads, bookmarks, ended sessions and mails.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret;
use vestibule_http::{RouteKind, routes};

use super::{
    APP, EMAIL, HOST, PASSWORD, acme_with_ada, flow_cookie, leads_to, page, sign_in, submit,
    unproven,
};
use crate::app::{Reply, TestApp, on_both};

/// Where somebody wanted to go.
const DEEP: &str = "/course/7?x=1";
const NEXT: &str = "next=%2Fcourse%2F7%3Fx%3D1";

/// What the page or redirect says, however often it is encoded.
fn plain(reply: &Reply) -> String {
    let mut text = format!("{}\n{}", reply.header("location"), reply.body);
    for _ in 0..4 {
        text = percent_decode_str(&text).decode_utf8_lossy().into_owned();
    }
    text
}

/// The first link on the page that begins so.
fn link(reply: &Reply, start: &str) -> String {
    let from = format!("href=\"{start}");
    let at = reply.body.find(&from);
    let at = at.unwrap_or_else(|| panic!("no link to {start} in {}", reply.body));
    let href = &reply.body[at + 6..];
    href.split('"').next().unwrap().replace("&amp;", "&")
}

/// Browsers in every state that a person can be in.
async fn browsers(app: &TestApp) -> Vec<(&'static str, String)> {
    let new = unproven(app, "new@example.com").await;
    let forgetful = submit(app, "/forgot-password", "", &[("email", EMAIL)]).await;
    let form = [
        ("email", "newer@example.com"),
        ("password", PASSWORD),
        ("name", "New"),
    ];
    let signed_up = submit(app, "/sign-up", "", &form).await;
    let gone = sign_in(app, EMAIL, PASSWORD).await;
    submit(app, "/sign-out", &gone, &[]).await;
    vec![
        ("anonymous", String::new()),
        ("forgot the password", flow_cookie(&forgetful)),
        ("signed up", flow_cookie(&signed_up)),
        ("signed out in another tab", gone),
        ("unconfirmed", new),
        ("signed in", sign_in(app, EMAIL, PASSWORD).await),
    ]
}

on_both! {
    async fn every_page_leads_on_in_every_state(app: TestApp) {
        acme_with_ada(&app).await;
        let pages: Vec<&str> = routes(false).into_iter().filter(|(kind, _)| *kind == RouteKind::Page).map(|(_, path)| path).collect();
        assert!(pages.len() > 15);
        for (state, cookie) in browsers(&app).await {
            for pattern in &pages {
                let path = pattern.replace("{token}", "x");
                let reply = app.get(HOST, &path, &[("cookie", &cookie), ("accept", "text/html")]).await;
                let status = reply.status.as_u16();
                if status == 303 {
                    let to = reply.header("location");
                    assert!(to.starts_with('/') || to == APP, "{state} {path}: {to}");
                    assert_ne!(to, path, "{state}: in circles");
                    continue;
                }
                // No link signs anybody out; what it says leads on all the same.
                let wanted: &[u16] = if path == "/sign-out" { &[405] } else { &[200, 400] };
                assert!(wanted.contains(&status), "{state} {path}: {status} {}", reply.body);
                assert!(reply.body.contains("<form ") || reply.body.contains("class=\"button"), "{state} {path}: a dead end: {}", reply.body);
                if status >= 400 {
                    let id = reply.header("x-request-id").to_owned();
                    assert!(reply.body.contains(&id), "{state} {path}: no reference: {}", reply.body);
                    let query = vestibule_identity::AuditQuery { request: Some(id), limit: 10, ..Default::default() };
                    let entries = app.identity.audit_query(&app.cx("acme").await, query).await.unwrap();
                    assert_eq!(entries.len(), 1, "{state} {path}");
                }
            }
        }
    }

    async fn every_page_keeps_where_somebody_wanted_to_go(app: TestApp) {
        acme_with_ada(&app).await;
        for (state, cookie) in browsers(&app).await {
            for path in ["/sign-in", "/sign-up", "/forgot-password", "/verify-email", "/onboarding", "/account/keep"] {
                let shown = page(&app, &format!("{path}?{NEXT}"), &cookie).await;
                assert!(plain(&shown).contains(DEEP), "{state} {path}: {} {}", shown.header("location"), shown.body);
                if shown.status == 200 {
                    // Forms sent with what is wrong, twice, as after Back.
                    for _ in 0..2 {
                        let form = [("email", ""), ("password", ""), ("name", ""), ("code", "1"), ("locale", "!"), ("next", DEEP)];
                        let again = submit(&app, &format!("{path}?{NEXT}"), &cookie, &form).await;
                        assert!(plain(&again).contains(DEEP), "{state} {path}: {} {}", again.status, again.body);
                    }
                }
            }
        }
    }

    async fn from_a_page_that_needs_a_sign_in_through_sign_up_and_mail(app: TestApp) {
        app.acme().await;
        for (turn, how) in ["the link elsewhere", "the code"].into_iter().enumerate() {
            let wanted = format!("/onboarding?{NEXT}");
            let out = page(&app, &wanted, "").await;
            let shown = page(&app, out.header("location"), "").await;
            let shown = page(&app, &link(&shown, "/sign-up?"), "").await;
            let next = shown.status(200).body.split("name=\"next\" value=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#x2f;", "/");
            let email = format!("new{turn}@example.com");
            let form = [("email", &*email), ("password", PASSWORD), ("name", "New"), ("next", &*next)];
            let signed_up = submit(&app, "/sign-up", "", &form).await;
            let flow = flow_cookie(&signed_up);
            let told = page(&app, signed_up.header("location"), &flow).await;
            assert!(plain(told.status(200)).contains(DEEP), "{}", told.body);
            let mails = app.mails().await;
            let done = if how == "the code" {
                submit(&app, "/sign-up/sent", &flow, &[("code", mails[0].code.as_ref().unwrap().expose_secret())]).await
            } else {
                let path = mails[0].link.as_ref().unwrap().expose_secret().replace("https://lms.acme.test", "");
                submit(&app, &path, "", &[("password", PASSWORD)]).await
            };
            let cookie = done.session_cookie().unwrap();
            let onboarding = page(&app, done.header("location"), &cookie).await;
            assert!(onboarding.status(200).body.contains("id=\"close\""), "{how}: {}", onboarding.body);
            let form = [("first_name", "New"), ("last_name", ""), ("locale", "en"), ("timezone", "UTC")];
            let saved = submit(&app, done.header("location"), &cookie, &form).await;
            assert!(plain(&saved).contains(DEEP), "{how}: {}", saved.header("location"));
        }
    }

    async fn from_a_forgotten_password_back_to_the_deep_link(app: TestApp) {
        acme_with_ada(&app).await;
        let shown = page(&app, &format!("/sign-in?{NEXT}"), "").await;
        let shown = page(&app, &link(&shown, "/forgot-password?"), "").await;
        assert!(shown.status(200).body.contains("name=\"next\" value=\"/course/7?x=1\""), "{}", shown.body);
        let asked = submit(&app, "/forgot-password", "", &[("email", EMAIL), ("next", DEEP)]).await;
        let flow = flow_cookie(&asked);
        for _ in 0..2 {
            let told = page(&app, "/forgot-password/sent", &flow).await;
            assert!(plain(told.status(200)).contains(DEEP), "{}", told.body);
        }
        let link = app.mailed_link(vestibule_identity::MailKind::ResetPassword).await;
        let reset = submit(&app, link.strip_prefix("https://lms.acme.test").unwrap(), "", &[("password", "a brand new password")]).await;
        let on = reset.header("location").to_owned();
        assert!(plain(&page(&app, &on, "").await).contains(DEEP));
        let form = [("email", EMAIL), ("password", "a brand new password"), ("next", DEEP)];
        leads_to(&submit(&app, "/sign-in", "", &form).await, DEEP);
    }

    async fn a_pause_in_which_the_session_ended_comes_back_to_the_same_page(app: TestApp) {
        app.acme_with("[session]\nidle = '20m'").await;
        let cookie = unproven(&app, EMAIL).await;
        app.pass(Duration::from_secs(1_800));
        for (path, form) in [("/verify-email", &[("code", "123456")][..]), ("/verify-email", &[]), ("/onboarding", &[("first_name", "Ada")])] {
            let out = submit(&app, &format!("{path}?{NEXT}"), &cookie, form).await;
            let back = format!("/sign-in?next={}", path.replace('/', "%2F"));
            assert!(out.header("location").starts_with(&back) && plain(&out).contains(DEEP), "{path}: {}", out.header("location"));
            let next = percent_decode_str(out.header("location").strip_prefix("/sign-in?next=").unwrap()).decode_utf8().unwrap().into_owned();
            let again = submit(&app, "/sign-in", "", &[("email", EMAIL), ("password", PASSWORD), ("next", &next)]).await;
            leads_to(&again, &format!("{path}?{NEXT}"));
            page(&app, &format!("{path}?{NEXT}"), &again.session_cookie().unwrap()).await.status(200);
        }
    }

    async fn a_bookmark_of_a_forms_address_leads_to_its_page(app: TestApp) {
        acme_with_ada(&app).await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        for form in ["profile", "password", "sessions", "email", "export", "delete"] {
            leads_to(&page(&app, &format!("/account/{form}"), &cookie).await, "/account");
        }
    }
}
