//! POST /api/login.

use serde_json::json;

use super::{
    HOST, OTHER_PASSWORD, PASSWORD, Tokens, WRONG, face, failure, login, refresh, registered,
    signed_in,
};
use crate::app::{claims, on_both};

on_both! {
    async fn the_right_password_opens_under_every_spelling_of_the_address(app: TestApp) {
        let cx = app.acme().await;
        let account = app.person(&cx, "Ada@Team.example", PASSWORD, "Trainee").await;
        for email in ["Ada@Team.example", "ada@team.EXAMPLE", " ada@team.example "] {
            let tokens = Tokens::of(&login(&app, email, PASSWORD).await);
            let user = claims(&tokens.user);
            assert_eq!((&user["sub"], &user["email"], &user["email_verified"], &user["name"]), (&json!(account.id), &json!("Ada@Team.example"), &json!(true), &json!("Pooja G")));
            let vault = claims(&tokens.vault);
            assert_eq!((&vault["team"]["name"], &vault["project"]["name"], &vault["role"]), (&json!("Pooja G's team"), &json!("Default project"), &json!("owner")));
        }
        assert_eq!(app.identity.sessions(&cx, &account.id).await.unwrap().len(), 3, "each sign-in is a session of its own");
        assert_eq!(app.audit("acme").await.iter().filter(|line| *line == "sign_in.password done").count(), 3);
    }

    async fn everything_wrong_is_one_answer_to_the_byte(app: TestApp) {
        let cx = app.acme().await;
        let zeta = app.zeta().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let suspended = app.person(&cx, "sue@team.example", PASSWORD, "Trainee").await;
        app.identity.suspend_user(&cx, &suspended.id).await.unwrap();
        let deleted = app.person(&cx, "del@team.example", PASSWORD, "Trainee").await;
        app.identity.delete_user(&cx, &deleted.id).await.unwrap();
        app.person(&zeta, "elsewhere@team.example", PASSWORD, "Trainee").await;
        let key = app.api_key(&cx).await;
        let partner = json!({ "email": "partner@team.example", "uid": PASSWORD });
        app.post(HOST, "/v1/user/token", &[("authorization", &format!("Bearer {key}"))], partner).await.status(200);
        let first = face(&login(&app, "ada@team.example", "wrong-password-1").await);
        assert_eq!((first.0, serde_json::from_str(&first.2).ok()), (401, Some(failure(401, WRONG))));
        let long = "x".repeat(4_000);
        for (email, password) in [
            ("ada@team.example", "Violet-harbour-42-lanterns"),
            ("ada@team.example", " violet-harbour-42-lanterns"),
            ("ada@team.example", "short"),
            ("ada@team.example", long.as_str()),
            ("nobody@team.example", PASSWORD),
            ("sue@team.example", PASSWORD),
            ("sue@team.example", "wrong-password-1"),
            ("del@team.example", PASSWORD),
            ("elsewhere@team.example", PASSWORD),
            ("partner@team.example", PASSWORD),
        ] {
            assert_eq!(face(&login(&app, email, password).await), first, "{email}");
        }
        assert!(app.audit("acme").await.iter().any(|line| line == "sign_in.password refused invalid_credentials"));
    }

    async fn what_lacks_is_told_as_a_list(app: TestApp) {
        app.acme().await;
        for (body, messages) in [
            (json!({}), json!(["email is missing", "password is missing"])),
            (json!({ "email": "ada" }), json!(["email is not a valid e-mail address", "password is missing"])),
            (json!({ "email": "ada@team.example", "password": 1 }), json!(["password must be a text"])),
            (json!({ "email": ["ada@team.example"], "password": { "$ne": "" } }), json!(["email must be a text", "password must be a text"])),
        ] {
            app.post(HOST, "/api/login", &[], body).await.is(400, failure(400, messages));
        }
    }

    async fn the_known_and_the_unknown_are_throttled_at_the_same_count(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        app.person(&cx, "bob@team.example", PASSWORD, "Trainee").await;
        let mut counts = Vec::new();
        for names in [["ada@team.example", "ADA@Team.example"], ["nobody@team.example", "Nobody@TEAM.example"]] {
            let mut count = 0;
            let refused = loop {
                let reply = login(&app, names[count % 2], "wrong-password-1").await;
                if reply.status != 401 {
                    break reply;
                }
                count += 1;
            };
            assert_eq!((refused.status.as_u16(), refused.json()["statusCode"].clone()), (429, json!(429)));
            assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| (1..=901).contains(&seconds)), "{:?}", refused.headers);
            counts.push((count, refused.body));
        }
        assert_eq!(counts[0], counts[1]);
        assert_eq!(counts[0].0, 50);
        login(&app, "ada@team.example", PASSWORD).await.status(429);
        login(&app, "bob@team.example", PASSWORD).await.status(200);
        app.pass(std::time::Duration::from_secs(901));
        login(&app, "ada@team.example", PASSWORD).await.status(200);
    }

    async fn parallel_guesses_do_not_outrun_the_throttle(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let replies = crate::app::at_once(120, |_| {
            let app = app.clone();
            async move { login(&app, "ada@team.example", "wrong-password-1").await.status.as_u16() }
        })
        .await;
        let tried = replies.iter().filter(|status| **status == 401).count();
        assert!(tried <= 50, "{tried} guesses were checked");
        assert_eq!(replies.iter().filter(|status| **status == 429).count(), 120 - tried);
        login(&app, "ada@team.example", PASSWORD).await.status(429);
    }

    async fn a_suspended_person_gets_in_again_only_after_restoring(app: TestApp) {
        let cx = app.acme().await;
        let account = app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let before = signed_in(&app, "ada@team.example").await;
        app.identity.suspend_user(&cx, &account.id).await.unwrap();
        login(&app, "ada@team.example", PASSWORD).await.is(401, failure(401, WRONG));
        refresh(&app, &before.user).await.is(401, failure(401, "Unauthorized"));
        app.identity.restore_user(&cx, &account.id).await.unwrap();
        login(&app, "ada@team.example", PASSWORD).await.status(200);
        refresh(&app, &before.user).await.is(401, failure(401, "Unauthorized"));
    }

    async fn an_unverified_person_may_sign_in_without_a_team(app: TestApp) {
        app.acme().await;
        registered(&app, "ada@team.example").await;
        let tokens = signed_in(&app, "ada@team.example").await;
        assert_eq!(claims(&tokens.user)["email_verified"], json!(false));
        assert_eq!(claims(&tokens.vault)["team"], json!(null));
    }

    async fn a_changed_password_opens_and_the_old_one_does_not(app: TestApp) {
        let cx = app.acme().await;
        let account = app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let change = vestibule_identity::ChangePassword { current: PASSWORD.into(), new: OTHER_PASSWORD.into(), keep_session: None };
        app.identity.change_password(&cx, &account.id, change).await.unwrap();
        login(&app, "ada@team.example", PASSWORD).await.is(401, failure(401, WRONG));
        login(&app, "ada@team.example", OTHER_PASSWORD).await.status(200);
    }
}
