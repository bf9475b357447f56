//! The sign-up page.

use serde_json::json;
use vestibule_identity::MailKind;

use super::{
    EMAIL, HOST, PASSWORD, acme_with_ada, is_live, leads_to, page, password_works, refused,
    sign_in, submit,
};
use crate::app::{at_once, on_both};

fn form<'a>(email: &'a str, password: &'a str, name: &'a str) -> [(&'a str, &'a str); 3] {
    [("email", email), ("password", password), ("name", name)]
}

on_both! {
    async fn signing_up_signs_in_and_sends_one_mail(app: TestApp) {
        let cx = app.acme().await;
        let shown = page(&app, "/sign-up", "").await;
        assert!(shown.status(200).body.contains("action=\"/sign-up\""), "{}", shown.body);
        let reply = submit(&app, "/sign-up", "", &form(EMAIL, PASSWORD, "Ada Lovelace")).await;
        leads_to(&reply, "/verify-email");
        let cookie = reply.session_cookie().unwrap();
        let session = page(&app, "/account/v1/session", &cookie).await.json();
        assert_eq!(session["account"]["email_verified"], false);
        assert_eq!((&session["account"]["role"], &session["account"]["timezone"]), (&json!("Trainee"), &json!("Asia/Kolkata")));
        assert_eq!(session["team"], json!(null));
        let told = page(&app, "/verify-email", &cookie).await;
        assert!(told.status(200).body.contains(EMAIL), "{}", told.body);
        let link = app.mailed_link(MailKind::VerifyEmail).await;
        assert!(link.starts_with("https://lms.acme.test/verify-email/"), "{link}");
        assert_eq!(app.identity.users(&cx, 0, 10).await.unwrap().len(), 1);
    }

    async fn wrong_fields_are_told_and_make_nobody(app: TestApp) {
        let cx = app.acme().await;
        for (email, password, name) in [
            ("", PASSWORD, "Ada"),
            (EMAIL, "", "Ada"),
            (EMAIL, PASSWORD, ""),
            (EMAIL, PASSWORD, "  "),
            (EMAIL, "short", "Ada"),
            (EMAIL, &"x".repeat(5_000), "Ada"),
            (EMAIL, PASSWORD, &"n".repeat(500)),
            (EMAIL, PASSWORD, "Ada\nBcc: eve@evil.test"),
            ("ada", PASSWORD, "Ada"),
            ("ada@example.com,eve@evil.test", PASSWORD, "Ada"),
            ("ada@example.com\r\nBcc: eve@evil.test", PASSWORD, "Ada"),
        ] {
            let reply = submit(&app, "/sign-up", "", &form(email, password, name)).await;
            refused(&reply, 400);
            assert!(password.is_empty() || !reply.body.contains(password), "the page repeats the password");
        }
        assert_eq!(app.identity.users(&cx, 0, 10).await.unwrap(), []);
        assert_eq!(app.mails().await.len(), 0);
    }

    async fn a_taken_address_is_refused_and_nothing_changes(app: TestApp) {
        acme_with_ada(&app).await;
        for email in [EMAIL, "ADA@example.COM"] {
            refused(&submit(&app, "/sign-up", "", &form(email, "another password", "Eve")).await, 409);
        }
        assert!(password_works(&app, EMAIL, PASSWORD).await && !password_works(&app, EMAIL, "another password").await);
    }

    async fn sixteen_at_once_make_one_account(app: TestApp) {
        let cx = app.acme().await;
        let replies = at_once(16, |_| {
            let app = app.clone();
            async move { submit(&app, "/sign-up", "", &form(EMAIL, PASSWORD, "Ada")).await }
        })
        .await;
        let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [&[303][..], &[409; 15]].concat());
        assert_eq!(app.identity.users(&cx, 0, 10).await.unwrap().len(), 1);
        assert_eq!(app.mails().await.len(), 1);
    }

    async fn closed_registration_is_closed(app: TestApp) {
        let cx = app.acme_with("[registration]\nopen = false").await;
        let shown = page(&app, "/sign-up", "").await;
        assert!(!shown.status(200).body.contains("<form"), "{}", shown.body);
        assert!(!page(&app, "/sign-in", "").await.body.contains("/sign-up"));
        refused(&submit(&app, "/sign-up", "", &form(EMAIL, PASSWORD, "Ada")).await, 403);
        assert_eq!(app.identity.users(&cx, 0, 10).await.unwrap(), []);
    }

    async fn a_newcomer_of_one_browser_has_one_session(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let ada = sign_in(&app, EMAIL, PASSWORD).await;
        let first = submit(&app, "/sign-up", &ada, &form("new@example.com", PASSWORD, "New")).await.session_cookie().unwrap();
        assert!(!is_live(&app, &ada).await, "the session that this browser had has ended");
        let link = app.mailed_link(MailKind::VerifyEmail).await.replace("https://lms.acme.test", "");
        let second = submit(&app, &link, &first, &[]).await.session_cookie().unwrap();
        assert!(is_live(&app, &second).await && !is_live(&app, &first).await);
        let again = submit(&app, &link, &second, &[]).await.session_cookie().unwrap();
        assert!(is_live(&app, &again).await, "the button pressed twice");
        let account = app.identity.user(&cx, "new@example.com").await.unwrap();
        assert_eq!(app.identity.sessions(&cx, &account.id).await.unwrap().len(), 1);
    }

    async fn a_tenant_that_wants_a_captcha_has_no_form_here(app: TestApp) {
        let cx = app.acme_with("[registration]\ncaptcha = 'turnstile'\ncaptcha_secret = 'env:CAPTCHA'").await;
        let shown = page(&app, "/sign-up", "").await;
        assert!(!shown.status(200).body.contains("<form") && shown.body.contains("on the website of Acme Learning"), "{}", shown.body);
        assert!(shown.body.contains("href=\"https://app.acme.test/\""), "{}", shown.body);
        let more = [&form(EMAIL, PASSWORD, "Ada")[..], &[("captcha", "x")]].concat();
        refused(&submit(&app, "/sign-up", "", &more).await, 400);
        assert_eq!(app.identity.users(&cx, 0, 10).await.unwrap(), []);
    }

    async fn nobody_grants_themselves_anything(app: TestApp) {
        let cx = app.acme().await;
        let more = [("role", "Admin"), ("email_verified", "true"), ("verified", "1"), ("id", "AAAAAAAAAAAAAAAAAAAA"), ("tenant_id", "zeta"), ("state", "suspended"), ("onboarded", "true")];
        let all = [&form(EMAIL, PASSWORD, "Ada")[..], &more].concat();
        let cookie = submit(&app, "/sign-up", "", &all).await.session_cookie().unwrap();
        let account = app.identity.user(&cx, EMAIL).await.unwrap();
        assert_eq!((&*account.role, account.email_verified, account.onboarded), ("Trainee", false, false));
        assert_ne!(account.id, "AAAAAAAAAAAAAAAAAAAA");
        assert!(is_live(&app, &cookie).await);
    }

    async fn a_name_is_text_wherever_it_is_shown(app: TestApp) {
        app.acme().await;
        let name = "<img src=x onerror=alert(1)>\"'{{7*7}}";
        let cookie = submit(&app, "/sign-up", "", &form(EMAIL, PASSWORD, name)).await.session_cookie().unwrap();
        for path in ["/account", "/onboarding", "/verify-email"] {
            let shown = page(&app, path, &cookie).await;
            assert!(!shown.status(200).body.contains("<img") && !shown.body.contains("49"), "{path}: {}", shown.body);
        }
        let mails = app.identity.claim_mail(10).await.unwrap();
        assert_eq!(mails.len(), 1);
        let rendered = format!("{:?}", vestibule_http::mail::render(&mails[0].tenant, &mails[0].mail).unwrap());
        assert!(!rendered.contains("<img"), "{rendered}");
    }

    async fn sign_up_at_a_second_tenant_is_another_person(app: TestApp) {
        acme_with_ada(&app).await;
        let zeta = app.zeta().await;
        let reply = app.post_form("lms.zeta.test", "/sign-up", &[("origin", "https://lms.zeta.test")], &form(EMAIL, "another password", "Ada")).await;
        leads_to(&reply, "/verify-email");
        assert_eq!(app.identity.users(&zeta, 0, 10).await.unwrap().len(), 1);
        assert!(!password_works(&app, EMAIL, "another password").await);
        assert_eq!(app.get(HOST, "/account/v1/session", &[("cookie", &reply.session_cookie().unwrap())]).await.status, 401);
    }
}
