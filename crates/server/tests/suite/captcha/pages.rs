//! The captcha on hosted pages.

use super::{guarded, solved};
use crate::app::{Reply, TestApp, on_both};
use crate::browser::{EMAIL, HOST, PASSWORD, leads_to, page, refused, submit};
use crate::enclaive::captcha::Provider;

const PAGES: [(&str, &str); 3] = [
    ("/sign-up", "sign-up"),
    ("/sign-in", "sign-in"),
    ("/forgot-password", "forgot-password"),
];

fn asked_on(kind: &str, pages: &[&str], url: &str) -> String {
    format!(
        "[registration]\ncaptcha = '{kind}'\ncaptcha_on = {pages:?}\ncaptcha_secret = 'env:CAPTCHA'\ncaptcha_site_key = 'site-key_1'\ncaptcha_url = '{url}'\n"
    )
}

/// The sources of each directive of the page's policy.
fn sources<'a>(reply: &'a Reply, directive: &str) -> Option<&'a str> {
    let policy = reply.header("content-security-policy");
    policy
        .split(';')
        .find_map(|part| part.trim().strip_prefix(directive)?.strip_prefix(' '))
}

async fn form(app: &TestApp, field: &str, answer: &str) -> Reply {
    submit(
        app,
        "/sign-up",
        "",
        &[
            ("email", EMAIL),
            ("password", PASSWORD),
            ("name", "Grace Hopper"),
            (field, answer),
        ],
    )
    .await
}

