//! The page behind the mailed link: opening it changes nothing, its button confirms.

use std::time::Duration;

use vestibule_identity::{Cx, MailKind};

use super::{
    APP, EMAIL, HOST, ORIGIN, PASSWORD, is_live, leads_to, page, refused, sign_in, submit, unproven,
};
use crate::app::{TestApp, at_once, build, on_both};

/// What somebody types who follows the link of a sign-up in another browser.
const CHOSEN: &[(&str, &str)] = &[("password", PASSWORD)];

async fn mailed_path(app: &TestApp) -> String {
    let link = app.mailed_link(MailKind::VerifyEmail).await;
    link.strip_prefix("https://lms.acme.test")
        .unwrap()
        .to_owned()
}

/// Somebody who has just signed up on the page: the path of the mailed link.
async fn newcomer(app: &TestApp) -> String {
    let form = [("email", EMAIL), ("password", PASSWORD), ("name", "Ada")];
    submit(app, "/sign-up", "", &form).await.status(303);
    mailed_path(app).await
}

async fn is_verified(app: &TestApp, cx: &Cx) -> bool {
    let found = app.identity.user(cx, EMAIL).await;
    found.is_ok_and(|account| account.email_verified)
}

on_both! {
    async fn opening_the_link_changes_nothing(app: TestApp) {
        let cx = app.acme().await;
        let link = newcomer(&app).await;
        for _ in 0..3 {
            let shown = app.get(HOST, &link, &[("accept", "text/html"), ("user-agent", "Scanner")]).await;
            assert!(shown.status(200).body.contains("<form method=\"post\">") && shown.body.contains(EMAIL), "{}", shown.body);
            assert_eq!((shown.session_cookie(), shown.header("referrer-policy")), (None, "no-referrer"));
        }
        let head = app.send(build("HEAD", HOST, &link, &[], "")).await;
        assert_eq!((head.status.as_u16(), head.session_cookie()), (200, None));
        assert!(!is_verified(&app, &cx).await);
        leads_to(&submit(&app, &link, "", CHOSEN).await, "/onboarding");
        assert!(is_verified(&app, &cx).await);
    }

    async fn the_button_confirms_signs_in_and_makes_the_team(app: TestApp) {
        let cx = app.acme().await;
        let link = newcomer(&app).await;
        let reply = submit(&app, &link, "", CHOSEN).await;
        let cookie = reply.session_cookie().unwrap();
        assert!(is_live(&app, &cookie).await && is_verified(&app, &cx).await);
        let teams = page(&app, "/account/v1/teams", &cookie).await.json();
        assert_eq!(teams["teams"].as_array().unwrap().len(), 1, "{teams}");
        leads_to(&page(&app, "/verify-email", &cookie).await, APP);
    }

    async fn the_same_button_again_within_five_minutes(app: TestApp) {
        let cx = app.acme().await;
        let link = newcomer(&app).await;
        leads_to(&submit(&app, &link, "", CHOSEN).await, "/onboarding");
        app.pass(Duration::from_secs(299));
        leads_to(&submit(&app, &link, "", CHOSEN).await, "/onboarding");
        app.pass(Duration::from_secs(2));
        refused(&submit(&app, &link, "", CHOSEN).await, 400);
        let account = app.identity.user(&cx, EMAIL).await.unwrap();
        assert_eq!(app.identity.teams(&cx, &account.id).await.unwrap().len(), 1);
        refused(&page(&app, &link, "").await, 400);
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        for path in [&*link, "/verify-email/nonsense"] {
            let told = page(&app, path, &cookie).await;
            refused(&told, 400);
            assert!(told.body.contains("ada@example.com is confirmed already"), "{path}: {}", told.body);
        }
    }

    async fn sixteen_buttons_make_one_team(app: TestApp) {
        let cx = app.acme().await;
        let link = newcomer(&app).await;
        let replies = at_once(16, |_| {
            let (app, link) = (app.clone(), link.clone());
            async move { submit(&app, &link, "", CHOSEN).await }
        })
        .await;
        for reply in &replies {
            leads_to(reply, "/onboarding");
        }
        let account = app.identity.user(&cx, EMAIL).await.unwrap();
        assert_eq!(app.identity.teams(&cx, &account.id).await.unwrap().len(), 1);
        assert_eq!(app.audit("acme").await.iter().filter(|line| *line == "email.verified done").count(), 1);
    }

    async fn links_that_are_none_are_refused(app: TestApp) {
        let cx = app.acme().await;
        app.zeta().await;
        let link = newcomer(&app).await;
        let foreign = app.post_form("lms.zeta.test", &link, &[("origin", "https://lms.zeta.test")], CHOSEN).await;
        refused(&foreign, 400);
        let cut = &link[..link.len() - 1];
        for path in ["/verify-email/x", cut, &format!("{link}x"), "/verify-email/%00", "/verify-email/%ff", &format!("/verify-email/{}", "x".repeat(2_000)), &link.to_uppercase().replace("/VERIFY-EMAIL/", "/verify-email/")] {
            refused(&page(&app, path, "").await, 400);
            refused(&submit(&app, path, "", CHOSEN).await, 400);
        }
        assert!(!is_verified(&app, &cx).await);
        app.pass(Duration::from_secs(24 * 3_600 + 1));
        refused(&page(&app, &link, "").await, 400);
        refused(&submit(&app, &link, "", CHOSEN).await, 400);
        assert!(!is_verified(&app, &cx).await);
    }

    async fn a_verification_link_resets_no_password_and_the_other_way_round(app: TestApp) {
        let cx = app.acme().await;
        unproven(&app, EMAIL).await;
        let link = mailed_path(&app).await;
        let as_reset = link.replace("/verify-email/", "/reset-password/");
        refused(&page(&app, &as_reset, "").await, 400);
        refused(&submit(&app, &as_reset, "", &[("password", "another password")]).await, 400);
        submit(&app, "/forgot-password", "", &[("email", EMAIL)]).await.status(303);
        let reset = app.mailed_token(MailKind::ResetPassword).await;
        refused(&submit(&app, &format!("/verify-email/{reset}"), "", &[]).await, 400);
        assert!(!is_verified(&app, &cx).await);
        sign_in(&app, EMAIL, PASSWORD).await;
    }

    async fn another_mail_at_most_one_a_minute(app: TestApp) {
        app.acme().await;
        let cookie = unproven(&app, EMAIL).await;
        let first = mailed_path(&app).await;
        app.pass(Duration::from_secs(61));
        leads_to(&submit(&app, "/verify-email", &cookie, &[("next", "/account")]).await, "/verify-email?notice=sent&next=%2Faccount");
        let shown = page(&app, "/verify-email?notice=sent&next=%2Faccount", &cookie).await;
        assert!(shown.status(200).body.contains("role=\"status\""), "{}", shown.body);
        let second = app.mailed_link(MailKind::VerifyEmail).await;
        assert!(!second.ends_with(&first), "a link of its own");
        let more = submit(&app, "/verify-email", &cookie, &[]).await;
        assert!(more.status == 303 || more.status == 429, "{}", more.body);
        assert_eq!(app.mails().await.len(), 0);
        leads_to(&submit(&app, "/verify-email?next=%2Fcourse%2F7", "", &[]).await, "/sign-in?next=%2Fverify-email%3Fnext%3D%252Fcourse%252F7");
        assert_eq!(app.mails().await.len(), 0);
    }

    async fn confirming_somebody_else_asks_nothing_of_the_person_here(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "bob@example.com", PASSWORD, "Trainee").await;
        let link = newcomer(&app).await;
        let bob = sign_in(&app, "bob@example.com", PASSWORD).await;
        let shown = page(&app, &link, &bob).await;
        assert!(shown.status(200).body.contains(EMAIL), "the page says whose address it is: {}", shown.body);
        assert!(shown.body.contains("bob@example.com is signed in here"), "and who is signed out: {}", shown.body);
        assert!(!is_verified(&app, &cx).await && is_live(&app, &bob).await);
        let headers = [("cookie", &*bob), ORIGIN];
        let ada = app.post_form(HOST, &link, &headers, CHOSEN).await.session_cookie().unwrap();
        assert!(!is_live(&app, &bob).await, "his session ended with its cookie");
        assert_eq!(page(&app, "/account/v1/session", &ada).await.json()["account"]["email"], EMAIL);
    }
}
