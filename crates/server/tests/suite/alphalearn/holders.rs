//! A reset token in somebody's hands is worth as much as these are.

use std::time::Duration;

use serde_json::json;
use vestibule_identity::{CreateApiKey, Cx, ImportMode};

use super::forgot::{NEW, ask, assert_worthless, handed, reset};
use super::{HOST, PASSWORD, sign_in, tokens};
use crate::app::{TestApp, on_both};

const EMAIL: &str = "pooja.g@example.com";
const ADMIN: &str = "admin@example.com";

/// What ends the power of whoever was given the token.
#[derive(Clone, Copy, Debug)]
enum End {
    Nothing,
    ItsSessionOnly,
    ItsSessionEnded,
    LesserRole,
    OwnerPromoted,
    Suspended,
    Deleted,
    AnotherRole,
    SignedOutEverywhere,
    AnotherPassword,
    OwnerSignedOutEverywhere,
}

async fn set_role(app: &TestApp, cx: &Cx, email: &str, role: &str) {
    let line = json!({"email": email, "role": role});
    let mode = ImportMode {
        update: true,
        dry_run: false,
    };
    let done = crate::import::import(app, cx, &[line], mode).await;
    assert_eq!(done.updated, 1);
}

async fn end(app: &TestApp, cx: &Cx, end: End) {
    let admin = app.identity.user(cx, ADMIN).await.unwrap();
    match end {
        End::Nothing => {}
        End::ItsSessionOnly => {
            let session = app
                .identity
                .sessions(cx, &admin.id)
                .await
                .unwrap()
                .remove(0);
            app.identity.sign_out(cx, &session).await.unwrap();
        }
        End::ItsSessionEnded => {
            let session = app
                .identity
                .sessions(cx, &admin.id)
                .await
                .unwrap()
                .remove(0);
            app.identity
                .end_session(cx, (&admin.id, None), &session.id)
                .await
                .unwrap();
        }
        // An Admin may have it, a Manager may not.
        End::LesserRole => set_role(app, cx, ADMIN, "Manager").await,
        End::OwnerPromoted => {
            set_role(app, cx, EMAIL, "Trainee").await;
            set_role(app, cx, ADMIN, "Manager").await;
            set_role(app, cx, EMAIL, "Admin").await;
        }
        End::Suspended => app.identity.suspend_user(cx, &admin.id).await.unwrap(),
        End::Deleted => app.identity.delete_user(cx, &admin.id).await.unwrap(),
        End::AnotherRole => set_role(app, cx, ADMIN, "Trainee").await,
        End::SignedOutEverywhere => {
            app.identity
                .sign_out_all(cx, &admin.id, None)
                .await
                .unwrap();
        }
        End::AnotherPassword => {
            let key = app.api_key(cx).await;
            let own = handed(&ask(app, HOST, Some(&key), json!({"email": ADMIN})).await);
            reset(app, HOST, &own, NEW).await.status(200);
        }
        End::OwnerSignedOutEverywhere => {
            let owner = app.identity.user(cx, EMAIL).await.unwrap();
            app.identity
                .sign_out_all(cx, &owner.id, None)
                .await
                .unwrap();
        }
    }
}

on_both! {
    async fn a_token_in_somebodys_hands_ends_with_what_gave_it(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, EMAIL, PASSWORD, "Admin").await;
        for (what, works) in [
            (End::Nothing, true),
            (End::ItsSessionOnly, true),
            (End::ItsSessionEnded, false),
            (End::LesserRole, false),
            (End::OwnerPromoted, false),
            (End::SignedOutEverywhere, false),
            (End::AnotherPassword, false),
            (End::OwnerSignedOutEverywhere, false),
            (End::AnotherRole, false),
            (End::Deleted, false),
            (End::Suspended, false),
        ] {
            if app.identity.user(&cx, ADMIN).await.is_ok() {
                let id = app.identity.user(&cx, ADMIN).await.unwrap().id;
                app.identity.delete_user(&cx, &id).await.unwrap();
            }
            app.person(&cx, ADMIN, PASSWORD, "Admin").await;
            let bearer = tokens(&app, HOST, ADMIN).await.access;
            let token = handed(&ask(&app, HOST, Some(&bearer), json!({"email": EMAIL, "sendEmailNotification": 2})).await);
            app.pass(Duration::from_secs(1));
            end(&app, &cx, what).await;
            if works {
                reset(&app, HOST, &token, NEW).await.status(200);
                sign_in(&app, HOST, EMAIL, NEW).await.status(200);
            } else {
                assert_worthless(&app, &token).await;
            }
            app.pass(Duration::from_secs(3_600));
        }
    }

    async fn a_token_in_a_back_ends_hands_ends_with_its_key(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let (kept, revoked) = (app.api_key(&cx).await, app.api_key(&cx).await);
        let by_kept = handed(&ask(&app, HOST, Some(&kept), json!({"email": EMAIL})).await);
        let expiring = CreateApiKey { name: "e".into(), expires_in: Some(Duration::from_secs(600)), ..CreateApiKey::default() };
        let expiring = app.identity.create_api_key(&cx, expiring).await.unwrap().key;
        let by_expiring = handed(&ask(&app, HOST, Some(secrecy::ExposeSecret::expose_secret(&expiring)), json!({"email": EMAIL})).await);
        let by_revoked = handed(&ask(&app, HOST, Some(&revoked), json!({"email": EMAIL})).await);
        let id = vestibule_crypto::ApiKey::parse(&revoked).unwrap().id;
        app.identity.revoke_api_key(&id).await.unwrap();
        assert_worthless(&app, &by_revoked).await;
        app.pass(Duration::from_secs(601));
        assert_worthless(&app, &by_expiring).await;
        reset(&app, HOST, &by_kept, NEW).await.status(200);
    }
}
