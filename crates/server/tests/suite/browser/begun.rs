//! What somebody began in an account ends when its owner shows up, and a race for it has one winner.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;
use vestibule_identity::{Account, Mail, MailKind};

use super::{
    EMAIL, HOST, ORIGIN, PASSWORD, acme_with_ada, bearer, leads_to, page, refused, sign_in, submit,
    unproven,
};
use crate::app::{TestApp, at_once, on_both};

const OTHER_PASSWORD: &str = "copper-meadow-77-bicycles";

fn path(mail: &Mail) -> String {
    let link = mail.link.as_ref().expect("a link").expose_secret();
    link.strip_prefix("https://lms.acme.test")
        .unwrap()
        .to_owned()
}

async fn mailed(app: &TestApp, kind: MailKind) -> String {
    let mails = app.mails().await;
    path(
        mails
            .iter()
            .find(|mail| mail.kind == kind)
            .unwrap_or_else(|| panic!("no {kind:?} in {mails:?}")),
    )
}

/// Somebody in an account of that address wishes for it to become another: the session, and the link to the new mailbox.
async fn squat(app: &TestApp, email: &str, is_verified: bool) -> (String, String) {
    match is_verified {
        true => {
            app.person(&app.cx("acme").await, email, PASSWORD, "Trainee")
                .await;
        }
        false => {
            unproven(app, email).await;
        }
    }
    let cookie = sign_in(app, email, PASSWORD).await;
    let evil = format!("evil.{email}");
    let form = [("email", &*evil), ("password", PASSWORD)];
    let asked = submit(app, "/account/email", &cookie, &form).await;
    leads_to(&asked, "/account?notice=email-change-asked");
    (cookie, mailed(app, MailKind::ConfirmNewEmail).await)
}

async fn reset(app: &TestApp, email: &str) {
    submit(app, "/forgot-password", "", &[("email", email)])
        .await
        .status(303);
    let link = mailed(app, MailKind::ResetPassword).await;
    submit(app, &link, "", &[("password", OTHER_PASSWORD)])
        .await
        .status(303);
}

/// The wish is gone, and the mailbox that said nothing yet cannot say yes any more.
async fn assert_forgotten(app: &TestApp, email: &str, link: &str) {
    let answer = submit(app, link, "", &[("answer", "yes")]).await;
    assert_eq!(answer.status.as_u16(), 400, "{email}: {}", answer.body);
    let account = account(app, email).await;
    let account = account.unwrap_or_else(|| panic!("{email} has another address"));
    let cx = app.cx("acme").await;
    let pending = app.identity.pending_email(&cx, &account).await.unwrap();
    assert!(pending.is_none(), "{email}");
}

async fn account(app: &TestApp, email: &str) -> Option<Account> {
    let everybody = app.identity.users(&app.cx("acme").await, "", 100).await;
    let mut everybody = everybody.unwrap().into_iter();
    everybody.find(|account| account.email == email)
}

async fn connect(app: &TestApp, email: &str) {
    let key = app.api_key(&app.cx("acme").await).await;
    let uid = format!("uid of {email}");
    crate::rezi::exchange(app, &key, email, &uid)
        .await
        .status(200);
}

