//! Keys and headers of the token exchange, and what it answers.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;
use vestibule_crypto::{Jws, VerifyingKey};
use vestibule_identity::CreateApiKey;

use super::{EMAIL, HOST, TOKEN, UID, exchange, exchange_at, person, text, unauthorized};
use crate::app::{START, claims, header, on_both};

on_both! {
    async fn the_first_call_creates_and_later_calls_find(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let first = exchange(&app, &key, EMAIL, UID).await;
        let (id, token) = (text(&first, "userID"), text(&first, "token"));
        first.is(200, json!({"status": "success", "userID": id, "token": token}));
        assert!(id.len() == 20 && id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
        assert_eq!(first.header("content-type"), "application/json");
        assert_eq!(first.header("cache-control"), "no-store");
        app.pass(Duration::from_secs(86_400));
        assert_eq!(text(&exchange(&app, &key, EMAIL, UID).await, "userID"), id);
        let users = app.identity.users(&cx, "", 10).await.unwrap();
        assert_eq!(users.iter().map(|user| (&*user.id, &*user.email, user.email_verified)).collect::<Vec<_>>(), [(&*id, EMAIL, true)]);
        assert_eq!(app.mails().await.len(), 0, "the partner vouches for the address");
    }

    async fn the_token_has_exactly_the_documented_claims(app: TestApp) {
        let cx = app.acme().await;
        let reply = exchange(&app, &app.api_key(&cx).await, EMAIL, UID).await;
        let token = text(&reply, "token");
        let service = claims(&token)["iss"].as_str().unwrap().to_owned();
        assert!(service.contains('@') && service.ends_with("lms.acme.test"), "{service}");
        let expected = json!({
            "aud": "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit",
            "iat": START, "exp": START + 3_600, "iss": service, "sub": service, "uid": text(&reply, "userID"),
        });
        assert_eq!(claims(&token), expected);
        assert_eq!(header(&token)["alg"], "RS256");
    }

    async fn the_token_verifies_with_the_published_key(app: TestApp) {
        let cx = app.acme().await;
        let token = text(&exchange(&app, &app.api_key(&cx).await, EMAIL, UID).await, "token");
        let published = app.get(HOST, "/.well-known/jwks.json", &[]).await;
        let keys = published.status(200).json()["keys"].as_array().unwrap().clone();
        let kid = header(&token)["kid"].as_str().unwrap().to_owned();
        let named: Vec<_> = keys.iter().filter(|key| key["kid"] == *kid).collect();
        assert_eq!(named.len(), 1, "{kid} in {keys:?}");
        let key = VerifyingKey::from_jwk(named[0]).unwrap();
        assert_eq!(Jws::parse(&token).unwrap().verify(&key).unwrap()["sub"], claims(&token)["sub"]);
        for other in keys.iter().filter(|key| key["kid"] != *kid) {
            let other = VerifyingKey::from_jwk(other).unwrap();
            assert!(Jws::parse(&token).unwrap().verify(&other).is_err());
        }
        for (key, private) in keys.iter().flat_map(|key| ["d", "p", "q", "dp", "dq", "qi", "k"].map(|name| (key, name))) {
            assert!(key.get(private).is_none(), "{private} is published: {key}");
        }
    }

    async fn either_header_names_the_key(app: TestApp) {
        let cx = app.acme().await;
        let (key, other) = (app.api_key(&cx).await, app.api_key(&cx).await);
        let (bearer, second) = (format!("Bearer {key}"), format!("Bearer {other}"));
        for (headers, status) in [
            (vec![("authorization", &*bearer)], 200),
            (vec![("authentication", &*bearer)], 200),
            (vec![("authorization", &*bearer), ("authentication", &*bearer)], 200),
            (vec![("authorization", &*format!("bearer {key}"))], 200),
            (vec![("authorization", &*bearer), ("authentication", &*second)], 401),
            (vec![("authorization", &*second), ("authentication", &*bearer)], 401),
            (vec![("authorization", &*bearer), ("authorization", &*second)], 401),
            (vec![("authorization", &*bearer), ("authentication", "Basic eDp5")], 401),
            (vec![("authorization", &*key)], 401),
            (vec![("authorization", &*format!("Basic {key}"))], 401),
            (vec![("authorization", "Bearer")], 401),
            (vec![("authorization", "Bearer ")], 401),
            (vec![("authorization", "")], 401),
            (vec![("x-api-key", &*key)], 401),
            (vec![], 401),
        ] {
            let reply = app.post(HOST, TOKEN, &headers, person()).await;
            assert_eq!(reply.status, status, "{headers:?}: {}", reply.body);
            if status == 401 {
                reply.is(401, unauthorized());
                assert_eq!(reply.header("cache-control"), "no-store");
            }
        }
        let in_query = app.post(HOST, &format!("{TOKEN}?key={key}&authorization=Bearer%20{key}"), &[], person()).await;
        in_query.is(401, unauthorized());
    }

    async fn keys_that_are_none_are_refused_alike(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        let (good, foreign) = (app.api_key(&acme).await, app.api_key(&zeta).await);
        let doomed = app.identity.create_api_key(&acme, CreateApiKey { name: "old".into(), ..CreateApiKey::default() }).await.unwrap();
        let doomed_key = doomed.key.expose_secret().to_owned();
        assert_eq!(exchange(&app, &doomed_key, EMAIL, UID).await.status, 200);
        app.identity.revoke_api_key(&doomed.id).await.unwrap();
        let flipped = format!("{}{}", &good[..good.len() - 1], if good.ends_with('A') { 'B' } else { 'A' });
        let cut = &good[..good.len() - 1];
        for key in [&*doomed_key, &foreign, &flipped, cut, "x", "null", "' OR 1=1 --", &"k".repeat(4_000)] {
            exchange(&app, key, EMAIL, UID).await.is(401, unauthorized());
        }
        exchange_at(&app, "lms.zeta.test", &good, person()).await.is(401, unauthorized());
        assert_eq!(app.identity.users(&zeta, "", 10).await.unwrap(), []);
        assert_eq!(exchange(&app, &good, EMAIL, UID).await.status, 200);
        assert_eq!(exchange_at(&app, "lms.zeta.test", &foreign, person()).await.status, 200);
    }

    async fn an_expired_key_says_so(app: TestApp) {
        let cx = app.acme().await;
        let new = CreateApiKey { name: "short".into(), expires_in: Some(Duration::from_secs(3_600)), test: false };
        let key = app.identity.create_api_key(&cx, new).await.unwrap().key.expose_secret().to_owned();
        app.pass(Duration::from_secs(3_599));
        assert_eq!(exchange(&app, &key, EMAIL, UID).await.status, 200);
        app.pass(Duration::from_secs(1));
        exchange(&app, &key, EMAIL, UID).await.is(401, json!({"code": 401, "message": "Jwt is expired"}));
        assert_eq!(app.audit("acme").await[0], "api_key.used refused expired_key");
    }

    async fn a_key_in_a_page_is_refused_and_noted(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let bearer = format!("Bearer {key}");
        for origin in ["https://partner.example", "https://lms.acme.test", "null", "http://localhost:3000", ""] {
            let reply = app.post(HOST, TOKEN, &[("authorization", &bearer), ("origin", origin)], person()).await;
            assert_eq!((reply.status.as_u16(), &reply.json()["errorCode"]), (403, &json!("token-03")), "{origin:?}: {}", reply.body);
            assert_eq!(reply.json()["status"], "error");
            assert!(reply.headers.get("access-control-allow-origin").is_none());
        }
        let noted = app.audit("acme").await;
        assert_eq!(noted.iter().filter(|line| *line == "api_key.used refused browser_origin").count(), 5, "{noted:?}");
        assert_eq!(app.identity.users(&cx, "", 10).await.unwrap(), []);
        // A key that is none is not told that the page is the trouble, and fills no log.
        let reply = app.post(HOST, TOKEN, &[("authorization", "Bearer nothing"), ("origin", "https://partner.example")], person()).await;
        reply.is(401, unauthorized());
        assert_eq!(app.audit("acme").await.len(), noted.len());
    }

    async fn only_post_is_answered(app: TestApp) {
        let cx = app.acme().await;
        let bearer = format!("Bearer {}", app.api_key(&cx).await);
        for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PROPFIND"] {
            let headers = [("authorization", &*bearer), ("content-type", "application/json")];
            let reply = app.send(crate::app::build(method, HOST, TOKEN, &headers, person().to_string())).await;
            assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, "POST"), "{method}: {}", reply.body);
            if method != "HEAD" {
                assert_eq!(reply.json()["status"], "error", "{method}: {}", reply.body);
            }
        }
        for path in ["/v1/user/token/", "/v1/user", "/V1/user/token", "/v1/user/token/x", "//v1/user/token"] {
            assert_eq!(app.post(HOST, path, &[("authorization", &bearer)], person()).await.status, 404, "{path}");
        }
        assert_eq!(app.identity.users(&cx, "", 10).await.unwrap(), []);
    }
}
