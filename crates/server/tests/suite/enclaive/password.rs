//! POST /api/forgot-passsword and /api/reset-passsword, under both spellings.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use vestibule_identity::{ChangePassword, MailKind};

use super::{
    HOST, OTHER_PASSWORD, PASSWORD, SPENT, Tokens, WRONG, face, failure, forgot, login, refresh,
    registered, reset, sign_up, signed_in,
};
use crate::app::{TestApp, at_once, build, claims, on_both};
use crate::hostile::EMAILS;

async fn forgotten(app: &TestApp, email: &str) -> String {
    forgot(app, email).await.is(200, json!({ "status": "ok" }));
    app.mailed_token(MailKind::ResetPassword).await
}

on_both! {
    async fn both_spellings_mail_a_link_to_the_hosted_page(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "Ada@Team.example", PASSWORD, "Trainee").await;
        for (path, email) in [("/api/forgot-passsword", "Ada@Team.example"), ("/api/forgot-password", " ada@team.EXAMPLE ")] {
            app.post(HOST, path, &[], json!({ "email": email })).await.is(200, json!({ "status": "ok" }));
            let mails = app.mails().await;
            assert_eq!((mails.len(), mails[0].kind, mails[0].to.as_str()), (1, MailKind::ResetPassword, "Ada@Team.example"), "to the stored form");
            let link = mails[0].link.as_ref().unwrap().expose_secret().to_owned();
            let page = link.strip_prefix("https://lms.acme.test/reset-password/").unwrap_or_else(|| panic!("{link}"));
            app.get(HOST, &format!("/reset-password/{page}"), &[("accept", "text/html")]).await.status(200);
        }
        login(&app, "ada@team.example", PASSWORD).await.status(200);
    }

    async fn known_and_unknown_are_one_answer_to_the_byte(app: TestApp) {
        let cx = app.acme().await;
        let zeta = app.zeta().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let suspended = app.person(&cx, "sue@team.example", PASSWORD, "Trainee").await;
        app.identity.suspend_user(&cx, &suspended.id).await.unwrap();
        app.person(&zeta, "elsewhere@team.example", PASSWORD, "Trainee").await;
        let known = face(&forgot(&app, "ada@team.example").await);
        assert_eq!((known.0, known.2.as_str()), (200, r#"{"status":"ok"}"#));
        assert_eq!(app.mails().await.len(), 1);
        for email in ["nobody@team.example", "sue@team.example", "elsewhere@team.example", "ada+1@team.example"] {
            assert_eq!(face(&forgot(&app, email).await), known, "{email}");
        }
        assert!(app.mails().await.is_empty());
    }

    async fn a_bearer_is_not_needed_and_gives_no_power(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        app.person(&cx, "boss@team.example", PASSWORD, "Admin").await;
        let key = app.api_key(&cx).await;
        let boss = signed_in(&app, "boss@team.example").await;
        for bearer in ["x", key.as_str(), boss.user.as_str()] {
            let headers = [("authorization", format!("Bearer {bearer}"))];
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let body = json!({ "email": "ada@team.example", "notify": false, "sendEmailNotification": 2, "overrideEmailUrl": "https://evil.test/{token}" });
            app.post(HOST, "/api/forgot-passsword", &headers, body).await.is(200, json!({ "status": "ok" }));
            let link = app.mailed_link(MailKind::ResetPassword).await;
            assert!(link.starts_with("https://lms.acme.test/reset-password/"), "{link}");
        }
    }

    async fn hostile_addresses_are_400_and_mail_nobody(app: TestApp) {
        let cx = app.acme().await;
        for victim in ["v@t.test", "mike@t.test", "kate@t.test", "sam@t.test", "ida@t.test"] {
            app.person(&cx, victim, PASSWORD, "Trainee").await;
        }
        for email in EMAILS.iter() {
            forgot(&app, email.as_str()).await.is(400, failure(400, json!(["email is not a valid e-mail address"])));
        }
        for email in [json!(["v@t.test"]), json!(["v@t.test", "a@evil.test"]), json!({ "$ne": null }), json!(1), json!(true)] {
            forgot(&app, email).await.is(400, failure(400, json!(["email must be a text"])));
        }
        for email in [json!(null), json!(""), json!("  ")] {
            forgot(&app, email).await.is(400, failure(400, json!(["email is missing"])));
        }
        let twice = r#"{"email":"v@t.test","email":"a@evil.test"}"#;
        for (media_type, body) in [
            ("application/json", twice),
            ("application/json", r#"{"email":"a@evil.test","\u0065mail":"v@t.test"}"#),
            ("application/x-www-form-urlencoded", "email=v%40t.test&email=a%40evil.test"),
            ("application/x-www-form-urlencoded", "email=a%40evil.test&%65mail=v%40t.test"),
        ] {
            let reply = app.send(build("POST", HOST, "/api/forgot-passsword", &[("content-type", media_type)], body)).await;
            reply.is(400, failure(400, "The request body could not be read"));
        }
        assert!(app.mails().await.is_empty());
    }

    async fn at_most_five_mails_an_hour_and_the_answer_stays_the_same(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let first = face(&forgot(&app, "ada@team.example").await);
        for _ in 1..12 {
            assert_eq!(face(&forgot(&app, "ada@team.example").await), first);
        }
        assert_eq!(app.mails().await.len(), 5);
        app.pass(Duration::from_secs(3_601));
        assert_eq!(face(&forgot(&app, "ada@team.example").await), first);
        assert_eq!(app.mails().await.len(), 1);
    }

    async fn parallel_requests_do_not_outrun_the_bound(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let statuses = at_once(16, |_| {
            let app = app.clone();
            async move { forgot(&app, "ada@team.example").await.status.as_u16() }
        })
        .await;
        assert_eq!(statuses, [200; 16]);
        assert_eq!(app.mails().await.len(), 5);
    }

    async fn known_and_unknown_are_throttled_at_the_same_count(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let mut faces = Vec::new();
        for email in ["ada@team.example", "nobody@team.example"] {
            for _ in 0..20 {
                forgot(&app, email).await.status(200);
            }
            let refused = forgot(&app, email).await;
            assert_eq!((refused.status.as_u16(), refused.json()["statusCode"].clone()), (429, json!(429)), "{email}");
            assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| (1..=3_601).contains(&seconds)));
            faces.push(face(&refused));
        }
        assert_eq!(faces[0], faces[1]);
    }

    async fn a_reset_changes_the_password_ends_every_session_and_tells_the_owner(app: TestApp) {
        let cx = app.acme().await;
        let account = app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let (one, two) = (signed_in(&app, "ada@team.example").await, signed_in(&app, "ada@team.example").await);
        let lms = app.post(HOST, "/authorize/login", &[], json!({ "email": "ada@team.example", "password": PASSWORD })).await;
        lms.status(200);
        assert_eq!(app.identity.sessions(&cx, &account.id).await.unwrap().len(), 3);
        let token = forgotten(&app, "ada@team.example").await;
        let reply = reset(&app, &token, OTHER_PASSWORD).await;
        reply.is(200, json!({ "status": "ok" }));
        assert!(!reply.headers.contains_key("set-cookie"));
        assert!(app.identity.sessions(&cx, &account.id).await.unwrap().is_empty());
        for old in [&one.user, &one.vault, &two.user] {
            refresh(&app, old).await.is(401, failure(401, "Unauthorized"));
        }
        login(&app, "ada@team.example", PASSWORD).await.is(401, failure(401, WRONG));
        login(&app, "ada@team.example", OTHER_PASSWORD).await.status(200);
        let mails = app.mails().await;
        assert_eq!((mails.len(), mails[0].kind, mails[0].to.as_str()), (1, MailKind::PasswordChanged, "ada@team.example"));
        assert!(mails[0].link.is_none());
        assert!(app.audit("acme").await.contains(&"password.reset done".to_owned()));
    }

    async fn the_token_may_come_as_bearer_and_under_both_spellings(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        for (index, path) in ["/api/reset-passsword", "/api/reset-password"].into_iter().enumerate() {
            let password = format!("{OTHER_PASSWORD}-{index}");
            let token = forgotten(&app, "ada@team.example").await;
            let bearer = format!("Bearer {token}");
            app.post(HOST, path, &[("authorization", &bearer)], json!({ "newPassword": password })).await.is(200, json!({ "status": "ok" }));
            app.mails().await;
            login(&app, "ada@team.example", &password).await.status(200);
            let token = forgotten(&app, "ada@team.example").await;
            app.post(HOST, path, &[], json!({ "token": token, "newPassword": PASSWORD })).await.is(200, json!({ "status": "ok" }));
            app.mails().await;
        }
    }

    async fn only_the_tokens_owner_changes_whatever_else_is_sent(app: TestApp) {
        let cx = app.acme().await;
        let victim = app.person(&cx, "v@team.example", PASSWORD, "Admin").await;
        app.person(&cx, "eve@team.example", PASSWORD, "Trainee").await;
        let session = signed_in(&app, "v@team.example").await;
        let token = forgotten(&app, "eve@team.example").await;
        let body = json!({
            "token": token, "newPassword": OTHER_PASSWORD, "email": "v@team.example", "userId": victim.id, "uid": victim.id, "id": victim.id,
            "user": { "id": victim.id }, "password": "ignored-password-1",
        });
        let bearer = format!("Bearer {}", session.user);
        app.post(HOST, "/api/reset-passsword", &[("authorization", &bearer)], body).await.status(200);
        refresh(&app, &session.user).await.status(200);
        login(&app, "v@team.example", PASSWORD).await.status(200);
        login(&app, "eve@team.example", OTHER_PASSWORD).await.status(200);
    }

    async fn what_is_no_reset_token_is_one_400_and_changes_nothing(app: TestApp) {
        let cx = app.acme().await;
        let zeta = app.zeta().await;
        let tokens = registered(&app, "ada@team.example").await;
        let verification = app.mailed_token(MailKind::VerifyEmail).await;
        app.person(&zeta, "zoe@team.example", PASSWORD, "Trainee").await;
        app.post("lms.zeta.test", "/api/forgot-passsword", &[], json!({ "email": "zoe@team.example" })).await.status(200);
        let foreign = app.mailed_token(MailKind::ResetPassword).await;
        let key = app.api_key(&cx).await;
        let token = forgotten(&app, "ada@team.example").await;
        for wrong in [
            "x", "null", &tokens.user, &tokens.vault, &verification, &foreign, &key, &token[1..], &token[..token.len() - 1], &format!("{token}A"), &format!("{token}="),
            &format!("A{token}"), &token.to_uppercase(), &format!("{token}{token}"), &format!("{token} x"), "{token}", "' OR 1=1--",
        ] {
            reset(&app, wrong, OTHER_PASSWORD).await.is(400, failure(400, SPENT));
            if !wrong.contains(' ') {
                let bearer = format!("Bearer {wrong}");
                let reply = app.post(HOST, "/api/reset-passsword", &[("authorization", &bearer)], json!({ "newPassword": OTHER_PASSWORD })).await;
                reply.is(400, failure(400, SPENT));
            }
        }
        assert!(app.mails().await.is_empty());
        login(&app, "ada@team.example", PASSWORD).await.status(200);
        app.post("lms.zeta.test", "/api/reset-passsword", &[], json!({ "token": token, "newPassword": OTHER_PASSWORD })).await.is(400, failure(400, SPENT));
        reset(&app, &token, OTHER_PASSWORD).await.status(200);
        app.post("lms.zeta.test", "/api/reset-passsword", &[], json!({ "token": foreign, "newPassword": OTHER_PASSWORD })).await.status(200);
    }

    async fn missing_fields_are_listed(app: TestApp) {
        app.acme().await;
        for (body, messages) in [
            (json!({}), json!(["token is missing", "newPassword is missing"])),
            (json!({ "token": "" , "newPassword": "" }), json!(["token is missing", "newPassword is missing"])),
            (json!({ "token": "x" }), json!(["newPassword is missing"])),
            (json!({ "newPassword": OTHER_PASSWORD }), json!(["token is missing"])),
            (json!({ "token": [], "newPassword": 8 }), json!(["token is missing", "newPassword must be a text"])),
        ] {
            for path in ["/api/reset-passsword", "/api/reset-password"] {
                app.post(HOST, path, &[], body.clone()).await.is(400, failure(400, messages.clone()));
            }
        }
    }

    async fn a_token_works_once_and_takes_its_siblings_with_it(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let (first, second) = (forgotten(&app, "ada@team.example").await, forgotten(&app, "ada@team.example").await);
        reset(&app, &second, OTHER_PASSWORD).await.status(200);
        app.mails().await;
        for spent in [&first, &second] {
            reset(&app, spent, "yet-another-password-3").await.is(400, failure(400, SPENT));
            app.get(HOST, &format!("/reset-password/{spent}"), &[("accept", "text/html")]).await.status(400);
        }
        login(&app, "ada@team.example", OTHER_PASSWORD).await.status(200);
        assert!(app.mails().await.is_empty());
    }

    async fn a_token_lives_one_hour(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        for (after, status) in [(3_601, 400), (3_599, 200)] {
            let token = forgotten(&app, "ada@team.example").await;
            app.pass(Duration::from_secs(after));
            reset(&app, &token, OTHER_PASSWORD).await.status(status);
        }
    }

    async fn a_weak_password_does_not_burn_the_token(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let session = signed_in(&app, "ada@team.example").await;
        let token = forgotten(&app, "ada@team.example").await;
        for weak in ["short", "aaaaaaaaaa", "12345678", "Password123", "ada@team.example", "acme learning"] {
            let reply = reset(&app, &token, weak).await;
            reply.status(400);
            assert!(reply.json()["message"].as_array().is_some_and(|list| list.len() == 1), "{}", reply.body);
        }
        refresh(&app, &session.user).await.status(200);
        assert!(app.mails().await.is_empty());
        reset(&app, &token, OTHER_PASSWORD).await.is(200, json!({ "status": "ok" }));
    }

    async fn a_changed_password_or_a_suspension_kills_open_links(app: TestApp) {
        let cx = app.acme().await;
        let account = app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let token = forgotten(&app, "ada@team.example").await;
        let change = ChangePassword { current: PASSWORD.into(), new: OTHER_PASSWORD.into(), keep_session: None };
        app.identity.change_password(&cx, &account.id, change).await.unwrap();
        app.mails().await;
        reset(&app, &token, PASSWORD).await.is(400, failure(400, SPENT));
        let token = forgotten(&app, "ada@team.example").await;
        app.identity.suspend_user(&cx, &account.id).await.unwrap();
        reset(&app, &token, PASSWORD).await.is(400, failure(400, SPENT));
        app.identity.restore_user(&cx, &account.id).await.unwrap();
        reset(&app, &token, PASSWORD).await.is(400, failure(400, SPENT));
        login(&app, "ada@team.example", OTHER_PASSWORD).await.status(200);
    }

    async fn of_sixteen_at_once_exactly_one_wins(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let token = forgotten(&app, "ada@team.example").await;
        let replies = at_once(16, |index| {
            let (app, token) = (app.clone(), token.clone());
            async move { reset(&app, &token, &format!("{OTHER_PASSWORD}-{index}")).await }
        })
        .await;
        let winners: Vec<usize> = (0..16).filter(|index| replies[*index].status == 200).collect();
        assert_eq!(winners.len(), 1, "{:?}", replies.iter().map(|reply| reply.status.as_u16()).collect::<Vec<_>>());
        for (index, reply) in replies.iter().enumerate() {
            if index != winners[0] {
                reply.is(400, failure(400, SPENT));
            }
            let opens = login(&app, "ada@team.example", &format!("{OTHER_PASSWORD}-{index}")).await.status == 200;
            assert_eq!(opens, index == winners[0], "{index}");
        }
        assert_eq!(app.mails().await.len(), 1);
    }

    async fn tenants_do_not_share_people(app: TestApp) {
        let cx = app.acme().await;
        let zeta = app.zeta().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        app.person(&zeta, "ada@team.example", PASSWORD, "Trainee").await;
        let token = forgotten(&app, "ada@team.example").await;
        reset(&app, &token, OTHER_PASSWORD).await.status(200);
        let there = app.post("lms.zeta.test", "/api/login", &[], json!({ "email": "ada@team.example", "password": PASSWORD })).await;
        assert_eq!(claims(&Tokens::of(&there).user)["iss"], Value::from("https://lms.zeta.test"));
        sign_up(&app, "lms.zeta.test", "ada@team.example", PASSWORD).await.status(409);
    }
}
