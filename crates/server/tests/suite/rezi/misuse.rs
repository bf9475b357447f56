//! Credentials in the wrong place: each is good for its own purpose and nowhere else.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{
    EMAIL, HOST, UID, exchange_at, login_token, open, person, refused, text, unauthorized,
};
use crate::app::{claims, header, on_both};

const PASSWORD: &str = "correct horse battery";

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

on_both! {
    async fn another_tenants_token_is_refused_and_stays_good_there(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        let zeta_key = app.api_key(&zeta).await;
        text(&exchange_at(&app, HOST, &app.api_key(&acme).await, person()).await, "token");
        let token = text(&exchange_at(&app, "lms.zeta.test", &zeta_key, person()).await, "token");
        refused(&open(&app, &token, &[]).await, 401, &token);
        refused(&app.get("alias.acme.test", &format!("/login?token={token}"), &[]).await, 401, &token);
        app.pass(Duration::from_secs(600));
        let there = app.get("lms.zeta.test", &format!("/login/?token={token}"), &[]).await;
        assert_eq!((there.status.as_u16(), there.header("location")), (303, "https://app.zeta.test/"));
        let cookie = there.session_cookie().unwrap();
        assert_eq!(app.get(HOST, "/account/v1/session", &[("cookie", &cookie)]).await.status, 401, "nor is its cookie good here");
        assert_eq!(app.get("lms.zeta.test", "/account/v1/session", &[("cookie", &cookie)]).await.status, 200);
    }

    async fn nothing_else_opens_the_door(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let login = json!({"email": EMAIL, "password": PASSWORD});
        let pair = app.post(HOST, "/api/login", &[], login.clone()).await.status(200).json();
        let lms = app.post(HOST, "/authorize/login", &[], login).await.status(200).json();
        let lms = &lms["data"]["response"]["data"];
        let form = [("email", EMAIL), ("password", PASSWORD)];
        let cookie = app.post_form(HOST, "/sign-in", &[("origin", "https://lms.acme.test")], &form).await.session_cookie().unwrap();
        app.post(HOST, "/api/forgot-password", &[], json!({"email": EMAIL})).await.status(200);
        let reset = app.mailed_token(vestibule_identity::MailKind::ResetPassword).await;
        for (name, credential) in [
            ("userToken", pair["userToken"].as_str().unwrap()),
            ("vaultToken", pair["vaultToken"].as_str().unwrap()),
            ("token", lms["token"].as_str().unwrap()),
            ("sessionToken", lms["user"]["sessionToken"].as_str().unwrap()),
            ("refresh-token", lms["refresh-token"].as_str().unwrap()),
            ("cookie", cookie.split('=').nth(1).unwrap()),
            ("key", &key),
            ("reset", &reset),
            ("uid", UID),
        ] {
            assert!(!credential.is_empty(), "{name}");
            refused(&open(&app, credential, &[]).await, 401, credential);
        }
    }

    async fn a_login_token_is_no_api_credential(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        app.person(&cx, EMAIL, PASSWORD, "Admin").await;
        let token = login_token(&app, &key, EMAIL).await;
        let bearer = [("authorization", &*format!("Bearer {token}"))];
        for path in ["/account/v1/session", "/account/v1/profile", "/account/v1/sessions", "/account/v1/teams", "/forward-auth", "/api/refresh"] {
            assert_eq!(app.get(HOST, path, &bearer).await.status, 401, "{path}");
        }
        assert_eq!(app.get(HOST, "/api/resend-email-verification", &bearer).await.status, 401);
        let cookie = format!("__Host-vestibule={token}");
        assert_eq!(app.get(HOST, "/account/v1/session", &[("cookie", &cookie)]).await.status, 401);
        exchange_at(&app, HOST, &token, person()).await.is(401, unauthorized());
        let refresh = app.post(HOST, "/authorize/refresh-token", &[], json!({"refreshToken": token})).await;
        assert_eq!((refresh.status.as_u16(), &refresh.json()["data"]["response"]["error"]["code"]), (401, &json!("1017")), "{}", refresh.body);
        let form = [("token", &*token), ("type", "1"), ("inputData", "{\"enrollmentId\":7}")];
        let lms = app.post_form(HOST, "/site/login-by-jwt-token", &[("origin", "https://partner.example")], &form).await;
        assert_eq!((lms.status.as_u16(), lms.session_cookie()), (401, None), "{}", lms.body);
        let google = app.post(HOST, "/authorize/third-party", &[], json!({"provider": 1, "thirdPartyData": {"token": token}})).await;
        assert!(google.status.is_client_error(), "{}", google.body);
        let reset = app.post(HOST, "/api/reset-password", &bearer, json!({"token": token, "newPassword": "another password"})).await;
        assert_eq!(reset.status, 400, "{}", reset.body);
        app.pass(Duration::from_secs(600));
        assert_eq!(open(&app, &token, &[]).await.status, 303, "none of that used it up");
    }

    async fn forged_tokens_are_refused(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        let token = login_token(&app, &app.api_key(&acme).await, EMAIL).await;
        let theirs = text(&exchange_at(&app, "lms.zeta.test", &app.api_key(&zeta).await, person()).await, "token");
        let victim = app.person(&acme, "victim@example.com", PASSWORD, "Admin").await;
        let parts: Vec<&str> = token.split('.').collect();
        let (head, body, signature) = (header(&token), claims(&token), parts[2]);
        let with = |change: &[(&str, Value)]| {
            let mut head = head.clone();
            for (name, value) in change {
                head[*name] = value.clone();
            }
            encoded(&head)
        };
        let mut other = body.clone();
        other["uid"] = json!(victim.id);
        let flipped = format!("{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]);
        for forged in [
            format!("{}.{}.", with(&[("alg", json!("none"))]), parts[1]),
            format!("{}.{}.{signature}", with(&[("alg", json!("none"))]), parts[1]),
            format!("{}.{}.", with(&[("alg", json!("nOnE"))]), parts[1]),
            format!("{}.{}.{signature}", with(&[("alg", json!(null))]), parts[1]),
            format!("{}.{}.{signature}", with(&[("alg", json!("HS256"))]), parts[1]),
            format!("{}.{}.{signature}", with(&[("alg", json!("RS512"))]), parts[1]),
            format!("{}.{}.{signature}", with(&[("alg", json!("ES256"))]), parts[1]),
            format!("{}.{}.{signature}", with(&[("kid", json!("../../etc/passwd"))]), parts[1]),
            format!("{}.{}.{signature}", with(&[("kid", header(&theirs)["kid"].clone())]), parts[1]),
            format!("{}.{}.{signature}", with(&[("jwk", json!({"kty": "oct", "k": "AA"}))]), parts[1]),
            format!("{}.{}.{signature}", with(&[("jku", json!("http://127.0.0.1:1/jwks"))]), parts[1]),
            format!("{}.{}.{signature}", with(&[("x5u", json!("http://127.0.0.1:1/x"))]), parts[1]),
            format!("{}.{}.{signature}", with(&[("crit", json!(["exp"]))]), parts[1]),
            format!("{}.{}.{signature}", with(&[("typ", json!("at+jwt"))]), parts[1]),
            format!("{}.{}.{signature}", parts[0], encoded(&other)),
            format!("{}.{}.{flipped}", parts[0], parts[1]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}", parts[0], parts[1]),
            format!("{token}."),
            format!("{token}.x"),
            format!("{token}="),
            format!("{}.{}.{}", parts[0], parts[1], theirs.split('.').nth(2).unwrap()),
            format!("{}.{}.{signature}", theirs.split('.').next().unwrap(), parts[1]),
            "..".to_owned(),
            "e30.e30.e30".to_owned(),
            "x".repeat(7_000),
        ] {
            refused(&open(&app, &forged, &[]).await, 401, &forged);
        }
        assert_eq!(app.identity.sessions(&acme, &victim.id).await.unwrap(), []);
        app.pass(Duration::from_secs(600));
        assert_eq!(open(&app, &token, &[]).await.status, 303, "none of that used it up");
    }

    async fn what_a_page_repeats_is_escaped(app: TestApp) {
        app.acme().await;
        for hostile in ["%3Cscript%3Ealert(1)%3C/script%3E", "%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E", "%00", "%ff", "%0d%0aSet-Cookie:x=1", "{{7*7}}"] {
            for path in [format!("/login/?token={hostile}"), format!("/login/?openOnboarding=true&closeOnboardingRedirect={hostile}&utm={hostile}")] {
                let reply = app.get(HOST, &path.replace("{{7*7}}", "%7B%7B7*7%7D%7D"), &[]).await;
                assert!(matches!(reply.status.as_u16(), 200 | 400 | 401), "{path}: {}", reply.status);
                for raw in ["<script>alert", "<img src=x", "onerror=alert(1)>", ">49<", "\"49\""] {
                    assert!(!reply.body.contains(raw), "{path}: {raw}");
                }
                assert!(reply.headers.get("set-cookie").is_none(), "{path}");
            }
        }
    }

    async fn a_rotated_key_still_opens_what_it_signed(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let before = login_token(&app, &key, EMAIL).await;
        app.identity.rotate_signing_keys(&cx, true).await.unwrap();
        let after = login_token(&app, &key, EMAIL).await;
        assert_eq!(open(&app, &before, &[]).await.status, 303);
        assert_eq!(open(&app, &after, &[]).await.status, 303);
        let published = app.get(HOST, "/.well-known/jwks.json", &[]).await.json();
        for token in [&before, &after] {
            let kid = &header(token)["kid"];
            assert!(published["keys"].as_array().unwrap().iter().any(|key| key["kid"] == *kid), "{kid} in {published}");
        }
    }
}