on_both! {
    async fn a_wished_address_does_not_outlive_what_shuts_its_wisher_out(app: TestApp) {
        app.acme().await;
        for is_verified in [false, true] {
            for how in ["reset", "change", "elsewhere", "session", "partner"] {
                if how == "partner" && is_verified {
                    continue;
                }
                let email = &*format!("{how}.{is_verified}@example.com");
                let (cookie, link) = squat(&app, email, is_verified).await;
                match how {
                    "reset" => reset(&app, email).await,
                    "partner" => connect(&app, email).await,
                    "change" => {
                        let own = sign_in(&app, email, PASSWORD).await;
                        let form = [("current", PASSWORD), ("new", OTHER_PASSWORD)];
                        leads_to(&submit(&app, "/account/password", &own, &form).await, "/account?notice=password-changed");
                    }
                    "elsewhere" => {
                        let own = sign_in(&app, email, PASSWORD).await;
                        submit(&app, "/account/sessions", &own, &[("session", "others")]).await.status(303);
                    }
                    _ => {
                        let named = app.get(HOST, "/account/v1/session", &[("cookie", &cookie)]).await;
                        let id = named.status(200).json()["session"]["id"].as_str().unwrap().to_owned();
                        let own = sign_in(&app, email, PASSWORD).await;
                        submit(&app, "/account/sessions", &own, &[("session", &id)]).await.status(303);
                    }
                }
                assert_forgotten(&app, email, &link).await;
            }
        }
    }

    async fn a_wish_under_way_does_not_outlive_a_reset(app: TestApp) {
        app.acme().await;
        for round in 0..5 {
            let email = &*format!("{round}@example.com");
            let (cookie, _) = squat(&app, email, false).await;
            submit(&app, "/forgot-password", "", &[("email", email)]).await.status(303);
            let link = mailed(&app, MailKind::ResetPassword).await;
            let told = at_once(5, |n| {
                let (app, cookie, link, email) = (app.clone(), cookie.clone(), link.clone(), email.to_owned());
                async move {
                    let evil = format!("evil.{n}.{email}");
                    match n {
                        2 => submit(&app, &link, "", &[("password", OTHER_PASSWORD)]).await,
                        3 => submit(&app, "/account/delete", &cookie, &[("password", PASSWORD)]).await,
                        _ => submit(&app, "/account/email", &cookie, &[("email", &*evil), ("password", PASSWORD)]).await,
                    }
                }
            })
            .await;
            let (cx, account) = (app.cx("acme").await, account(&app, email).await.unwrap());
            assert!(app.identity.pending_email(&cx, &account).await.unwrap().is_none(), "{email}");
            // A deletion that comes first ends the link to the reset.
            let is_reset = told[2].status == 303;
            let due = app.identity.deletion_due(&cx, &account.id).await.unwrap();
            assert!(due.is_none() || !is_reset, "{email}");
            app.mails().await;
        }
    }

    async fn nobody_is_told_by_mail_of_an_account_that_is_not_known_to_be_theirs(app: TestApp) {
        app.acme().await;
        let (cookie, link) = squat(&app, EMAIL, false).await;
        let form = [("current", PASSWORD), ("new", OTHER_PASSWORD)];
        let changed = submit(&app, "/account/password", &cookie, &form).await;
        let cookie = changed.status(303).session_cookie().unwrap();
        refused(&submit(&app, &link, "", &[("answer", "yes")]).await, 400);
        let form = [("email", "evil@example.net"), ("password", OTHER_PASSWORD)];
        submit(&app, "/account/email", &cookie, &form).await.status(303);
        let link = mailed(&app, MailKind::ConfirmNewEmail).await;
        leads_to(&submit(&app, &link, &cookie, &[("answer", "yes")]).await, "/account?notice=email-changed");
        submit(&app, "/account/delete", &cookie, &[("password", OTHER_PASSWORD)]).await.status(303);
        for mail in app.mails().await {
            assert_ne!(mail.to, EMAIL, "{:?}", mail.kind);
        }
    }

    async fn guesses_in_sessions_of_one_sign_in_are_counted_together(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, EMAIL, crate::alphalearn::PASSWORD, "Trainee").await;
        let bearer = crate::alphalearn::tokens(&app, HOST, EMAIL).await.access;
        app.pass(Duration::from_secs(1));
        let own = sign_in(&app, EMAIL, crate::alphalearn::PASSWORD).await;
        let mut refused = 0;
        for _ in 0..4 {
            let form = [("token", &*bearer), ("inputData", "{\"enrollmentId\":12555}"), ("type", "2")];
            let from = [("origin", "https://www.partner.test"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
            let cookie = app.post_form(HOST, "/site/login-by-jwt-token", &from, &form).await.session_cookie().unwrap();
            for _ in 0..20 {
                let told = submit(&app, "/account/export", &cookie, &[("password", "wrong password")]).await;
                refused += u32::from(told.status == 429);
            }
        }
        assert_eq!(refused, 30);
        submit(&app, "/account/export", &own, &[("password", crate::alphalearn::PASSWORD)]).await.status(200);
    }

    async fn a_wished_deletion_ends_with_its_wisher(app: TestApp) {
        app.acme().await;
        for how in ["reset", "partner"] {
            let email = &*format!("{how}@example.com");
            let (cookie, _) = squat(&app, email, false).await;
            submit(&app, "/account/delete", &cookie, &[("password", PASSWORD)]).await.status(303);
            app.mails().await;
            match how {
                "reset" => reset(&app, email).await,
                _ => connect(&app, email).await,
            }
            app.pass(Duration::from_secs(91 * 86_400));
            app.identity.purge().await.unwrap();
            assert!(account(&app, email).await.is_some(), "{how}: the owner's account was deleted");
        }
    }

    async fn a_deletion_asked_for_many_times_at_once_is_mailed_once(app: TestApp) {
        acme_with_ada(&app).await;
        let bearer = bearer(&app, EMAIL, PASSWORD).await;
        at_once(8, |_| {
            let (app, bearer) = (app.clone(), bearer.clone());
            async move {
                let headers = [("authorization", &*bearer)];
                app.post(HOST, "/account/v1/deletion", &headers, json!({ "password": PASSWORD })).await
            }
        })
        .await;
        let mails = app.mails().await;
        assert_eq!(mails.iter().filter(|mail| mail.kind == MailKind::AccountDeletion).count(), 1);
    }

    async fn of_yes_and_no_at_once_one_is_told_that_it_holds(app: TestApp) {
        app.acme().await;
        let (_, link) = squat(&app, EMAIL, false).await;
        let told = at_once(10, |n| {
            let (app, link) = (app.clone(), link.clone());
            async move {
                let answer = if n % 2 == 0 { "yes" } else { "no" };
                submit(&app, &link, "", &[("answer", answer)]).await
            }
        })
        .await;
        let good: Vec<_> = told.iter().filter(|reply| reply.status == 303).map(|reply| reply.header("location")).collect();
        assert_eq!(good.len(), 1, "{good:?}");
        let is_changed = account(&app, EMAIL).await.is_none();
        let expected = if is_changed { "/sign-in?notice=email-changed" } else { "/sign-in?notice=email-refused" };
        assert_eq!(good, [expected]);
    }

    async fn no_mail_opens_an_account_that_has_left_its_mailbox(app: TestApp) {
        app.acme().await;
        for round in 0..4 {
            let email = format!("{round}@example.com");
            let (_, link) = squat(&app, &email, false).await;
            at_once(9, |n| {
                let (app, link, email) = (app.clone(), link.clone(), email.clone());
                async move {
                    match n {
                        4 => submit(&app, &link, "", &[("answer", "yes")]).await,
                        _ => submit(&app, "/forgot-password", "", &[("email", &*email)]).await,
                    }
                }
            })
            .await;
            for mail in app.mails().await {
                if mail.kind == MailKind::ResetPassword && mail.to == email {
                    refused(&page(&app, &path(&mail), "").await, 400);
                }
            }
        }
    }

    async fn a_stranger_is_told_no_words_of_an_address(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "www.evil.test/win?u=1@evil.test", PASSWORD, "Trainee").await;
        let cookie = sign_in(&app, "www.evil.test/win?u=1@evil.test", PASSWORD).await;
        let form = [("email", "stranger@example.net"), ("password", PASSWORD)];
        submit(&app, "/account/email", &cookie, &form).await.status(303);
        let mails = app.mails().await;
        let mail = mails.iter().find(|mail| mail.to == "stranger@example.net").unwrap();
        let shown = vestibule_http::mail::render(&cx.tenant, mail).unwrap();
        let shown = format!("{}{}{}", shown.subject, shown.text, shown.html);
        assert!(shown.contains("w…@e…") && !shown.contains("evil"), "{shown}");
    }

    async fn who_comes_with_an_old_bearer_has_not_just_signed_in(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, EMAIL, crate::alphalearn::PASSWORD, "Trainee").await;
        let bearer = crate::alphalearn::tokens(&app, HOST, EMAIL).await.access;
        app.identity.db().write(|tx| tx.exec("DELETE FROM password", &[])).await.unwrap();
        for (minutes, status) in [(1, 200), (20, 403)] {
            app.pass(Duration::from_secs(minutes * 60));
            let form = [("token", &*bearer), ("inputData", "{\"enrollmentId\":12555}"), ("type", "2")];
            let from = [("origin", "https://www.partner.test"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
            let opened = app.post_form(HOST, "/site/login-by-jwt-token", &from, &form).await;
            let cookie = opened.status(303).session_cookie().unwrap();
            let exported = app.post(HOST, "/account/v1/export", &[ORIGIN, ("cookie", &cookie)], json!({})).await;
            assert_eq!(exported.status.as_u16(), status, "{}", exported.body);
        }
    }
}
