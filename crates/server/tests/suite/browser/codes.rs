//! The six digits beside a mailed link: good in the browser that asked for the mail, for a few tries, as long as the link.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;
use vestibule_identity::{Mail, MailKind};

use super::{
    EMAIL, HOST, PASSWORD, acme_with_ada, is_live, leads_to, page, password_works, refused,
    sign_in, submit, unproven,
};
use crate::app::{Reply, TestApp, at_once, on_both};

const NEW: &str = "a brand new password";

/// The one mail waiting.
async fn mail(app: &TestApp, kind: MailKind) -> Mail {
    let mut mails = app.mails().await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    assert_eq!(mails[0].kind, kind);
    mails.remove(0)
}

fn code(mail: &Mail) -> String {
    let code = mail.code.as_ref().expect("the mail has a code");
    let code = code.expose_secret();
    assert!(
        code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()),
        "{code}"
    );
    code.to_owned()
}

fn path(mail: &Mail) -> String {
    let link = mail.link.as_ref().unwrap().expose_secret();
    link.strip_prefix("https://lms.acme.test")
        .unwrap()
        .to_owned()
}

/// Six other digits.
fn another(code: &str) -> String {
    let number: u32 = code.parse().unwrap();
    format!("{:06}", (number + 1) % 1_000_000)
}

/// Somebody who signed up elsewhere and asks here for a mail that proves the address: their cookie and that mail.
async fn newcomer(app: &TestApp, next: &str) -> (String, Mail) {
    let cookie = unproven(app, "new@example.com").await;
    mail(app, MailKind::VerifyEmail).await;
    app.pass(Duration::from_secs(61));
    submit(app, "/verify-email", &cookie, &[("next", next)])
        .await
        .status(303);
    (cookie, mail(app, MailKind::VerifyEmail).await)
}

/// Whoever forgot the password on the page: the browser's cookie.
async fn forgetful(app: &TestApp, email: &str, next: &str) -> String {
    let form = [("email", email), ("next", next)];
    let reply = submit(app, "/forgot-password", "", &form).await;
    leads_to(&reply, "/forgot-password/sent");
    let cookie = reply.header("set-cookie");
    assert!(
        cookie.starts_with("__Host-vestibule-flow=")
            && cookie.contains("; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"),
        "{cookie}"
    );
    cookie.split(';').next().unwrap().to_owned()
}

async fn type_in(app: &TestApp, path: &str, cookie: &str, code: &str) -> Reply {
    submit(app, path, cookie, &[("code", code)]).await
}

async fn is_verified(app: &TestApp, email: &str) -> bool {
    let cx = app.cx("acme").await;
    app.identity.user(&cx, email).await.unwrap().email_verified
}

