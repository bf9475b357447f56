//! POST /authorize/refresh-token.

use std::time::Duration;

use serde_json::{Value, json};

use super::{HOST, OTHER, PASSWORD, failure, is_bearer, refresh, success, tokens};
use crate::app::{at_once, build, claims, on_both};

const EMAIL: &str = "pooja.g@example.com";
const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);

fn refused() -> Value {
    failure("1017", "Invalid refreshToken")
}

on_both! {
    async fn a_refresh_gives_a_jwt_and_the_refresh_token_stays(app: TestApp) {
        let cx = app.acme().await;
        let person = app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let held = tokens(&app, HOST, EMAIL).await;
        for path in ["/authorize/refresh-token", "/authorize/refreshtoken", "/v3/authorize/refresh-token", "/v3/authorize/refreshtoken"] {
            app.pass(HOUR + Duration::from_secs(60));
            let reply = app.post(HOST, path, &[], json!({"refreshToken": held.refresh})).await;
            let token = reply.json()["data"]["response"]["data"]["token"].clone();
            reply.is(200, success(json!({"status": "ok", "token": token})));
            assert_eq!(reply.header("cache-control"), "no-store");
            let token = token.as_str().unwrap();
            assert!(is_bearer(&app, HOST, token).await, "{path}");
            assert!(!is_bearer(&app, HOST, &held.access).await, "an hour has passed");
            assert_eq!(claims(token)["sub"], person.id);
            assert_eq!(claims(token)["sid"], claims(&held.access)["sid"]);
            assert_eq!(claims(token)["exp"].as_i64().unwrap() - claims(token)["iat"].as_i64().unwrap(), 3_600);
        }
        assert_eq!(app.identity.sessions(&cx, &person.id).await.unwrap().len(), 1);
        app.post_form(HOST, "/authorize/refresh-token", &[], &[("refreshToken", &held.refresh)]).await.status(200);
    }

    async fn many_at_once_all_get_an_answer(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let held = tokens(&app, HOST, EMAIL).await;
        let replies = at_once(16, |_| {
            let (app, token) = (app.clone(), held.refresh.clone());
            async move { refresh(&app, HOST, &token).await.status.as_u16() }
        }).await;
        assert_eq!(replies, [200; 16]);
        refresh(&app, HOST, &held.refresh).await.status(200);
    }

    async fn a_session_in_use_lives_however_short_it_may_idle(app: TestApp) {
        let cx = app.acme_with("[session]\nidle = \"60s\"\n").await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let (refreshed, shown, left) = (tokens(&app, HOST, EMAIL).await, tokens(&app, HOST, EMAIL).await, tokens(&app, HOST, EMAIL).await);
        for turn in 0..20 {
            app.pass(Duration::from_secs(50));
            refresh(&app, HOST, &refreshed.refresh).await.status(200);
            assert!(is_bearer(&app, HOST, &shown.access).await, "{turn}");
        }
        refresh(&app, HOST, &left.refresh).await.is(401, refused());
        app.pass(Duration::from_secs(61));
        refresh(&app, HOST, &refreshed.refresh).await.is(401, refused());
    }

    async fn a_refresh_token_lives_ninety_days_and_no_longer(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let used = tokens(&app, HOST, EMAIL).await;
        let unused = tokens(&app, HOST, EMAIL).await;
        for _ in 0..9 {
            refresh(&app, HOST, &used.refresh).await.status(200);
            app.pass(10 * DAY - Duration::from_secs(1));
        }
        refresh(&app, HOST, &used.refresh).await.status(200);
        refresh(&app, HOST, &unused.refresh).await.status(200);
        app.pass(Duration::from_secs(9));
        for held in [used, unused] {
            refresh(&app, HOST, &held.refresh).await.is(401, refused());
        }
    }

    async fn a_refresh_token_dies_with_its_session(app: TestApp) {
        let cx = app.acme().await;
        let person = app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let (ended, kept) = (tokens(&app, HOST, EMAIL).await, tokens(&app, HOST, EMAIL).await);
        let path = format!("/account/v1/sessions/{}", claims(&ended.access)["sid"].as_str().unwrap());
        let bearer = format!("Bearer {}", kept.access);
        app.send(build("DELETE", HOST, &path, &[("authorization", &bearer)], "")).await.status(204);
        refresh(&app, HOST, &ended.refresh).await.is(401, refused());
        assert!(!is_bearer(&app, HOST, &ended.access).await);
        assert!(!is_bearer(&app, HOST, &ended.session).await);
        refresh(&app, HOST, &kept.refresh).await.status(200);
        app.identity.suspend_user(&cx, &person.id).await.unwrap();
        refresh(&app, HOST, &kept.refresh).await.is(401, refused());
        app.identity.restore_user(&cx, &person.id).await.unwrap();
        let again = tokens(&app, HOST, EMAIL).await;
        app.identity.sign_out_all(&cx, &person.id, None).await.unwrap();
        refresh(&app, HOST, &again.refresh).await.is(401, refused());
        let last = tokens(&app, HOST, EMAIL).await;
        app.identity.delete_user(&cx, &person.id).await.unwrap();
        refresh(&app, HOST, &last.refresh).await.is(401, refused());
    }

    async fn bad_tokens_have_their_numbers_and_harm_nothing(app: TestApp) {
        let cx = app.acme().await;
        let person = app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let held = tokens(&app, HOST, EMAIL).await;
        let missing = failure("1016", "Missing refreshToken");
        for body in [json!({}), json!({"refreshToken": null}), json!({"refreshToken": ""}), json!({"refreshToken": " "}), json!({"refresh_token": held.refresh})] {
            let reply = app.post(HOST, "/authorize/refresh-token", &[], body.clone()).await;
            assert_eq!((reply.status.as_u16(), reply.json()), (400, missing.clone()), "{body}");
        }
        let good = &held.refresh;
        let (name, mac) = good.rsplit_once('.').unwrap();
        let (session, generation) = name.rsplit_once('.').unwrap();
        let first = &mac[..1];
        let flipped = if first == "A" { "B" } else { "A" };
        let mut bad: Vec<Value> = vec![json!(7), json!(true), json!([good]), json!({"token": good}), json!("x".repeat(20_000))];
        for text in [
            "x", "vsr_", "..", "vsr_..",
            &good[..good.len() - 1],
            &good[1..],
            &format!("{good}A"),
            &format!("{good}="),
            &format!("{good}."),
            &format!("{good}.{mac}"),
            &format!("{name}.{flipped}{}", &mac[1..]),
            &format!("{name}.{}", mac.to_ascii_lowercase()),
            &format!("{name}."),
            &format!("{session}.1.{mac}"),
            &format!("{session}.-0.{mac}"),
            &format!("{session}.+{generation}.{mac}"),
            &format!("{session}.0{generation}.{mac}"),
            &format!("{session}.99999999999999999999.{mac}"),
            &good.replacen("vsr_", "vss_", 1),
            &good.to_ascii_uppercase(),
            &format!("Bearer {good}"),
            held.session.as_str(),
            // An access token that renewed itself would never end.
            held.access.as_str(),
        ] {
            bad.push(json!(text));
        }
        for token in bad {
            let reply = app.post(HOST, "/authorize/refresh-token", &[], json!({"refreshToken": token})).await;
            assert_eq!((reply.status.as_u16(), reply.json()), (401, refused()), "{token}");
        }
        refresh(&app, HOST, good).await.status(200);
        assert_eq!(app.identity.sessions(&cx, &person.id).await.unwrap().len(), 1);
    }

    async fn another_tenants_refresh_token_is_1017(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        app.person(&acme, EMAIL, PASSWORD, "Trainee").await;
        app.person(&zeta, EMAIL, PASSWORD, "Trainee").await;
        let held = tokens(&app, HOST, EMAIL).await;
        refresh(&app, OTHER, &held.refresh).await.is(401, refused());
        let body = json!({"refreshToken": held.refresh, "domain": OTHER});
        let reply = app.post(OTHER, "/authorize/refresh-token", &[], body).await;
        reply.is(401, refused());
        refresh(&app, HOST, &held.refresh).await.status(200);
        refresh(&app, "alias.acme.test", &held.refresh).await.status(200);
    }
}
