//! GET /api/verify-email/{token}.

use std::time::Duration;

use serde_json::json;
use vestibule_identity::MailKind;

use super::{
    HOST, PASSWORD, SPENT, Tokens, failure, forgot, refresh, registered, sign_up, verify,
    with_bearer,
};
use crate::app::{at_once, build, claims, on_both};

const MINUTE: Duration = Duration::from_secs(60);

on_both! {
    async fn the_mailed_token_verifies_and_gives_team_and_project_once(app: TestApp) {
        let cx = app.acme().await;
        let before = registered(&app, "ada@team.example").await;
        let token = app.mailed_token(MailKind::VerifyEmail).await;
        let tokens = Tokens::of(&verify(&app, &token).await);
        assert_eq!(claims(&tokens.user)["email_verified"], json!(true));
        assert_eq!(claims(&tokens.user)["sub"], claims(&before.user)["sub"]);
        let vault = claims(&tokens.vault);
        let teams = app.identity.teams(&cx, claims(&tokens.user)["sub"].as_str().unwrap()).await.unwrap();
        assert_eq!(teams.len(), 1);
        assert_eq!(vault["team"], json!({ "id": teams[0].id, "name": "Ada King's team" }));
        assert_eq!(vault["project"], json!({ "id": teams[0].project_id, "name": "Default project" }));
        assert_eq!(vault["role"], "owner");
        assert!(app.audit("acme").await.contains(&"email.verified done".to_owned()));
        assert!(app.mails().await.is_empty());
    }

    async fn tokens_from_before_learn_of_it_at_their_next_refresh(app: TestApp) {
        app.acme().await;
        let before = registered(&app, "ada@team.example").await;
        let token = app.mailed_token(MailKind::VerifyEmail).await;
        let verified = Tokens::of(&verify(&app, &token).await);
        let next = Tokens::of(&refresh(&app, &before.vault).await);
        assert_eq!(claims(&next.user)["email_verified"], json!(true));
        assert_eq!(claims(&next.vault)["team"], claims(&verified.vault)["team"]);
        assert_ne!(next.session(), verified.session());
    }

    async fn the_same_link_answers_again_for_five_minutes_with_the_same_session(app: TestApp) {
        let cx = app.acme().await;
        registered(&app, "ada@team.example").await;
        let token = app.mailed_token(MailKind::VerifyEmail).await;
        let first = Tokens::of(&verify(&app, &token).await);
        let account = claims(&first.user)["sub"].as_str().unwrap().to_owned();
        let teams = app.identity.teams(&cx, &account).await.unwrap();
        for pause in [Duration::ZERO, MINUTE, MINUTE * 4] {
            app.pass(pause);
            let again = Tokens::of(&verify(&app, &token).await);
            assert_eq!((again.session(), again.generation()), (first.session(), 0));
        }
        assert_eq!(app.identity.teams(&cx, &account).await.unwrap(), teams);
        app.pass(Duration::from_secs(1));
        verify(&app, &token).await.is(400, failure(400, SPENT));
        refresh(&app, &first.user).await.status(200);
    }

    async fn a_repeat_does_not_bring_an_ended_session_back(app: TestApp) {
        let cx = app.acme().await;
        registered(&app, "ada@team.example").await;
        let token = app.mailed_token(MailKind::VerifyEmail).await;
        let first = Tokens::of(&verify(&app, &token).await);
        app.identity.sign_out_all(&cx, claims(&first.user)["sub"].as_str().unwrap(), None).await.unwrap();
        verify(&app, &token).await.is(400, failure(400, SPENT));
    }

    async fn a_link_dies_after_a_day(app: TestApp) {
        app.acme().await;
        for (after, status) in [(86_399, 200), (86_401, 400)] {
            registered(&app, &format!("p{after}@team.example")).await;
            let token = app.mailed_token(MailKind::VerifyEmail).await;
            app.pass(Duration::from_secs(after));
            verify(&app, &token).await.status(status);
        }
    }

    async fn any_link_sent_works_and_ends_the_others(app: TestApp) {
        let cx = app.acme().await;
        let tokens = registered(&app, "ada@team.example").await;
        let first = app.mailed_token(MailKind::VerifyEmail).await;
        app.pass(MINUTE * 2);
        with_bearer(&app, "/api/resend-email-verification", &tokens.user).await.status(200);
        let second = app.mailed_token(MailKind::VerifyEmail).await;
        assert_ne!(first, second);
        let one = Tokens::of(&verify(&app, &first).await);
        verify(&app, &second).await.status(400);
        verify(&app, &first).await.status(200);
        assert_eq!(app.identity.teams(&cx, claims(&one.user)["sub"].as_str().unwrap()).await.unwrap().len(), 1);
    }

    async fn what_is_no_verification_token_is_one_400(app: TestApp) {
        app.acme().await;
        app.zeta().await;
        let tokens = registered(&app, "ada@team.example").await;
        let token = app.mailed_token(MailKind::VerifyEmail).await;
        sign_up(&app, "lms.zeta.test", "zoe@team.example", PASSWORD).await.status(200);
        let foreign = app.mailed_token(MailKind::VerifyEmail).await;
        forgot(&app, "ada@team.example").await.status(200);
        let reset = app.mailed_token(MailKind::ResetPassword).await;
        let swapped: String = token.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect();
        for wrong in [
            "x", "null", "undefined", &foreign, &reset, &tokens.user, &tokens.vault, &token[1..], &token[..token.len() - 1], &format!("{token}A"), &format!("{token}="),
            &format!("{token}%20"), &format!("%20{token}"), &format!("{token}%0A"), &format!("{token}%C2%A0"), &format!("{token}%3D"), &format!("{token}%2F"), &format!("A{token}"), &swapped, "%27%20OR%201%3D1--", "..%2f..%2fetc", &"a".repeat(8_000),
        ] {
            let reply = verify(&app, wrong).await;
            reply.status(400);
            assert_eq!(reply.json()["statusCode"], 400, "{wrong}");
        }
        verify(&app, &foreign).await.is(400, failure(400, SPENT));
        app.get("lms.zeta.test", &format!("/api/verify-email/{token}"), &[]).await.is(400, failure(400, SPENT));
        assert_eq!(claims(&Tokens::of(&refresh(&app, &tokens.user).await).user)["email_verified"], json!(false));
        Tokens::of(&verify(&app, &token).await);
        app.get("lms.zeta.test", &format!("/api/verify-email/{foreign}"), &[]).await.status(200);
    }

    async fn unreadable_bytes_in_the_path_are_told(app: TestApp) {
        app.acme().await;
        for wrong in ["%ff", "%00", "a%00b", "%c0%80"] {
            verify(&app, wrong).await.is(400, failure(400, json!(["token is not valid UTF-8 text"])));
        }
        app.get(HOST, "/api/verify-email/", &[]).await.status(404);
        app.get(HOST, "/api/verify-email", &[]).await.status(404);
    }

    async fn head_and_other_methods_change_nothing(app: TestApp) {
        let cx = app.acme().await;
        registered(&app, "ada@team.example").await;
        let token = app.mailed_token(MailKind::VerifyEmail).await;
        for method in ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let reply = app.send(build(method, HOST, &format!("/api/verify-email/{token}"), &[], String::new())).await;
            assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, "GET"), "{method}");
        }
        assert!(!app.identity.user(&cx, "ada@team.example").await.unwrap().email_verified);
        Tokens::of(&verify(&app, &token).await);
    }

    async fn the_mailed_page_verifies_nobody_by_being_looked_at(app: TestApp) {
        let cx = app.acme().await;
        registered(&app, "ada@team.example").await;
        let link = app.mailed_link(MailKind::VerifyEmail).await;
        let path = link.strip_prefix("https://lms.acme.test").unwrap_or_else(|| panic!("{link}"));
        for _ in 0..3 {
            let page = app.get(HOST, path, &[("accept", "text/html")]).await;
            assert!(page.status(200).session_cookie().is_none());
        }
        app.send(build("HEAD", HOST, path, &[], String::new())).await.status(200);
        assert!(!app.identity.user(&cx, "ada@team.example").await.unwrap().email_verified);
        app.post_form(HOST, path, &[("origin", "https://lms.acme.test")], &[]).await.status(303);
        assert!(app.identity.user(&cx, "ada@team.example").await.unwrap().email_verified);
    }

    async fn a_suspended_person_cannot_verify(app: TestApp) {
        let cx = app.acme().await;
        let tokens = registered(&app, "ada@team.example").await;
        let token = app.mailed_token(MailKind::VerifyEmail).await;
        let id = claims(&tokens.user)["sub"].as_str().unwrap().to_owned();
        app.identity.suspend_user(&cx, &id).await.unwrap();
        verify(&app, &token).await.is(400, failure(400, SPENT));
        app.identity.restore_user(&cx, &id).await.unwrap();
        assert!(!app.identity.user(&cx, &id).await.unwrap().email_verified);
    }

    async fn sixteen_at_once_open_one_session_and_make_one_team(app: TestApp) {
        let cx = app.acme().await;
        registered(&app, "ada@team.example").await;
        let token = app.mailed_token(MailKind::VerifyEmail).await;
        let replies = at_once(16, |_| {
            let (app, token) = (app.clone(), token.clone());
            async move { verify(&app, &token).await }
        })
        .await;
        let mut sessions: Vec<String> = replies.iter().map(|reply| Tokens::of(reply).session()).collect();
        sessions.sort();
        sessions.dedup();
        assert_eq!(sessions.len(), 1);
        let account = app.identity.user(&cx, "ada@team.example").await.unwrap();
        assert_eq!(app.identity.teams(&cx, &account.id).await.unwrap().len(), 1);
        assert_eq!(app.identity.sessions(&cx, &account.id).await.unwrap().len(), 2, "that of sign-up and that of the link");
        assert_eq!(app.audit("acme").await.iter().filter(|line| *line == "email.verified done").count(), 1);
    }
}