on_both! {
    async fn the_code_proves_the_address_and_the_session_goes_on_to_where_it_began(app: TestApp) {
        app.acme().await;
        let (cookie, mail) = newcomer(&app, "/course/7?x=1").await;
        let told = page(&app, "/verify-email?next=%2Fcourse%2F7%3Fx%3D1", &cookie).await;
        assert!(told.status(200).body.contains("name=\"code\"") && told.body.contains("autocomplete=\"one-time-code\""), "{}", told.body);
        let code = code(&mail);
        let spaced = format!(" {} {}", &code[..3], &code[3..]);
        let on = "/onboarding?next=%2Fcourse%2F7%3Fx%3D1";
        let right = type_in(&app, "/verify-email", &cookie, &spaced).await;
        leads_to(&right, on);
        assert!(right.header("set-cookie").starts_with("__Host-vestibule-device="), "{:?}", right.headers);
        assert!(is_verified(&app, "new@example.com").await && is_live(&app, &cookie).await);
        let teams = page(&app, "/account/v1/teams", &cookie).await.json();
        assert_eq!(teams["teams"].as_array().unwrap().len(), 1, "{teams}");
        assert!(page(&app, on, &cookie).await.status(200).body.contains("href=\"/course/7?x=1\""));
        leads_to(&submit(&app, "/verify-email", &cookie, &[("code", &*code), ("next", "/course/7?x=1")]).await, on);
        let spent = page(&app, &path(&mail), &cookie).await;
        refused(&spent, 400);
        assert!(spent.body.contains("new@example.com is confirmed already"), "{}", spent.body);
    }

    async fn the_code_works_in_no_other_browser(app: TestApp) {
        app.acme().await;
        app.zeta().await;
        let (cookie, mail) = newcomer(&app, "").await;
        let code = code(&mail);
        let elsewhere = sign_in(&app, "new@example.com", PASSWORD).await;
        let told = page(&app, "/verify-email", &elsewhere).await;
        assert!(!told.status(200).body.contains("name=\"code\""), "no code was mailed for this browser: {}", told.body);
        for _ in 0..8 {
            refused(&type_in(&app, "/verify-email", &elsewhere, &code).await, 429);
        }
        leads_to(&type_in(&app, "/verify-email", "", &code).await, "/sign-in?next=%2Fverify-email");
        assert!(!is_verified(&app, "new@example.com").await);
        leads_to(&type_in(&app, "/verify-email", &cookie, &code).await, "/onboarding");
    }

    async fn a_dialects_mail_brings_no_code(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let key = format!("Bearer {}", app.api_key(&cx).await);
        app.post(HOST, "/api/register", &[], json!({"email": "api@example.com", "password": PASSWORD, "name": "Api"})).await.status(200);
        app.post(HOST, "/api/forgot-password", &[], json!({"email": EMAIL})).await.status(200);
        let ask = json!({"email": EMAIL, "sendEmailNotification": 1});
        app.post(HOST, "/authorize/forgot-password", &[("authorization", &key)], ask).await.status(200);
        let mails = app.mails().await;
        assert_eq!(mails.len(), 3);
        assert!(mails.iter().all(|mail| mail.link.is_some() && mail.code.is_none()), "{mails:?}");
        let rows: i64 = app.identity.db().read(|tx| tx.one("SELECT count(*) FROM mailed_code", &[], |row| row.get(0))).await.unwrap();
        assert_eq!(rows, 0);
    }

    async fn five_tries_and_no_more_however_many_come_at_once(app: TestApp) {
        app.acme().await;
        let (cookie, mail) = newcomer(&app, "").await;
        let (right, wrong) = (code(&mail), another(&code(&mail)));
        for none in ["", "12345", "1234567", "abcdef", "12345é"] {
            refused(&type_in(&app, "/verify-email", &cookie, none).await, 400);
        }
        let replies = at_once(16, |_| {
            let (app, cookie, wrong) = (app.clone(), cookie.clone(), wrong.clone());
            async move { type_in(&app, "/verify-email", &cookie, &wrong).await.status.as_u16() }
        })
        .await;
        let tried = replies.iter().filter(|status| **status == 400).count();
        assert_eq!((tried, replies.iter().filter(|status| **status == 429).count()), (5, 11), "{replies:?}");
        let dead = type_in(&app, "/verify-email", &cookie, &right).await;
        refused(&dead, 429);
        assert!(dead.header("retry-after").parse::<u32>().unwrap() > 80_000 && dead.body.contains("Follow the link"), "{}", dead.body);
        assert!(!is_verified(&app, "new@example.com").await);
        app.pass(Duration::from_secs(61));
        submit(&app, "/verify-email", &cookie, &[]).await.status(303);
        let second = self::mail(&app, MailKind::VerifyEmail).await;
        refused(&type_in(&app, "/verify-email", &cookie, &right).await, 400);
        leads_to(&type_in(&app, "/verify-email", &cookie, &code(&second)).await, "/onboarding");
        assert!(app.audit("acme").await.contains(&"email.verified refused spent_code".to_owned()));
    }

    /// One browser must not be able to spend what the whole tenant may guess wrong.
    async fn tries_of_a_dead_code_count_for_nobody(app: TestApp) {
        app.acme().await;
        let node = app.with_limits(&[("codes_tenant", 10)]).await;
        let dead = forgetful(&node, "nobody@example.com", "").await;
        for tried in 0..20 {
            let reply = type_in(&node, "/forgot-password/sent", &dead, "000000").await;
            refused(&reply, if tried < 5 { 400 } else { 429 });
        }
        let other = forgetful(&node, "somebody@example.com", "").await;
        refused(&type_in(&node, "/forgot-password/sent", &other, "000000").await, 400);
    }

    async fn a_way_on_that_is_none_is_forgotten_and_the_code_is_not(app: TestApp) {
        app.acme().await;
        let long = format!("/{}", "x".repeat(30_000));
        for next in ["/\u{1}".repeat(500), long, "//evil.example/".to_owned()] {
            let cookie = forgetful(&app, "nobody@example.com", &next).await;
            refused(&type_in(&app, "/forgot-password/sent", &cookie, "000000").await, 400);
            let reply = submit(&app, "/sign-up", "", &[("email", ""), ("next", &next)]).await;
            assert!(reply.body.len() < 20_000 && !reply.body.contains("evil"), "{}", reply.body);
        }
    }

    async fn a_dead_code_leaves_the_link_good(app: TestApp) {
        app.acme().await;
        let (cookie, mail) = newcomer(&app, "/course/9").await;
        for _ in 0..5 {
            refused(&type_in(&app, "/verify-email", &cookie, &another(&code(&mail))).await, 400);
        }
        leads_to(&submit(&app, &path(&mail), "", &[]).await, "/onboarding?next=%2Fcourse%2F9");
    }

    async fn the_code_lives_as_long_as_the_link_and_ends_with_it(app: TestApp) {
        acme_with_ada(&app).await;
        let (cookie, mail) = newcomer(&app, "").await;
        submit(&app, &path(&mail), "", &[]).await.status(303);
        leads_to(&type_in(&app, "/verify-email", &cookie, &code(&mail)).await, "/onboarding");
        for (span, what) in [(3_601, "expired"), (0, "used")] {
            let flow = forgetful(&app, EMAIL, "").await;
            let mail = self::mail(&app, MailKind::ResetPassword).await;
            if what == "used" {
                submit(&app, &path(&mail), "", &[("password", NEW)]).await.status(303);
                refused(&type_in(&app, "/forgot-password/sent", &flow, &code(&mail)).await, 429);
            }
            app.pass(Duration::from_secs(span));
            if what == "expired" {
                leads_to(&type_in(&app, "/forgot-password/sent", &flow, &code(&mail)).await, "/forgot-password");
                leads_to(&page(&app, "/forgot-password/sent", &flow).await, "/forgot-password");
            }
        }
    }

    async fn the_code_takes_the_place_of_the_reset_link(app: TestApp) {
        acme_with_ada(&app).await;
        let flow = forgetful(&app, EMAIL, "/course/7").await;
        let mail = mail(&app, MailKind::ResetPassword).await;
        let told = page(&app, "/forgot-password/sent", &flow).await;
        assert!(told.status(200).body.contains(EMAIL) && told.body.contains("name=\"code\""), "{}", told.body);
        refused(&type_in(&app, "/forgot-password/sent", &flow, &another(&code(&mail))).await, 400);
        leads_to(&type_in(&app, "/forgot-password/sent", "", &code(&mail)).await, "/forgot-password");
        assert!(password_works(&app, EMAIL, PASSWORD).await);
        let replies = at_once(8, |_| {
            let (app, flow, code) = (app.clone(), flow.clone(), code(&mail));
            async move { type_in(&app, "/forgot-password/sent", &flow, &code).await }
        })
        .await;
        let right: Vec<_> = replies.iter().filter(|reply| reply.status == 303).collect();
        assert_eq!(right.len(), 1, "{replies:?}");
        let form = right[0].header("location").to_owned();
        assert!(form.starts_with("/reset-password/") && form != path(&mail), "{form}");
        refused(&page(&app, &path(&mail), "").await, 400);
        assert!(password_works(&app, EMAIL, PASSWORD).await, "nothing is changed yet");
        let done = submit(&app, &form, &flow, &[("password", NEW)]).await;
        leads_to(&done, "/sign-in?notice=password-reset&next=%2Fcourse%2F7");
        assert!(done.headers.get_all("set-cookie").iter().any(|line| line.to_str().unwrap().starts_with("__Host-vestibule-flow=; ")));
        assert!(password_works(&app, EMAIL, NEW).await);
        refused(&type_in(&app, "/forgot-password/sent", &flow, &code(&mail)).await, 429);
    }

    async fn a_restore_ends_codes(app: TestApp) {
        app.acme().await;
        let flow = forgetful(&app, EMAIL, "").await;
        let told = page(&app, "/forgot-password/sent", &flow).await;
        told.status(200);
        app.identity.end_all_after_restore(false).await.unwrap();
        let rows: i64 = app.identity.db().read(|tx| tx.one("SELECT count(*) FROM mailed_code WHERE expires_at > 1767225600000000", &[], |row| row.get(0))).await.unwrap();
        assert_eq!(rows, 0);
        app.identity.purge().await.unwrap();
        let rows: i64 = app.identity.db().read(|tx| tx.one("SELECT count(*) FROM mailed_code", &[], |row| row.get(0))).await.unwrap();
        assert_eq!(rows, 0);
    }

    async fn only_in_the_browser_that_began_the_link_goes_on_by_itself(app: TestApp) {
        acme_with_ada(&app).await;
        let (cookie, mail) = newcomer(&app, "").await;
        let ada = sign_in(&app, EMAIL, PASSWORD).await;
        for (who, by_itself) in [(&*cookie, true), ("", false), (&*ada, false)] {
            let shown = page(&app, &path(&mail), who).await;
            assert_eq!(shown.status(200).body.contains("data-continue"), by_itself, "{}", shown.body);
            assert_eq!(shown.body.contains("/continue.js\" defer>"), by_itself);
        }
        assert!(!is_verified(&app, "new@example.com").await, "looking changes nothing");
    }
}