on_both! {
    async fn the_widget_stands_where_it_is_asked_for_and_nowhere_else(app: TestApp) {
        for (asking, name) in PAGES {
            app.acme_with(&format!("[registration]\ncaptcha = 'pow'\ncaptcha_on = ['{name}']\n")).await;
            for (path, _) in PAGES {
                let shown = page(&app, path, "").await;
                let has = |part: &str| shown.status(200).body.contains(part);
                let here = path == asking;
                assert!(has("<form") && has("<altcha-widget") == here && has("/captcha.js\"") == here && has("<noscript>") == here, "{path}: {}", shown.body);
                assert_eq!((sources(&shown, "script-src"), sources(&shown, "style-src")), (Some("'self'"), Some("'self'")), "{path}");
                assert_eq!(sources(&shown, "connect-src"), here.then_some("'self'"), "{path}");
                assert_eq!(sources(&shown, "frame-src"), None);
            }
        }
        app.acme_with("[registration]\nopen = false\ncaptcha = 'pow'\n").await;
        assert!(!page(&app, "/sign-up", "").await.body.contains("captcha"));
    }

    async fn the_widgets_files_are_there(app: TestApp) {
        guarded(&app).await;
        let shown = page(&app, "/sign-up", "").await.body;
        let script = shown.split("src=\"").find(|part| part.contains("captcha.js")).unwrap().split('"').next().unwrap().to_owned();
        for (name, kind) in [("captcha.js", "text/javascript"), ("altcha.js", "text/javascript"), ("altcha-pbkdf2.js", "text/javascript"), ("altcha.css", "text/css")] {
            let file = app.get(HOST, &script.replace("captcha.js", name), &[]).await;
            assert!(file.status(200).header("content-type").starts_with(kind), "{name}");
        }
    }

    /// The operator's oversight is nobody's fault who comes: they are told to come back.
    async fn without_its_secret_a_captcha_is_unavailable(app: TestApp) {
        for kind in ["turnstile", "hcaptcha", "recaptcha"] {
            let tables = asked_on(kind, &["sign-up", "sign-in", "forgot-password"], "https://127.0.0.1:9/");
            app.acme_with(&tables.replace("env:CAPTCHA", "env:MISSING")).await;
            let person = [("email", EMAIL), ("password", PASSWORD), ("name", "Grace Hopper"), ("cf-turnstile-response", "x"), ("h-captcha-response", "x"), ("g-recaptcha-response", "x")];
            for (path, _) in PAGES {
                let reply = submit(&app, path, "", &person).await;
                assert_eq!(reply.status, 503, "{kind} {path}: {}", reply.body);
                assert!(reply.headers.contains_key("retry-after") && !reply.body.contains("MISSING"), "{kind} {path}: {}", reply.body);
            }
            let body = serde_json::json!({ "email": EMAIL, "password": PASSWORD, "name": "Grace Hopper", "captcha": "x" });
            let reply = app.post(crate::enclaive::HOST, "/api/register", &[], body).await;
            assert_eq!((reply.status.as_u16(), reply.headers.contains_key("retry-after")), (503, true), "{kind}: {}", reply.body);
        }
    }

    async fn each_provider_gets_its_documented_hosts_and_no_more(app: TestApp) {
        let hcaptcha = "https://hcaptcha.com https://*.hcaptcha.com";
        for (kind, script, frame, style, connect, class) in [
            ("turnstile", "https://challenges.cloudflare.com", "https://challenges.cloudflare.com", "", "", "cf-turnstile"),
            ("hcaptcha", hcaptcha, hcaptcha, hcaptcha, hcaptcha, "h-captcha"),
            ("recaptcha", "https://www.google.com/recaptcha/ https://www.gstatic.com/recaptcha/",
                "https://www.google.com/recaptcha/ https://recaptcha.google.com/recaptcha/", "", "", "g-recaptcha"),
        ] {
            app.acme_with(&asked_on(kind, &["sign-up", "sign-in", "forgot-password"], "https://127.0.0.1:9/")).await;
            for (path, _) in PAGES {
                let shown = page(&app, path, "").await;
                let widget = format!("<div class=\"{class}\" data-sitekey=\"site-key_1\"");
                assert!(shown.status(200).body.contains(&widget) && shown.body.contains("<noscript>"), "{kind} {path}: {}", shown.body);
                let own = |more: &str| format!("'self' {more}").trim().to_owned();
                assert_eq!(sources(&shown, "script-src"), Some(&*own(script)), "{kind}");
                assert_eq!(sources(&shown, "style-src"), Some(&*own(style)), "{kind}");
                assert_eq!((sources(&shown, "frame-src").unwrap_or(""), sources(&shown, "connect-src").unwrap_or("")), (frame, connect), "{kind}");
                assert!(!shown.body.contains("<script>"), "nothing inline");
            }
            // No answer: refused, and the form is there again with what was typed.
            let again = submit(&app, "/sign-in", "", &[("email", EMAIL), ("password", PASSWORD)]).await;
            refused(&again, 400);
            assert!(again.body.contains(class) && again.body.contains(EMAIL));
            assert!(sources(&again, "script-src").is_some_and(|sources| sources.contains(script)));
        }
    }

    async fn each_providers_own_field_is_read_and_asked_about(app: TestApp) {
        for (kind, field) in [("turnstile", "cf-turnstile-response"), ("hcaptcha", "h-captcha-response"), ("recaptcha", "g-recaptcha-response")] {
            let (provider, url) = Provider::start().await;
            app.acme_with(&asked_on(kind, &["sign-up"], &url)).await;
            for (name, answer) in [(field, "wrong"), (field, ""), ("captcha", "right"), ("altcha", "right")] {
                refused(&form(&app, name, answer).await, 400);
            }
            leads_to(&form(&app, field, "right").await, "/sign-up/sent");
            assert_eq!(provider.seen().len(), 2, "the wrong one and the right one");
            assert_eq!(app.mails().await.len(), 1);
        }
    }

    async fn a_silent_provider_is_told_on_the_form_and_makes_nobody(app: TestApp) {
        let (_provider, url) = Provider::start().await;
        let cx = app.acme_with(&asked_on("turnstile", &["sign-up"], &url)).await;
        for silent in ["fault", "moved", "html", "huge"] {
            let reply = form(&app, "cf-turnstile-response", silent).await;
            refused(&reply, 503);
            assert!(reply.body.contains("could not be checked just now") && reply.body.contains("Grace Hopper"), "{}", reply.body);
            assert!(!reply.header("retry-after").is_empty() && !reply.body.contains("127.0.0.1"));
        }
        assert!(app.identity.users(&cx, "", 10).await.unwrap().is_empty() && app.mails().await.is_empty());
    }

    async fn a_form_is_sent_with_the_work_done(app: TestApp) {
        guarded(&app).await;
        refused(&form(&app, "captcha", &solved(&app).await).await, 400);
        leads_to(&form(&app, "altcha", &solved(&app).await).await, "/sign-up/sent");
        assert_eq!(app.mails().await.len(), 1);
    }
}
