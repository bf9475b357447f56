//! GET /api/refresh: which tokens it takes. How generations follow each other is in the suite's own `refresh`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use vestibule_crypto::{Algorithm, SigningKey};
use vestibule_identity::MailKind;

use super::{
    HOST, PASSWORD, Tokens, failure, forgot, refresh, registered, sign_up, signed_in, with_bearer,
};
use crate::app::{TestApp, claims, header, on_both};

const HOUR: Duration = Duration::from_secs(3_600);

async fn is_refused(app: &TestApp, token: &str, why: &str) {
    let reply = refresh(app, token).await;
    assert_eq!(
        (reply.status.as_u16(), reply.json()),
        (401, failure(401, "Unauthorized")),
        "{why}"
    );
}

/// A compact JWS of this header and payload.
fn forged(header: &Value, payload: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", encode(header), encode(payload));
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(sign(input.as_bytes())))
}

fn hmac(algorithm: aws_lc_rs::hmac::Algorithm, key: &[u8], input: &[u8]) -> Vec<u8> {
    aws_lc_rs::hmac::sign(&aws_lc_rs::hmac::Key::new(algorithm, key), input)
        .as_ref()
        .to_vec()
}

on_both! {
    async fn either_token_answers_a_new_pair_of_the_same_session(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let mut tokens = signed_in(&app, "ada@team.example").await;
        for turn in 0..4 {
            app.pass(Duration::from_secs(600));
            let next = Tokens::of(&refresh(&app, if turn % 2 == 0 { &tokens.user } else { &tokens.vault }).await);
            assert_eq!((next.session(), next.generation()), (tokens.session(), tokens.generation() + 1));
            let (user, vault) = (claims(&next.user), claims(&next.vault));
            assert_eq!(user["exp"].as_i64().unwrap() - user["iat"].as_i64().unwrap(), 3_600);
            assert_eq!(user["iat"].as_i64().unwrap(), claims(&tokens.user)["iat"].as_i64().unwrap() + 600);
            assert_eq!((&vault["team"], &vault["gen"]), (&claims(&tokens.vault)["team"], &user["gen"]));
            tokens = next;
        }
    }

    async fn an_expired_token_still_refreshes_while_the_session_lives(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        for wait in [HOUR + Duration::from_secs(60), HOUR * 24, HOUR * 24 * 60] {
            let tokens = signed_in(&app, "ada@team.example").await;
            app.pass(wait);
            with_bearer(&app, "/api/resend-email-verification", &tokens.user).await.status(401);
            let next = Tokens::of(&refresh(&app, &tokens.vault).await);
            with_bearer(&app, "/api/resend-email-verification", &next.user).await.status(200);
        }
    }

    async fn changes_of_the_person_are_in_the_new_pair(app: TestApp) {
        let cx = app.acme().await;
        let account = app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let tokens = signed_in(&app, "ada@team.example").await;
        let change = vestibule_identity::ProfileChange { first_name: Some("Augusta".into()), ..Default::default() };
        app.identity.update_profile(&cx, (&account.id, None), change).await.unwrap();
        assert_eq!(claims(&Tokens::of(&refresh(&app, &tokens.user).await).user)["name"], "Augusta G");
    }

    async fn new_signing_keys_sign_nobody_out(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let tokens = signed_in(&app, "ada@team.example").await;
        app.identity.rotate_signing_keys(&app.cx("acme").await, false).await.unwrap();
        app.pass(HOUR * 24 * 30);
        app.identity.rotate_signing_keys(&app.cx("acme").await, false).await.unwrap();
        app.pass(HOUR * 24 * 30);
        let next = Tokens::of(&refresh(&app, &tokens.user).await);
        assert_ne!(header(&next.user)["kid"], header(&tokens.user)["kid"]);
        let keys = app.get(HOST, "/.well-known/jwks.json", &[]).await.json();
        assert!(keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == header(&next.user)["kid"]), "{keys}");
    }

    async fn a_missing_or_malformed_bearer_is_401(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let tokens = signed_in(&app, "ada@team.example").await;
        let good = format!("Bearer {}", tokens.user);
        for headers in [
            vec![],
            vec![("authorization", "Bearer")],
            vec![("authorization", "Bearer ")],
            vec![("authorization", "")],
            vec![("authorization", tokens.user.as_str())],
            vec![("authorization", "Basic eDp5")],
            vec![("authorization", "Bearer a.b")],
            vec![("authorization", "Bearer ...")],
            vec![("authorization", "Bearer a b")],
            vec![("authorization", "Bearer %2e%2e")],
            vec![("authorization", good.as_str()), ("authorization", "Bearer x")],
            vec![("cookie", good.as_str())],
            vec![("x-authorization", good.as_str())],
            vec![("proxy-authorization", good.as_str())],
        ] {
            app.get(HOST, "/api/refresh", &headers).await.is(401, failure(401, "Unauthorized"));
        }
        let dots = format!("Bearer {}", ".".repeat(60_000));
        app.get(HOST, "/api/refresh", &[("authorization", &dots)]).await.is(401, failure(401, "Unauthorized"));
        for query in ["access_token", "token", "userToken", "refreshToken"] {
            app.get(HOST, &format!("/api/refresh?{query}={}", tokens.user), &[]).await.is(401, failure(401, "Unauthorized"));
        }
        app.get(HOST, "/api/refresh", &[("authorization", &good.replace("Bearer ", "bEARER   "))]).await.status(200);
    }

    async fn altered_and_truncated_tokens_are_refused(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let tokens = signed_in(&app, "ada@team.example").await;
        let good = tokens.user.as_str();
        let [head, payload, signature]: [&str; 3] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
        let mut admin = claims(good);
        admin["sub"] = json!("A".repeat(20));
        let changed = URL_SAFE_NO_PAD.encode(admin.to_string());
        let last = signature.chars().last().unwrap();
        // 64 bytes leave four bits of the last character unused: another one there must not pass for the same signature.
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let at = alphabet.find(last).unwrap();
        let unused_bits = format!("{}{}", &good[..good.len() - 1], &alphabet[at + 1..at + 2]);
        for (why, token) in [
            ("cut at the end", good[..good.len() - 1].to_owned()),
            ("cut at the beginning", good[1..].to_owned()),
            ("cut to 80 characters", good[..80].to_owned()),
            ("a character more", format!("{good}A")),
            ("padding", format!("{good}=")),
            ("a dot more", format!("{good}.")),
            ("a part more", format!("{good}.{signature}")),
            ("unused bits of the signature", unused_bits),
            ("no signature", format!("{head}.{payload}.")),
            ("no signature part", format!("{head}.{payload}")),
            ("another payload", format!("{head}.{changed}.{signature}")),
            ("the vault token's payload", format!("{head}.{}.{signature}", tokens.vault.split('.').nth(1).unwrap())),
            ("a signature of zeros", format!("{head}.{payload}.{}", URL_SAFE_NO_PAD.encode([0; 64]))),
            ("the other case", good.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()),
            ("five parts", format!("{head}.{payload}.{signature}.x.y")),
            ("JSON serialisation", format!("{{\"payload\":\"{payload}\",\"protected\":\"{head}\",\"signature\":\"{signature}\"}}")),
            ("standard alphabet", format!("{head}+/.{payload}.{signature}")),
        ] {
            is_refused(&app, &token, why).await;
        }
        refresh(&app, good).await.status(200);
    }

    async fn forged_tokens_are_refused(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let tokens = signed_in(&app, "ada@team.example").await;
        let (head, payload) = (header(&tokens.user), claims(&tokens.user));
        let kid = head["kid"].clone();
        let keys = app.get(HOST, "/.well-known/jwks.json", &[]).await.json();
        let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid).unwrap().clone();
        let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        for alg in ["none", "None", "nOnE", "NONE", ""] {
            is_refused(&app, &forged(&json!({ "alg": alg, "typ": "at+jwt", "kid": kid }), &payload, |_| Vec::new()), alg).await;
        }
        for alg in [json!(null), json!(["ES256"]), json!(7), json!({})] {
            is_refused(&app, &forged(&json!({ "alg": alg, "typ": "at+jwt", "kid": kid }), &payload, |_| vec![0; 64]), "alg is no text").await;
        }
        is_refused(&app, &forged(&json!({ "typ": "at+jwt", "kid": kid }), &payload, |_| vec![0; 64]), "no alg").await;
        let secrets = [point.clone(), point[1..].to_vec(), coordinate("x"), key.to_string().into_bytes(), key["x"].as_str().unwrap().as_bytes().to_vec(), Vec::new(), b"secret".to_vec()];
        for (name, algorithm) in [("HS256", aws_lc_rs::hmac::HMAC_SHA256), ("HS384", aws_lc_rs::hmac::HMAC_SHA384), ("HS512", aws_lc_rs::hmac::HMAC_SHA512)] {
            for secret in &secrets {
                let head = json!({ "alg": name, "typ": "at+jwt", "kid": kid });
                is_refused(&app, &forged(&head, &payload, |input| hmac(algorithm, secret, input)), name).await;
            }
        }
        let own = SigningKey::generate(Algorithm::ES256).unwrap();
        let signed = own.sign("at+jwt", &payload).unwrap();
        is_refused(&app, &signed, "a key nobody knows").await;
        let [_, claims_part, signature]: [&str; 3] = signed.split('.').collect::<Vec<_>>().try_into().unwrap();
        for extra in [
            json!({ "kid": kid }),
            json!({ "kid": kid, "jwk": own.public_jwk() }),
            json!({ "kid": own.kid(), "jwk": own.public_jwk() }),
            json!({ "kid": own.kid(), "jku": "http://127.0.0.1:9/jwks.json" }),
            json!({ "kid": own.kid(), "x5u": "http://127.0.0.1:9/x.pem" }),
            json!({ "kid": "../../../dev/null" }),
            json!({ "kid": "' OR 1=1--" }),
            json!({ "kid": "x".repeat(20_000) }),
            json!({ "kid": null }),
            json!({ "kid": [kid] }),
            json!({ "kid": kid, "crit": ["x"] }),
            json!({ "kid": kid, "b64": false, "crit": ["b64"] }),
        ] {
            let mut head = json!({ "alg": "ES256", "typ": "at+jwt" });
            head.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let token = format!("{}.{claims_part}.{signature}", URL_SAFE_NO_PAD.encode(head.to_string()));
            is_refused(&app, &token, &head.to_string()[..head.to_string().len().min(120)]).await;
        }
        refresh(&app, &tokens.user).await.status(200);
    }

    async fn tokens_of_other_tenants_dialects_and_kinds_are_refused(app: TestApp) {
        let cx = app.acme().await;
        let zeta = app.zeta().await;
        let account = app.person(&cx, "ada@team.example", PASSWORD, "Admin").await;
        app.person(&zeta, "ada@team.example", PASSWORD, "Admin").await;
        let key = app.api_key(&cx).await;
        let here = signed_in(&app, "ada@team.example").await;
        let there = Tokens::of(&app.post("lms.zeta.test", "/api/login", &[], json!({ "email": "ada@team.example", "password": PASSWORD })).await);
        let lms = app.post(HOST, "/authorize/login", &[], json!({ "email": "ada@team.example", "password": PASSWORD })).await.json();
        let lms = &lms["data"]["response"]["data"];
        let text = |name: &str| lms[name].as_str().unwrap_or_else(|| panic!("no {name} in {lms}")).to_owned();
        let partner = json!({ "email": "partner@team.example", "uid": "a-secret-uid" });
        let login_token = app.post(HOST, "/v1/user/token", &[("authorization", &format!("Bearer {key}"))], partner).await.json()["token"].as_str().unwrap().to_owned();
        forgot(&app, "ada@team.example").await.status(200);
        let reset_token = app.mailed_token(MailKind::ResetPassword).await;
        sign_up(&app, HOST, "new@team.example", PASSWORD).await.status(200);
        let verification = app.mailed_token(MailKind::VerifyEmail).await;
        let session = app.identity.sessions(&cx, &account.id).await.unwrap().into_iter().find(|session| session.id == here.session()).unwrap();
        for (why, token) in [
            ("another tenant's person", there.user.clone()),
            ("another tenant's vault", there.vault.clone()),
            ("the LMS's access token", text("token")),
            ("the LMS's session token", lms["user"]["sessionToken"].as_str().unwrap().to_owned()),
            ("the LMS's refresh token", text("refresh-token")),
            ("a login token", login_token),
            ("a reset token", reset_token),
            ("a verification token", verification),
            ("an API key", key.clone()),
            ("the session's cookie", app.identity.cookie_value(&cx.tenant, &session).expose_secret().to_owned()),
            ("the session's own bearer", app.identity.session_token(&cx.tenant, &session).expose_secret().to_owned()),
            ("the session's id", session.id.clone()),
            ("the account's id", account.id.clone()),
        ] {
            is_refused(&app, &token, why).await;
        }
        let answer = app.get("lms.zeta.test", "/api/refresh", &[("authorization", &format!("Bearer {}", here.user))]).await;
        answer.is(401, failure(401, "Unauthorized"));
        let crossed = app.post(HOST, "/authorize/refresh-token", &[], json!({ "refreshToken": here.user })).await;
        assert_eq!(crossed.json()["data"]["response"]["error"]["code"], "1017");
        // None of that ended anybody's session.
        refresh(&app, &here.user).await.status(200);
        app.get("lms.zeta.test", "/api/refresh", &[("authorization", &format!("Bearer {}", there.user))]).await.status(200);
        app.post(HOST, "/authorize/refresh-token", &[], json!({ "refreshToken": text("refresh-token") })).await.status(200);
    }

    async fn a_refreshed_token_of_a_person_without_a_team_has_none(app: TestApp) {
        app.acme().await;
        let tokens = registered(&app, "ada@team.example").await;
        let next = Tokens::of(&refresh(&app, &tokens.vault).await);
        assert_eq!(claims(&next.vault)["team"], Value::Null);
        assert_eq!(claims(&next.user)["email_verified"], json!(false));
    }
}
