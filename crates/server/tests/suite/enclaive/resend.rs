//! GET /api/resend-email-verification.

use std::time::Duration;

use serde_json::json;
use vestibule_identity::MailKind;

use super::{
    HOST, PASSWORD, Tokens, failure, refresh, registered, sign_up, signed_in, verify, with_bearer,
};
use crate::app::{at_once, claims, on_both};

const PATH: &str = "/api/resend-email-verification";
const MINUTE: Duration = Duration::from_secs(60);

on_both! {
    async fn either_token_brings_another_mail(app: TestApp) {
        app.acme().await;
        let tokens = registered(&app, "ada@team.example").await;
        app.mails().await;
        for token in [&tokens.user, &tokens.vault] {
            app.pass(MINUTE);
            let again = Tokens::of(&with_bearer(&app, PATH, token).await);
            assert_eq!((again.session(), claims(&again.user)["email_verified"].clone()), (tokens.session(), json!(false)));
            let mailed = app.mailed_token(MailKind::VerifyEmail).await;
            assert!(!mailed.is_empty());
        }
        verify(&app, "x").await.status(400);
    }

    async fn one_mail_a_minute_the_first_one_counted(app: TestApp) {
        app.acme().await;
        let tokens = registered(&app, "ada@team.example").await;
        app.mails().await;
        let refused = with_bearer(&app, PATH, &tokens.user).await;
        assert_eq!((refused.status.as_u16(), refused.json()["statusCode"].clone()), (429, json!(429)));
        assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| (1..=60).contains(&seconds)));
        app.pass(Duration::from_secs(59));
        with_bearer(&app, PATH, &tokens.user).await.status(429);
        assert!(app.mails().await.is_empty());
        app.pass(Duration::from_secs(1));
        with_bearer(&app, PATH, &tokens.user).await.status(200);
        with_bearer(&app, PATH, &tokens.user).await.status(429);
        assert_eq!(app.mails().await.len(), 1);
    }

    async fn five_mails_an_hour(app: TestApp) {
        app.acme().await;
        let mut tokens = registered(&app, "ada@team.example").await;
        let mut sent = app.mails().await.len();
        for _ in 0..7 {
            app.pass(Duration::from_secs(61));
            let reply = with_bearer(&app, PATH, &tokens.user).await;
            sent += app.mails().await.len();
            assert_eq!(reply.status.as_u16(), if sent < 5 || reply.status == 200 { 200 } else { 429 }, "after {sent} mails");
        }
        assert_eq!(sent, 5);
        app.pass(Duration::from_secs(3_600));
        tokens = Tokens::of(&refresh(&app, &tokens.user).await);
        with_bearer(&app, PATH, &tokens.user).await.status(200);
        assert_eq!(app.mails().await.len(), 1);
    }

    async fn another_person_has_a_minute_of_their_own(app: TestApp) {
        app.acme().await;
        let (ada, bob) = (registered(&app, "ada@team.example").await, registered(&app, "bob@team.example").await);
        app.mails().await;
        app.pass(MINUTE);
        with_bearer(&app, PATH, &ada.user).await.status(200);
        with_bearer(&app, PATH, &bob.user).await.status(200);
        let mut to: Vec<String> = app.mails().await.into_iter().map(|mail| mail.to).collect();
        to.sort();
        assert_eq!(to, ["ada@team.example", "bob@team.example"]);
    }

    async fn sixteen_at_once_send_one(app: TestApp) {
        app.acme().await;
        let tokens = registered(&app, "ada@team.example").await;
        app.mails().await;
        app.pass(MINUTE);
        let mut statuses = at_once(16, |_| {
            let (app, token) = (app.clone(), tokens.user.clone());
            async move { with_bearer(&app, PATH, &token).await.status.as_u16() }
        })
        .await;
        statuses.sort_unstable();
        assert_eq!(statuses, [&[200][..], &[429; 15]].concat());
        assert_eq!(app.mails().await.len(), 1);
    }

    /// Or a stolen token would live as long as its session, and no replay would show.
    async fn the_tokens_of_the_answer_renew_nothing(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let stolen = signed_in(&app, "ada@team.example").await;
        app.pass(MINUTE);
        let owner = Tokens::of(&refresh(&app, &stolen.user).await);
        app.pass(MINUTE);
        for token in [&stolen, &owner] {
            let again = Tokens::of(&with_bearer(&app, PATH, &token.user).await);
            assert_eq!((again.session(), again.generation()), (token.session(), token.generation()));
            assert_eq!(claims(&again.user)["exp"], claims(&token.user)["exp"]);
        }
        let last = Tokens::of(&with_bearer(&app, PATH, &stolen.user).await);
        app.pass(Duration::from_secs(3_600));
        with_bearer(&app, PATH, &last.user).await.status(401);
    }

    async fn a_verified_person_gets_200_and_no_mail(app: TestApp) {
        app.acme().await;
        let tokens = registered(&app, "ada@team.example").await;
        let token = app.mailed_token(MailKind::VerifyEmail).await;
        verify(&app, &token).await.status(200);
        for _ in 0..8 {
            let again = Tokens::of(&with_bearer(&app, PATH, &tokens.user).await);
            assert_eq!(claims(&again.user)["email_verified"], json!(true));
            assert_eq!(claims(&again.vault)["team"]["name"], json!("Ada King's team"));
        }
        assert!(app.mails().await.is_empty());
    }

    async fn without_a_live_token_of_this_dialect_it_is_401(app: TestApp) {
        let cx = app.acme().await;
        app.zeta().await;
        let tokens = registered(&app, "ada@team.example").await;
        app.mails().await;
        let foreign = Tokens::of(&sign_up(&app, "lms.zeta.test", "zoe@team.example", PASSWORD).await);
        app.mails().await;
        app.pass(MINUTE);
        app.get(HOST, PATH, &[]).await.is(401, failure(401, "Unauthorized"));
        app.get(HOST, &format!("{PATH}?access_token={}", tokens.user), &[]).await.is(401, failure(401, "Unauthorized"));
        app.get(HOST, &format!("{PATH}?token={}", tokens.user), &[]).await.is(401, failure(401, "Unauthorized"));
        let key = app.api_key(&cx).await;
        for token in ["x", &key, &foreign.user, &format!("{}x", tokens.user)] {
            with_bearer(&app, PATH, token).await.is(401, failure(401, "Unauthorized"));
        }
        app.pass(Duration::from_secs(3_600 + 60));
        with_bearer(&app, PATH, &tokens.user).await.status(401);
        let fresh = Tokens::of(&refresh(&app, &tokens.user).await);
        let id = claims(&fresh.user)["sub"].as_str().unwrap().to_owned();
        app.identity.sign_out_all(&cx, &id, None).await.unwrap();
        with_bearer(&app, PATH, &fresh.user).await.is(401, failure(401, "Unauthorized"));
        assert!(app.mails().await.is_empty());
    }
}
