//! The partner dialect: minting tokens, and browsers that bring them.

use serde_json::json;

use crate::app::{TestApp, claims, header, on_both};

const HOST: &str = "lms.acme.test";

on_both! {
    async fn first_call_creates_later_calls_find(app: TestApp) {
        let cx = app.acme().await;
        let key = format!("Bearer {}", app.api_key(&cx).await);
        let body = json!({"email": "user@example.com", "uid": "12345678910"});
        let first = app.post(HOST, "/v1/user/token", &[("authorization", &key)], body.clone()).await;
        first.status(200);
        let answer = first.json();
        assert_eq!(answer["status"], "success");
        let user_id = answer["userID"].as_str().unwrap();
        assert!(user_id.len() == 20 && user_id.bytes().all(|b| b.is_ascii_alphanumeric()), "{user_id}");
        let token = answer["token"].as_str().unwrap();
        let claims = claims(token);
        let mut names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["aud", "exp", "iat", "iss", "sub", "uid"]);
        assert_eq!(header(token)["alg"], "RS256");
        assert_eq!(claims["uid"], user_id);
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3_600);
        assert_eq!(claims["iss"], claims["sub"]);
        assert_eq!(claims["aud"], "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit");
        let again = app.post(HOST, "/v1/user/token", &[("authentication", &key)], body).await;
        assert_eq!(again.json()["userID"], user_id);
    }
}
