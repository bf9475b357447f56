//! A new e-mail address: both mailboxes say yes, or nothing changes.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;
use vestibule_identity::{Cx, Mail, MailKind};

use super::{
    EMAIL, HOST, ORIGIN, PASSWORD, acme_with_ada, bearer, is_live, leads_to, page, password_works,
    refused, sign_in, submit, unproven,
};
use crate::app::{Reply, TestApp, at_once, on_both};

const NEW: &str = "ada.new@example.com";

async fn ask(app: &TestApp, cookie: &str, email: &str, password: &str) -> Reply {
    let form = [("email", email), ("password", password)];
    submit(app, "/account/email", cookie, &form).await
}

fn path(mail: &Mail) -> String {
    let link = mail.link.as_ref().expect("a link").expose_secret();
    link.strip_prefix("https://lms.acme.test")
        .unwrap()
        .to_owned()
}

/// Asks, and answers the paths of the links to the present and to the new address.
async fn links(app: &TestApp, cookie: &str) -> (String, String) {
    let asked = ask(app, cookie, NEW, PASSWORD).await;
    leads_to(&asked, "/account?notice=email-change-asked");
    let mut mails = app.mails().await;
    mails.sort_by_key(|mail| mail.to.clone());
    let told: Vec<_> = mails.iter().map(|mail| (mail.kind, &*mail.to)).collect();
    let wanted = [
        (MailKind::ConfirmNewEmail, NEW),
        (MailKind::ApproveEmailChange, EMAIL),
    ];
    assert_eq!(told, wanted);
    (path(&mails[1]), path(&mails[0]))
}

/// Of the tenant's first account.
async fn address(app: &TestApp, cx: &Cx) -> String {
    app.identity.user(cx, "1").await.unwrap().email
}

