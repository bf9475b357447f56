//! Suspended people are out, whatever happens at the same moment.

use std::sync::Arc;

use secrecy::SecretString;
use vestibule_identity::{Kind, SessionKind, SignInPassword};

use crate::app::{at_once, on_both};

on_both! {
    /// A sign-in that commits beside the suspension must not leave a session that lives again after the restoration.
    async fn a_sign_in_at_the_moment_of_suspension_leaves_no_session(app: TestApp) {
        let cx = app.acme().await;
        let account = app.person(&cx, "ada@example.com", "violet-harbour-42", "Trainee").await;
        for _ in 0..8 {
            let shared = Arc::new((app.clone(), cx.clone(), account.id.clone()));
            let outcomes = at_once(9, |index| {
                let shared = shared.clone();
                async move {
                    let (app, cx, id) = &*shared;
                    if index == 4 {
                        return app.identity.suspend_user(cx, id).await.map(drop);
                    }
                    let password = SecretString::from("violet-harbour-42");
                    let command = SignInPassword { email: "ada@example.com".into(), password, captcha: None, kind: SessionKind::Api };
                    app.identity.sign_in_password(cx, command).await.map(drop)
                }
            })
            .await;
            for outcome in outcomes {
                assert!(outcome.as_ref().is_ok_and(|()| true) || outcome.as_ref().is_err_and(|error| error.kind == Kind::InvalidCredentials), "{outcome:?}");
            }
            app.identity.restore_user(&cx, &account.id).await.unwrap();
            assert_eq!(app.identity.sessions(&cx, &account.id).await.unwrap(), []);
        }
    }
}
