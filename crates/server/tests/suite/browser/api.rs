//! `/account/v1`: the signed-in person, by cookie and by bearer token.

use serde_json::{Value, json};

use super::{EMAIL, HOST, ORIGIN, PASSWORD, acme_with_ada, bearer, is_live, sign_in};
use crate::app::{Reply, TestApp, build, on_both};

const PATHS: [&str; 4] = [
    "/account/v1/session",
    "/account/v1/profile",
    "/account/v1/sessions",
    "/account/v1/teams",
];

async fn patch(app: &TestApp, by: &[(&str, &str)], body: &str) -> Reply {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend_from_slice(by);
    app.send(build(
        "PATCH",
        HOST,
        "/account/v1/profile",
        &headers,
        body.to_owned(),
    ))
    .await
}

/// 401 as RFC 9457 and RFC 6750 say.
#[track_caller]
fn unauthorized(reply: &Reply) {
    reply.status(401);
    assert_eq!(
        (
            reply.header("content-type"),
            reply.header("www-authenticate")
        ),
        ("application/problem+json", "Bearer")
    );
    assert_eq!(
        (&reply.json()["status"], &reply.json()["code"]),
        (&json!(401), &json!("unauthorized"))
    );
}

on_both! {
    async fn cookie_and_bearer_see_the_same_person(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let account = app.identity.user(&cx, EMAIL).await.unwrap();
        let pair = app.post(HOST, "/api/login", &[], json!({"email": EMAIL, "password": PASSWORD})).await.json();
        let lms = app.post(HOST, "/authorize/login", &[], json!({"email": EMAIL, "password": PASSWORD})).await.json();
        let lms = &lms["data"]["response"]["data"];
        let of = |token: &Value| format!("Bearer {}", token.as_str().unwrap());
        let expected = json!({
            "id": account.id, "number": account.number, "email": EMAIL, "email_verified": true, "first_name": "Pooja", "last_name": "G",
            "mobile": "", "unique_id": "", "role": "Trainee", "locale": "en-US", "timezone": "Asia/Kolkata", "onboarded": false,
            "created_at": "2026-01-01T00:00:00Z",
        });
        for (header, kind) in [
            (("cookie", sign_in(&app, EMAIL, PASSWORD).await), "browser"),
            (("authorization", bearer(&app, EMAIL, PASSWORD).await), "api"),
            (("authorization", of(&pair["vaultToken"])), "api"),
            (("authorization", of(&lms["token"])), "api"),
            (("authorization", of(&lms["user"]["sessionToken"])), "api"),
        ] {
            let by = [(header.0, &*header.1)];
            let session = app.get(HOST, "/account/v1/session", &by).await;
            let shown = session.status(200).json();
            assert_eq!((&shown["account"], &shown["session"]["kind"], &shown["session"]["current"]), (&expected, &json!(kind), &json!(true)), "{by:?}");
            assert_eq!(shown["tenant"]["slug"], "acme");
            assert_eq!(session.header("cache-control"), "no-store");
            app.get(HOST, "/account/v1/profile", &by).await.is(200, expected.clone());
            let sessions = app.get(HOST, "/account/v1/sessions", &by).await.json();
            let current: Vec<_> = sessions["sessions"].as_array().unwrap().iter().filter(|one| one["current"] == true).collect();
            assert_eq!(current.len(), 1, "{sessions}");
            assert_eq!(current[0]["id"], shown["session"]["id"]);
            let teams = app.get(HOST, "/account/v1/teams", &by).await.json();
            assert_eq!(teams["teams"].as_array().unwrap().len(), 1, "{teams}");
            assert_eq!(teams["teams"][0], shown["team"]);
        }
    }

    async fn nobody_else_gets_in(app: TestApp) {
        acme_with_ada(&app).await;
        let zeta = app.zeta().await;
        app.person(&zeta, EMAIL, PASSWORD, "Admin").await;
        let there = app.post("lms.zeta.test", "/api/login", &[], json!({"email": EMAIL, "password": PASSWORD})).await.json();
        let foreign = format!("Bearer {}", there["userToken"].as_str().unwrap());
        let (cookie, good) = (sign_in(&app, EMAIL, PASSWORD).await, bearer(&app, EMAIL, PASSWORD).await);
        for path in PATHS {
            for by in [
                &[][..],
                &[("cookie", "__Host-vestibule=x")],
                &[("authorization", "Bearer x")],
                &[("authorization", "Bearer ")],
                &[("authorization", "Basic eDp5")],
                &[("authorization", &*foreign)],
                &[("authorization", &*good), ("authorization", &*foreign)],
                &[("cookie", &*cookie), ("authorization", "Bearer x")],
                &[("authentication", &*good)],
                &[("origin", "https://lms.acme.test")],
            ] {
                unauthorized(&app.get(HOST, path, by).await);
            }
        }
        let key = format!("Bearer {}", app.api_key(&app.cx("acme").await).await);
        unauthorized(&app.get(HOST, "/account/v1/session", &[("authorization", &key)]).await);
    }

    async fn tokens_expire(app: TestApp) {
        acme_with_ada(&app).await;
        let token = bearer(&app, EMAIL, PASSWORD).await;
        app.pass(std::time::Duration::from_secs(3_600 + 31));
        unauthorized(&app.get(HOST, "/account/v1/session", &[("authorization", &token)]).await);
    }

    async fn a_person_changes_four_fields_of_the_profile(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let (cookie, token) = (sign_in(&app, EMAIL, PASSWORD).await, bearer(&app, EMAIL, PASSWORD).await);
        for (index, by) in [&[("cookie", &*cookie), ORIGIN][..], &[("authorization", &*token)], &[("authorization", &*token), ("origin", "https://app.acme.test")]].into_iter().enumerate() {
            let name = format!("Ada {index}");
            let reply = patch(&app, by, &json!({"first_name": name, "last_name": "King", "locale": "de", "timezone": "Europe/Berlin"}).to_string()).await;
            let shown = reply.status(200).json();
            assert_eq!((&shown["first_name"], &shown["last_name"], &shown["locale"], &shown["timezone"]), (&json!(name), &json!("King"), &json!("de"), &json!("Europe/Berlin")));
            assert_eq!(app.identity.user(&cx, EMAIL).await.unwrap().first_name, name);
        }
        let one = patch(&app, &[("authorization", &token)], "{\"last_name\":\"\"}").await.json();
        assert_eq!((&one["first_name"], &one["last_name"]), (&json!("Ada 2"), &json!("")));
        let none = patch(&app, &[("authorization", &token)], "{}").await;
        assert_eq!(none.status(200).json(), one);
    }

    async fn nobody_grants_themselves_anything(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let before = app.identity.user(&cx, EMAIL).await.unwrap();
        let (cookie, token) = (sign_in(&app, EMAIL, PASSWORD).await, bearer(&app, EMAIL, PASSWORD).await);
        for (name, value) in [
            ("emailVerified", json!(true)), ("email_verified", json!(false)), ("email", json!("eve@evil.test")), ("role", json!("Admin")), ("roles", json!(["Admin"])),
            ("tenantId", json!("zeta")), ("tenant_id", json!("zeta")), ("companyId", json!(1)), ("id", json!("AAAAAAAAAAAAAAAAAAAA")), ("number", json!(1)),
            ("state", json!("suspended")), ("password", json!("a brand new password")), ("onboarded", json!(true)), ("created_at", json!(0)), ("unique_id", json!("x")),
            ("mobile", json!("1")), ("team", json!({"role": "owner"})), ("__proto__", json!({"role": "Admin"})), ("uid", json!("x")), ("First_Name", json!("Eve")),
        ] {
            for by in [&[("cookie", &*cookie), ORIGIN][..], &[("authorization", &*token)]] {
                for body in [json!({name: value}), json!({name: value, "first_name": "Eve"})] {
                    let reply = patch(&app, by, &body.to_string()).await;
                    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (400, "application/problem+json"), "{body}: {}", reply.body);
                }
            }
        }
        assert_eq!(app.identity.user(&cx, EMAIL).await.unwrap(), before);
    }

    async fn what_cannot_be_read_is_a_problem(app: TestApp) {
        acme_with_ada(&app).await;
        let token = bearer(&app, EMAIL, PASSWORD).await;
        let by = [("authorization", &*token)];
        for body in [
            "", "{", "[]", "null", "1", "\"x\"", "{\"first_name\":1}", "{\"first_name\":[\"x\"]}", "{\"first_name\":\"a\"}x", "{\"first_name\":\"a\",\"first_name\":\"b\"}",
            "{\"first_name\":\"a\\u0000b\"}", "{\"first_name\":\"a\\nb\"}", "{\"locale\":\"not a locale\"}", "{\"timezone\":\"<b>\"}", "{\"first_name\":\"\\ud800\"}",
        ] {
            let reply = patch(&app, &by, body).await;
            assert_eq!((reply.status.as_u16(), reply.header("content-type")), (400, "application/problem+json"), "{body}: {}", reply.body);
            let problem = reply.json();
            assert_eq!(problem["status"], 400);
            assert_eq!(problem["request_id"].as_str(), Some(reply.header("x-request-id")));
        }
        let large = format!("{{\"first_name\":\"{}\"}}", "x".repeat(70_000));
        assert_eq!(patch(&app, &by, &large).await.status, 413);
        let long = format!("{{\"first_name\":\"{}\"}}", "x".repeat(500));
        assert_eq!(patch(&app, &by, &long).await.status, 400);
        let latin = build("PATCH", HOST, "/account/v1/profile", &[("authorization", &*token), ("content-type", "application/json")], b"{\"first_name\":\"\xff\"}".to_vec());
        assert_eq!(app.send(latin).await.status, 400);
    }

    async fn sessions_end_by_id_and_only_ones_own(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        app.person(&cx, "bob@example.com", PASSWORD, "Admin").await;
        let zeta = app.zeta().await;
        app.person(&zeta, EMAIL, PASSWORD, "Trainee").await;
        let there = app.post_form("lms.zeta.test", "/sign-in", &[("origin", "https://lms.zeta.test")], &[("email", EMAIL), ("password", PASSWORD)]).await.session_cookie().unwrap();
        let id_of = async |host: &str, cookie: &str| app.get(host, "/account/v1/session", &[("cookie", cookie)]).await.json()["session"]["id"].as_str().unwrap().to_owned();
        let (ada, bob, token) = (sign_in(&app, EMAIL, PASSWORD).await, sign_in(&app, "bob@example.com", PASSWORD).await, bearer(&app, EMAIL, PASSWORD).await);
        let end = async |id: &str| app.send(build("DELETE", HOST, &format!("/account/v1/sessions/{id}"), &[("authorization", &*token)], "")).await;
        for id in [id_of(HOST, &bob).await, id_of("lms.zeta.test", &there).await, "AAAAAAAAAAAAAAAAAAAA".into(), "x".into(), "%00".into(), "%ff".into(), "others".into()] {
            let reply = end(&id).await;
            assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (404, &json!("not_found")), "{id}: {}", reply.body);
        }
        assert!(is_live(&app, &bob).await && is_live(&app, &ada).await);
        assert_eq!(app.get("lms.zeta.test", "/account/v1/session", &[("cookie", &there)]).await.status, 200);
        let adas = id_of(HOST, &ada).await;
        assert_eq!((end(&adas).await.status.as_u16(), end(&adas).await.status.as_u16()), (204, 404));
        assert!(!is_live(&app, &ada).await);
        let own = app.get(HOST, "/account/v1/session", &[("authorization", &token)]).await.json()["session"]["id"].as_str().unwrap().to_owned();
        assert_eq!(end(&own).await.status, 204);
        assert_eq!(end(&own).await.status, 401, "the token died with its session");
    }

    async fn nobody_sees_anothers_sessions_or_secrets(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        app.person(&cx, "bob@example.com", PASSWORD, "Admin").await;
        sign_in(&app, "bob@example.com", PASSWORD).await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        let shown = app.get(HOST, "/account/v1/sessions", &[("cookie", &cookie)]).await;
        assert_eq!(shown.status(200).json()["sessions"].as_array().unwrap().len(), 1);
        let secret = cookie.rsplit('.').next().unwrap();
        for path in PATHS {
            let shown = app.get(HOST, path, &[("cookie", &cookie)]).await;
            assert!(!shown.body.contains(secret) && !shown.body.contains("argon2") && !shown.body.contains("bob@"), "{path}: {}", shown.body);
        }
    }

    async fn methods_that_are_none_are_refused(app: TestApp) {
        acme_with_ada(&app).await;
        let token = bearer(&app, EMAIL, PASSWORD).await;
        for path in PATHS {
            let reply = app.send(build("POST", HOST, path, &[("authorization", &*token)], "{}")).await;
            assert_eq!((reply.status.as_u16(), &reply.json()["code"]), (405, &json!("method_not_allowed")), "{path}");
            assert!(reply.header("allow").contains("GET"), "{path}: {}", reply.header("allow"));
        }
        for path in ["/account/v1", "/account/v1/", "/account/v1/nothing", "/account/v1/session/", "/account/v1/session;x", "//account/v1/session", "/account/v1/%73ession/x"] {
            assert_eq!(app.get(HOST, path, &[("authorization", &token)]).await.status, 404, "{path}");
        }
    }
}