on_both! {
    async fn the_address_changes_when_both_mailboxes_said_yes(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let (here, there, token) = (sign_in(&app, EMAIL, PASSWORD).await, sign_in(&app, EMAIL, PASSWORD).await, bearer(&app, EMAIL, PASSWORD).await);
        for old_first in [true, false] {
            let (old, new) = links(&app, &here).await;
            for link in [&old, &new] {
                for _ in 0..2 {
                    let shown = page(&app, link, "").await;
                    assert!(shown.status(200).body.contains(EMAIL) && shown.body.contains(NEW), "{}", shown.body);
                }
            }
            assert_eq!(address(&app, &cx).await, EMAIL, "looking changes nothing");
            let pending = page(&app, "/account", &here).await;
            assert!(pending.status(200).body.contains(NEW), "{}", pending.body);
            let (first, second) = if old_first { (&old, &new) } else { (&new, &old) };
            leads_to(&submit(&app, first, "", &[("answer", "yes")]).await, "/sign-in?notice=email-half");
            assert_eq!(address(&app, &cx).await, EMAIL);
            refused(&submit(&app, first, "", &[("answer", "yes")]).await, 400);
            if old_first {
                // Called off in between.
                leads_to(&submit(&app, "/account/email", &here, &[("cancel", "yes")]).await, "/account?notice=email-change-cancelled");
                refused(&submit(&app, second, "", &[("answer", "yes")]).await, 400);
                assert_eq!(address(&app, &cx).await, EMAIL);
                continue;
            }
            let done = submit(&app, second, &here, &[("answer", "yes")]).await;
            leads_to(&done, "/account?notice=email-changed");
        }
        assert_eq!(address(&app, &cx).await, NEW);
        assert!(is_live(&app, &here).await && !is_live(&app, &there).await, "the session that asked goes on");
        assert_eq!(app.get(HOST, "/account/v1/session", &[("authorization", &token)]).await.status, 401);
        assert!(password_works(&app, NEW, PASSWORD).await && !password_works(&app, EMAIL, PASSWORD).await);
        let mut told: Vec<_> = app.mails().await.into_iter().map(|mail| (mail.kind, mail.to)).collect();
        told.sort_by(|a, b| a.1.cmp(&b.1));
        assert_eq!(told, [(MailKind::EmailChanged, NEW.to_owned()), (MailKind::EmailChanged, EMAIL.to_owned())]);
        let audit = app.audit("acme").await;
        for event in ["email.change_asked done", "email.change_confirmed done old_mailbox", "email.change_confirmed done new_mailbox", "email.change_cancelled done", "email.changed done"] {
            assert!(audit.iter().any(|line| line == event), "{event}: {audit:?}");
        }
    }

    async fn it_asks_for_the_password(app: TestApp) {
        acme_with_ada(&app).await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        for (email, password, status) in [(NEW, "wrong password", 401), (NEW, "", 400), ("", PASSWORD, 400), ("ada", PASSWORD, 400), (EMAIL, PASSWORD, 400), (" ADA@example.com ", PASSWORD, 400)] {
            let told = ask(&app, &cookie, email, password).await;
            refused(&told, status);
            assert!(told.body.contains("action=\"/account/email\""), "on the page it belongs to: {}", told.body);
        }
        assert_eq!(app.mails().await.len(), 0);
        leads_to(&ask(&app, "", NEW, PASSWORD).await, "/sign-in?next=%2Faccount");
    }

    async fn without_a_password_the_sign_in_must_be_fresh(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let login = async || {
            let login = crate::rezi::text(&crate::rezi::exchange(&app, &key, EMAIL, "uid").await, "token");
            crate::rezi::open(&app, &login, &[]).await.session_cookie().unwrap()
        };
        let cookie = login().await;
        app.pass(Duration::from_secs(901));
        let told = ask(&app, &cookie, NEW, "").await;
        refused(&told, 403);
        assert!(told.body.contains("Sign in once more"), "{}", told.body);
        assert_eq!(app.mails().await.len(), 0);
        let shown = page(&app, "/account", &login().await).await;
        assert!(!shown.status(200).body.contains("name=\"current\""), "there is no password to change: {}", shown.body);
        leads_to(&ask(&app, &login().await, NEW, "").await, "/account?notice=email-change-asked");
        assert!(!app.mails().await.is_empty());
    }

    async fn a_taken_address_is_not_told(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        app.person(&cx, "bob@example.com", PASSWORD, "Trainee").await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        let mut seen = Vec::new();
        for email in ["bob@example.com", "zed@example.com"] {
            // So that the session is held in memory both times.
            page(&app, "/account", &cookie).await;
            let before = (app.identity.db().statements(), app.identity.db().commits());
            let asked = ask(&app, &cookie, email, PASSWORD).await;
            let work = (app.identity.db().statements() - before.0, app.identity.db().commits() - before.1);
            let shown = page(&app, "/account", &cookie).await.body.replace(email, "EMAIL");
            let shown = shown.split("<h2>Profile").next().unwrap().to_owned();
            seen.push((asked.status, asked.header("location").to_owned(), work, shown));
            let to: Vec<_> = app.mails().await.into_iter().map(|mail| mail.to).collect();
            assert_eq!(to.contains(&email.to_owned()), email == "zed@example.com", "{to:?}");
            assert!(to.contains(&EMAIL.to_owned()));
        }
        assert_eq!(seen[0], seen[1]);
    }

    async fn an_address_that_was_taken_meanwhile_is_not_taken_away(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        let (old, new) = links(&app, &cookie).await;
        submit(&app, &old, "", &[("answer", "yes")]).await.status(303);
        app.person(&cx, NEW, PASSWORD, "Trainee").await;
        refused(&submit(&app, &new, "", &[("answer", "yes")]).await, 409);
        assert_eq!(address(&app, &cx).await, EMAIL);
        assert_eq!(app.mails().await.len(), 0);
    }

    async fn no_ends_it_and_so_do_time_and_a_second_wish(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        let (old, new) = links(&app, &cookie).await;
        leads_to(&submit(&app, &old, "", &[("answer", "no")]).await, "/sign-in?notice=email-refused");
        for link in [&old, &new] {
            refused(&page(&app, link, "").await, 400);
            refused(&submit(&app, link, "", &[("answer", "yes")]).await, 400);
        }
        let (old, new) = links(&app, &cookie).await;
        let _ = links(&app, &cookie).await;
        for link in [&old, &new] {
            refused(&submit(&app, link, "", &[("answer", "yes")]).await, 400);
        }
        let (old, new) = links(&app, &cookie).await;
        app.pass(Duration::from_secs(86_401));
        for link in [&old, &new, "/account/email/x", "/account/email/%00"] {
            refused(&submit(&app, link, "", &[("answer", "yes")]).await, 400);
        }
        let shown = page(&app, "/account", &cookie).await;
        assert!(!shown.status(200).body.contains(NEW), "{}", shown.body);
        assert_eq!(address(&app, &cx).await, EMAIL);
    }

    async fn an_address_that_was_never_proven_is_not_asked(app: TestApp) {
        let cx = app.acme().await;
        for proven_meanwhile in [false, true] {
            let email = format!("new{proven_meanwhile}@example.com");
            let wanted = format!("better{proven_meanwhile}@example.com");
            let cookie = unproven(&app, &email).await;
            let proof = app.mailed_link(MailKind::VerifyEmail).await;
            leads_to(&ask(&app, &cookie, &wanted, PASSWORD).await, "/account?notice=email-change-asked");
            let mails = app.mails().await;
            assert_eq!(mails.iter().map(|mail| (mail.kind, &*mail.to)).collect::<Vec<_>>(), [(MailKind::ConfirmNewEmail, &*wanted)]);
            if proven_meanwhile {
                submit(&app, proof.strip_prefix("https://lms.acme.test").unwrap(), "", &[]).await.status(303);
            }
            let notice = if proven_meanwhile { "email-half" } else { "email-changed" };
            leads_to(&submit(&app, &path(&mails[0]), "", &[("answer", "yes")]).await, &format!("/sign-in?notice={notice}"));
            assert_eq!(app.identity.user(&cx, &wanted).await.is_ok(), !proven_meanwhile);
            app.mails().await;
        }
    }

    async fn links_are_good_for_nothing_else_and_nowhere_else(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        app.zeta().await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        let (old, new) = links(&app, &cookie).await;
        for link in [&old, &new] {
            let token = link.rsplit('/').next().unwrap();
            refused(&app.post_form("lms.zeta.test", link, &[("origin", "https://lms.zeta.test")], &[("answer", "yes")]).await, 400);
            refused(&submit(&app, &format!("/verify-email/{token}"), "", &[]).await, 400);
            refused(&submit(&app, &format!("/reset-password/{token}"), "", &[("password", "another fine password")]).await, 400);
            app.get(HOST, &format!("/api/verify-email/{token}"), &[]).await.status(400);
        }
        let id = app.identity.user(&cx, EMAIL).await.unwrap().id;
        app.identity.suspend_user(&cx, &id).await.unwrap();
        for link in [&old, &new] {
            refused(&submit(&app, link, "", &[("answer", "yes")]).await, 400);
        }
    }

    async fn both_links_at_once_change_it_once(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        let (old, new) = links(&app, &cookie).await;
        let replies = at_once(8, |n| {
            let (app, link) = (app.clone(), if n % 2 == 0 { old.clone() } else { new.clone() });
            async move { submit(&app, &link, "", &[("answer", "yes")]).await.header("location").to_owned() }
        })
        .await;
        let count = |wanted: &str| replies.iter().filter(|location| location.ends_with(wanted)).count();
        assert_eq!((count("email-half"), count("email-changed")), (1, 1), "{replies:?}");
        assert_eq!(address(&app, &cx).await, NEW);
        assert_eq!(app.mails().await.len(), 2);
    }

    async fn by_the_account_api(app: TestApp) {
        acme_with_ada(&app).await;
        let token = bearer(&app, EMAIL, PASSWORD).await;
        let auth = [("authorization", &*token)];
        let post = async |body| app.post(HOST, "/account/v1/email", &auth, body).await;
        post(json!({"email": NEW, "password": "wrong"})).await.status(401);
        post(json!({"email": NEW})).await.status(400);
        post(json!({"email": NEW, "password": PASSWORD, "role": "Admin"})).await.status(400);
        post(json!({"email": NEW, "password": PASSWORD})).await.status(202);
        assert_eq!(app.mails().await.len(), 2);
        let told = app.get(HOST, "/account/v1/email", &auth).await;
        told.is(200, json!({"email": EMAIL, "email_verified": true, "pending": {"email": NEW, "old_confirmed": false, "new_confirmed": false}}));
        let request = crate::app::build("DELETE", HOST, "/account/v1/email", &auth, "");
        app.send(request).await.status(204);
        app.get(HOST, "/account/v1/email", &auth).await.is(200, json!({"email": EMAIL, "email_verified": true, "pending": null}));
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        let foreign = [("cookie", &*cookie), ("origin", "https://evil.test")];
        app.post(HOST, "/account/v1/email", &foreign, json!({"email": NEW, "password": PASSWORD})).await.status(403);
        let own = [("cookie", &*cookie), ORIGIN];
        app.post(HOST, "/account/v1/email", &own, json!({"email": NEW, "password": PASSWORD})).await.status(202);
    }
}
