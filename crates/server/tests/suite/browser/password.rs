//! Forgotten passwords, by pages.

use std::time::Duration;

use vestibule_identity::MailKind;

use super::{
    EMAIL, HOST, ORIGIN, PASSWORD, acme_with_ada, bearer, is_live, leads_to, page, password_works,
    refused, sign_in, submit, unproven,
};
use crate::app::{TestApp, at_once, on_both};

const NEW: &str = "a brand new password";

async fn reset_link(app: &TestApp) -> String {
    submit(app, "/forgot-password", "", &[("email", EMAIL)])
        .await
        .status(303);
    app.mailed_link(MailKind::ResetPassword)
        .await
        .strip_prefix("https://lms.acme.test")
        .unwrap()
        .to_owned()
}

on_both! {
    /// Whoever comes by a mailed link reads the mailbox; a squatter is gone by then.
    async fn a_mailed_link_proves_the_address(app: TestApp) {
        let cx = app.acme().await;
        let squatter = unproven(&app, EMAIL).await;
        let verify = app.mailed_token(MailKind::VerifyEmail).await;
        let link = reset_link(&app).await;
        submit(&app, &link, "", &[("password", NEW)]).await.status(303);
        assert!(app.identity.user(&cx, EMAIL).await.unwrap().email_verified);
        assert!(!is_live(&app, &squatter).await && !password_works(&app, EMAIL, PASSWORD).await);
        refused(&submit(&app, &format!("/verify-email/{verify}"), "", &[]).await, 400);
        // A partner's call drops nothing of the owner's any more.
        let key = app.api_key(&cx).await;
        crate::rezi::exchange(&app, &key, EMAIL, "uid").await.status(200);
        assert!(password_works(&app, EMAIL, NEW).await);
    }

    async fn the_answer_does_not_tell_who_has_an_account(app: TestApp) {
        acme_with_ada(&app).await;
        assert!(page(&app, "/forgot-password", "").await.status(200).body.contains("action=\"/forgot-password\""));
        let mut told = Vec::new();
        for email in [EMAIL, "nobody@example.com"] {
            let reply = submit(&app, "/forgot-password", "", &[("email", email)]).await;
            leads_to(&reply, "/forgot-password/sent");
            let flow = reply.header("set-cookie").split(';').next().unwrap();
            let shown = page(&app, "/forgot-password/sent", flow).await;
            told.push((shown.status, shown.body.replace(email, "EMAIL").replace(&email.replace('@', "%40"), "EMAIL")));
        }
        assert_eq!(told[0], told[1]);
        assert_eq!(told[0].0, 200);
        assert_eq!(app.mails().await.iter().map(|mail| (mail.kind, &*mail.to)).collect::<Vec<_>>(), [(MailKind::ResetPassword, EMAIL)]);
        for email in ["", " ", "ada", "ada@example.com,eve@evil.test", "ada@example.com\nBcc: eve@evil.test"] {
            refused(&submit(&app, "/forgot-password", "", &[("email", email)]).await, 400);
        }
        assert_eq!(app.mails().await.len(), 0);
    }

    async fn the_mailed_link_names_our_host_whatever_the_request_says(app: TestApp) {
        acme_with_ada(&app).await;
        for more in [
            ("x-forwarded-host", "evil.test"),
            ("forwarded", "host=evil.test;proto=http"),
            ("x-host", "evil.test"),
            ("x-original-host", "evil.test"),
            ("x-forwarded-server", "evil.test"),
            ("x-forwarded-proto", "http"),
            ("x-original-url", "https://evil.test/"),
            ("referer", "https://evil.test/"),
        ] {
            app.post_form(HOST, "/forgot-password", &[ORIGIN, more], &[("email", EMAIL)]).await.status(303);
            let link = app.mailed_link(MailKind::ResetPassword).await;
            assert!(link.starts_with("https://lms.acme.test/reset-password/"), "{more:?}: {link}");
            app.pass(Duration::from_secs(3_601));
        }
        let alias = app.post_form("alias.acme.test", "/forgot-password", &[("origin", "https://alias.acme.test")], &[("email", EMAIL)]).await;
        alias.status(303);
        assert!(app.mailed_link(MailKind::ResetPassword).await.starts_with("https://lms.acme.test/"));
        for host in ["evil.test", "lms.acme.test:evil.test", "lms.acme.test@evil.test", "lms.acme.test.evil.test"] {
            let reply = app.post_form(host, "/forgot-password", &[ORIGIN], &[("email", EMAIL)]).await;
            assert!(reply.status == 400 || reply.status == 421, "{host}: {}", reply.status);
        }
        assert_eq!(app.mails().await.len(), 0);
    }

    async fn opening_the_link_changes_nothing_and_the_form_sets_the_password(app: TestApp) {
        acme_with_ada(&app).await;
        let (cookie, token) = (sign_in(&app, EMAIL, PASSWORD).await, bearer(&app, EMAIL, PASSWORD).await);
        let link = reset_link(&app).await;
        for _ in 0..3 {
            let shown = page(&app, &link, "").await;
            assert!(shown.status(200).body.contains("name=\"password\"") && shown.body.contains(EMAIL), "{}", shown.body);
            assert_eq!((shown.session_cookie(), shown.header("referrer-policy"), shown.header("cache-control")), (None, "no-referrer", "no-store"));
        }
        assert!(password_works(&app, EMAIL, PASSWORD).await && is_live(&app, &cookie).await);
        let reply = submit(&app, &link, "", &[("password", NEW)]).await;
        leads_to(&reply, "/sign-in?notice=password-reset");
        assert_eq!(reply.session_cookie(), None, "the way on is to sign in");
        assert!(!is_live(&app, &cookie).await);
        assert_eq!(app.get(HOST, "/account/v1/session", &[("authorization", &token)]).await.status, 401);
        assert!(!password_works(&app, EMAIL, PASSWORD).await && password_works(&app, EMAIL, NEW).await);
        app.mailed_nothing_but(MailKind::PasswordChanged).await;
        refused(&page(&app, &link, "").await, 400);
        refused(&submit(&app, &link, "", &[("password", "a third password")]).await, 400);
        assert!(password_works(&app, EMAIL, NEW).await);
    }

    async fn a_weak_password_leaves_the_link_good(app: TestApp) {
        acme_with_ada(&app).await;
        let link = reset_link(&app).await;
        for weak in ["", "short", &"x".repeat(5_000)] {
            let reply = submit(&app, &link, "", &[("password", weak)]).await;
            refused(&reply, 400);
            assert!(reply.body.contains("name=\"password\""), "the form again: {}", reply.body);
        }
        leads_to(&submit(&app, &link, "", &[("password", NEW)]).await, "/sign-in?notice=password-reset");
    }

    async fn links_that_are_none_are_refused(app: TestApp) {
        acme_with_ada(&app).await;
        let zeta = app.zeta().await;
        app.person(&zeta, EMAIL, PASSWORD, "Trainee").await;
        let link = reset_link(&app).await;
        let foreign = app.post_form("lms.zeta.test", &link, &[("origin", "https://lms.zeta.test")], &[("password", NEW)]).await;
        refused(&foreign, 400);
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        for path in ["/reset-password/x", &format!("{link}x"), &link[..link.len() - 1], "/reset-password/%00", "/reset-password/%ff", &format!("/reset-password/{}", cookie.split('=').nth(1).unwrap())] {
            refused(&submit(&app, path, "", &[("password", NEW)]).await, 400);
            refused(&page(&app, path, "").await, 400);
        }
        app.pass(Duration::from_secs(3_601));
        refused(&submit(&app, &link, "", &[("password", NEW)]).await, 400);
        assert!(password_works(&app, EMAIL, PASSWORD).await);
    }

    async fn the_link_says_whose_password_and_nothing_else_does(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let bob = app.person(&cx, "bob@example.com", PASSWORD, "Trainee").await;
        let link = reset_link(&app).await;
        let bobs = sign_in(&app, "bob@example.com", PASSWORD).await;
        let form = [("password", NEW), ("email", "bob@example.com"), ("user", &*bob.id), ("id", &*bob.id), ("uid", &*bob.id), ("token", "x")];
        leads_to(&submit(&app, &link, &bobs, &form).await, "/sign-in?notice=password-reset");
        assert!(password_works(&app, EMAIL, NEW).await && password_works(&app, "bob@example.com", PASSWORD).await && is_live(&app, &bobs).await);
    }

    async fn one_link_sets_one_password_and_voids_the_others(app: TestApp) {
        acme_with_ada(&app).await;
        let (first, second) = (reset_link(&app).await, reset_link(&app).await);
        let replies = at_once(16, |index| {
            let (app, first) = (app.clone(), first.clone());
            async move { submit(&app, &first, "", &[("password", &format!("{NEW} {index}"))]).await }
        })
        .await;
        let won: Vec<usize> = (0..16).filter(|index| replies[*index].status == 303).collect();
        assert_eq!(won.len(), 1, "{replies:?}");
        assert!(password_works(&app, EMAIL, &format!("{NEW} {}", won[0])).await);
        app.mailed_nothing_but(MailKind::PasswordChanged).await;
        refused(&submit(&app, &second, "", &[("password", NEW)]).await, 400);
    }
}
