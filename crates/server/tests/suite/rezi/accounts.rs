//! Whose account an exchange leads to: never somebody else's, never a second one.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use vestibule_identity::MailKind;

use super::{EMAIL, HOST, UID, exchange, exchange_at, login_token, mismatch, open, refused, text};
use crate::app::{TestApp, at_once, on_both};

const PASSWORD: &str = "correct horse battery";

async fn password_status(app: &TestApp, email: &str, password: &str) -> u16 {
    app.post(
        HOST,
        "/api/login",
        &[],
        json!({"email": email, "password": password}),
    )
    .await
    .status
    .as_u16()
}

async fn register(app: &TestApp, email: &str) -> Value {
    let reply = app
        .post(
            HOST,
            "/api/register",
            &[],
            json!({"email": email, "password": PASSWORD, "name": "Squatter"}),
        )
        .await;
    reply.status(200).json()
}

on_both! {
    async fn another_uid_is_refused_and_changes_nothing(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let id = text(&exchange(&app, &key, EMAIL, UID).await, "userID");
        let before = app.identity.users(&cx, "", 10).await.unwrap();
        for uid in ["1", "12345678911", " 12345678910", "12345678910 ", "1234567891", "１２３４５６７８９１０"] {
            let reply = exchange(&app, &key, EMAIL, uid).await;
            reply.is(401, mismatch());
            assert_eq!(reply.header("cache-control"), "no-store");
        }
        exchange(&app, &key, "USER@Example.COM", "1").await.is(401, mismatch());
        assert_eq!(app.identity.users(&cx, "", 10).await.unwrap(), before);
        assert_eq!(text(&exchange(&app, &key, EMAIL, UID).await, "userID"), id);
        // Another key of the tenant is no way around.
        exchange(&app, &app.api_key(&cx).await, EMAIL, "1").await.is(401, mismatch());
        let noted = app.audit("acme").await;
        assert_eq!(noted.iter().filter(|line| *line == "partner.exchange refused uid_mismatch").count(), 8, "{noted:?}");
    }

    async fn one_address_is_one_account_however_it_is_spelt(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        for spellings in [
            &["Ada.Lovelace@Example.com", "ada.lovelace@example.com", " ada.lovelace@EXAMPLE.COM "][..],
            &["jos\u{e9}@b\u{fc}cher.example", "jose\u{301}@bu\u{308}cher.example", "jos\u{e9}@xn--bcher-kva.example"],
        ] {
            let mut ids = BTreeSet::new();
            for email in spellings {
                ids.insert(text(&exchange(&app, &key, email, UID).await, "userID"));
            }
            assert_eq!(ids.len(), 1, "{spellings:?}: {ids:?}");
        }
        // Dots and tags are nobody's business.
        for email in ["adalovelace@example.com", "ada.lovelace+x@example.com"] {
            assert_eq!(exchange(&app, &key, email, "another uid").await.status, 200, "{email}");
        }
        let shown: Vec<String> = app.identity.users(&cx, "", 10).await.unwrap().into_iter().map(|user| user.email).collect();
        assert_eq!(shown.len(), 4, "{shown:?}");
        assert!(shown.contains(&"Ada.Lovelace@Example.com".to_owned()), "shown as first given: {shown:?}");
    }

    async fn tenants_have_people_of_their_own(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        let (acme_key, zeta_key) = (app.api_key(&acme).await, app.api_key(&zeta).await);
        let body = |uid: &str| json!({"email": EMAIL, "uid": uid});
        let here = text(&exchange_at(&app, HOST, &acme_key, body(UID)).await, "userID");
        let there = text(&exchange_at(&app, "lms.zeta.test", &zeta_key, body("another uid")).await, "userID");
        assert_ne!(here, there);
        exchange_at(&app, "lms.zeta.test", &zeta_key, body(UID)).await.is(401, mismatch());
    }

    async fn repeated_mismatches_are_throttled_for_that_account(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        for email in [EMAIL, "other@example.com"] {
            text(&exchange(&app, &key, email, UID).await, "userID");
        }
        for attempt in 0..10 {
            exchange(&app, &key, EMAIL, &format!("guess {attempt}")).await.is(401, mismatch());
        }
        let reply = exchange(&app, &key, EMAIL, "guess 10").await;
        assert_eq!((reply.status.as_u16(), &reply.json()["status"]), (429, &json!("error")), "{}", reply.body);
        let wait: u64 = reply.header("retry-after").parse().unwrap();
        assert!((1..=901).contains(&wait), "{wait}");
        exchange(&app, &key, "other@example.com", "guess").await.is(401, mismatch());
        assert_eq!(exchange(&app, &key, "other@example.com", UID).await.status, 200);
        app.pass(Duration::from_secs(wait));
        exchange(&app, &key, EMAIL, "guess 11").await.is(401, mismatch());
        assert_eq!(exchange(&app, &key, EMAIL, UID).await.status, 200);
    }

    async fn mismatches_at_once_are_counted_one_after_the_other(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        exchange(&app, &key, EMAIL, UID).await.status(200);
        // What this node remembers of the right one is not what keeps the wrong ones out.
        app.pass(Duration::from_secs(700));
        let replies = at_once(32, |index| {
            let (app, key) = (app.clone(), key.clone());
            async move { exchange(&app, &key, EMAIL, &format!("guess {index}")).await.status.as_u16() }
        })
        .await;
        assert_eq!(replies.iter().filter(|status| **status == 401).count(), 10, "{replies:?}");
        assert_eq!(replies.iter().filter(|status| **status == 429).count(), 22, "{replies:?}");
    }

    async fn right_calls_at_once_all_succeed(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        exchange(&app, &key, EMAIL, UID).await.status(200);
        app.pass(Duration::from_secs(700));
        let replies = at_once(32, |_| {
            let (app, key) = (app.clone(), key.clone());
            async move { exchange(&app, &key, EMAIL, UID).await.status.as_u16() }
        })
        .await;
        assert_eq!(replies, [200; 32]);
    }

    async fn a_squatters_name_does_not_stay(app: TestApp) {
        let cx = app.acme().await;
        register(&app, EMAIL).await;
        let token = login_token(&app, &app.api_key(&cx).await, EMAIL).await;
        open(&app, &token, &[]).await.status(303);
        let account = app.identity.user(&cx, EMAIL).await.unwrap();
        assert_eq!((account.first_name.as_str(), account.last_name.as_str()), ("", ""));
        let teams = app.identity.teams(&cx, &account.id).await.unwrap();
        assert_eq!(teams[0].name, format!("{EMAIL}'s team"));
    }

    async fn a_squatter_loses_password_sessions_and_links(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let squatted = register(&app, EMAIL).await;
        let link = app.mailed_token(MailKind::VerifyEmail).await;
        let (user_token, vault_token) = (squatted["userToken"].as_str().unwrap(), squatted["vaultToken"].as_str().unwrap());
        let form = [("email", EMAIL), ("password", PASSWORD)];
        let cookie = app.post_form(HOST, "/sign-in", &[("origin", "https://lms.acme.test")], &form).await.session_cookie().unwrap();
        let bearer = |token: &str| format!("Bearer {token}");
        assert_eq!(app.get(HOST, "/account/v1/session", &[("authorization", &bearer(user_token))]).await.status, 200);
        assert_eq!(app.get(HOST, "/account/v1/session", &[("cookie", &cookie)]).await.status, 200);

        let id = text(&exchange(&app, &key, EMAIL, UID).await, "userID");
        assert_eq!(password_status(&app, EMAIL, PASSWORD).await, 401);
        for token in [user_token, vault_token] {
            let headers = [("authorization", &*bearer(token))];
            assert_eq!(app.get(HOST, "/account/v1/session", &headers).await.status, 401);
            assert_eq!(app.get(HOST, "/forward-auth", &headers).await.status, 401);
            assert_eq!(app.get(HOST, "/api/refresh", &headers).await.status, 401);
        }
        assert_eq!(app.get(HOST, "/account/v1/session", &[("cookie", &cookie)]).await.status, 401);
        assert_eq!(app.get(HOST, &format!("/api/verify-email/{link}"), &[]).await.status, 400);
        assert_eq!(app.identity.sessions(&cx, &id).await.unwrap(), []);
        let again = app.post(HOST, "/api/register", &[], json!({"email": EMAIL, "password": PASSWORD, "name": "Squatter"})).await;
        again.status(409);
        assert_eq!(password_status(&app, EMAIL, PASSWORD).await, 401);
        let account = app.identity.user(&cx, &id).await.unwrap();
        assert!(account.email_verified);
        let noted = app.audit("acme").await;
        assert!(noted.contains(&"account.unproven_credentials_dropped done".to_owned()), "{noted:?}");
    }

    async fn a_squatter_who_knows_no_uid_binds_none(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        text(&exchange(&app, &key, EMAIL, UID).await, "userID");
        app.post(HOST, "/api/register", &[], json!({"email": EMAIL, "password": PASSWORD, "name": "Squatter"})).await.status(409);
        assert_eq!(password_status(&app, EMAIL, PASSWORD).await, 401);
        assert_eq!(password_status(&app, EMAIL, UID).await, 401, "the uid is no password");
    }

    async fn a_verified_account_gets_the_uid_bound(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let account = app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let tokens = app.post(HOST, "/api/login", &[], json!({"email": EMAIL, "password": PASSWORD})).await.status(200).json();
        assert_eq!(text(&exchange(&app, &key, EMAIL, UID).await, "userID"), account.id);
        exchange(&app, &key, EMAIL, "another").await.is(401, mismatch());
        assert_eq!(password_status(&app, EMAIL, PASSWORD).await, 200, "its own password still works");
        let bearer = format!("Bearer {}", tokens["userToken"].as_str().unwrap());
        assert_eq!(app.get(HOST, "/account/v1/session", &[("authorization", &bearer)]).await.status, 200, "and its sessions live on");
    }

    async fn sixteen_first_calls_make_one_account(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let replies = at_once(16, |index| {
            let (app, key) = (app.clone(), key.clone());
            let email = if index % 2 == 0 { EMAIL } else { "User@EXAMPLE.com" };
            async move { exchange(&app, &key, email, UID).await }
        })
        .await;
        let ids: BTreeSet<String> = replies.iter().map(|reply| text(reply, "userID")).collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
        assert_eq!(app.identity.users(&cx, "", 100).await.unwrap().len(), 1);
    }

    async fn sixteen_first_calls_with_different_uids_have_one_winner(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let replies = at_once(16, |index| {
            let (app, key) = (app.clone(), key.clone());
            async move { (index, exchange(&app, &key, EMAIL, &format!("uid {index}")).await) }
        })
        .await;
        let winners: Vec<usize> = replies.iter().filter(|(_, reply)| reply.status == 200).map(|(index, _)| *index).collect();
        assert_eq!(winners.len(), 1, "{replies:?}");
        for (_, reply) in replies.iter().filter(|(_, reply)| reply.status != 200 && reply.status != 429) {
            reply.is(401, mismatch());
        }
        assert_eq!(app.identity.users(&cx, "", 100).await.unwrap().len(), 1);
        app.pass(Duration::from_secs(1_000));
        assert_eq!(exchange(&app, &key, EMAIL, &format!("uid {}", winners[0])).await.status, 200);
    }

    async fn a_partner_and_a_squatter_at_once_leave_the_squatter_out(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let replies = at_once(8, |index| {
            let (app, key) = (app.clone(), key.clone());
            async move {
                if index == 0 {
                    exchange(&app, &key, EMAIL, UID).await
                } else {
                    app.post(HOST, "/api/register", &[], json!({"email": EMAIL, "password": PASSWORD, "name": "S"})).await
                }
            }
        })
        .await;
        assert_eq!(replies[0].status, 200, "{}", replies[0].body);
        assert_eq!(app.identity.users(&cx, "", 100).await.unwrap().len(), 1);
        assert_eq!(password_status(&app, EMAIL, PASSWORD).await, 401);
        for reply in replies.iter().skip(1).filter(|reply| reply.status == 200) {
            let bearer = format!("Bearer {}", reply.json()["userToken"].as_str().unwrap());
            assert_eq!(app.get(HOST, "/account/v1/session", &[("authorization", &bearer)]).await.status, 401);
        }
    }

    async fn a_suspended_person_stays_out(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let token = login_token(&app, &key, EMAIL).await;
        let account = app.identity.user(&cx, EMAIL).await.unwrap();
        app.identity.suspend_user(&cx, &account.id).await.unwrap();
        for uid in [UID, "another"] {
            let reply = exchange(&app, &key, EMAIL, uid).await;
            assert_eq!((reply.status.as_u16(), &reply.json()["status"]), (403, &json!("error")), "{}", reply.body);
        }
        refused(&open(&app, &token, &[]).await, 401, &token);
        app.identity.restore_user(&cx, &account.id).await.unwrap();
        assert_eq!(text(&exchange(&app, &key, EMAIL, UID).await, "userID"), account.id);
        assert_eq!(open(&app, &token, &[]).await.status, 303, "the refusal used nothing up");
    }

    async fn a_deleted_person_comes_back_as_a_new_one(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let token = login_token(&app, &key, EMAIL).await;
        let old = app.identity.user(&cx, EMAIL).await.unwrap();
        app.identity.delete_user(&cx, &old.id).await.unwrap();
        refused(&open(&app, &token, &[]).await, 401, &token);
        let id = text(&exchange(&app, &key, EMAIL, "a new uid").await, "userID");
        assert_ne!(id, old.id);
        refused(&open(&app, &token, &[]).await, 401, &token);
    }
}
