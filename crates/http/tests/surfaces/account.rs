//! The signed-in person's pages and API, and the question of reverse proxies.

use http::StatusCode;
use serde_json::{Value, json};

use crate::stage::{self, Answer, Stage};

#[tokio::test]
async fn the_account_api_and_forward_auth() {
    let stage = Stage::new().await;
    let nobody = stage.get("/account/v1/session").await;
    assert_eq!(
        (nobody.status, nobody.header("content-type")),
        (StatusCode::UNAUTHORIZED, "application/problem+json")
    );
    let problem: Value = nobody.json();
    assert_eq!(
        (&problem["code"], &problem["status"]),
        (&json!("unauthorized"), &json!(401))
    );
    assert_eq!(problem["request_id"], nobody.header("x-request-id"));

    let cookie = stage.signed_in().await;
    let patch = async |body: &str, origin: &str, content_type: &str| {
        let request = stage
            .request("PATCH", "/account/v1/profile")
            .header("cookie", &cookie)
            .header("origin", origin);
        stage
            .send(
                request
                    .header("content-type", content_type)
                    .body(body.to_owned())
                    .unwrap(),
            )
            .await
    };
    let own = "https://lms.acme.test";
    assert_eq!(
        patch(
            "{\"first_name\":\"A\"}",
            "https://evil.test",
            "application/json"
        )
        .await
        .status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        patch("{\"first_name\":\"A\"}", own, "text/plain")
            .await
            .status,
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
    assert_eq!(
        patch("{\"role\":\"Admin\"}", own, "application/json")
            .await
            .status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        patch("{", own, "application/json").await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        patch(&"x".repeat(70_000), own, "application/json")
            .await
            .status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let changed = patch("{\"first_name\":\"Augusta\"}", own, "application/json").await;
    assert_eq!(
        (changed.status, &changed.json()["first_name"]),
        (StatusCode::OK, &json!("Augusta"))
    );

    let bearer = format!("Bearer {}", stage.access_token().await);
    let sessions = stage
        .send(
            stage
                .request("GET", "/account/v1/sessions")
                .header("authorization", &bearer)
                .body(String::new())
                .unwrap(),
        )
        .await;
    assert_eq!(sessions.json()["sessions"].as_array().unwrap().len(), 2);

    for (path, status) in [
        ("/forward-auth", 200),
        ("/forward-auth?role=Admin,Trainee", 200),
        ("/forward-auth?role=Admin", 403),
    ] {
        let answer = stage
            .send(
                stage
                    .request("PUT", path)
                    .header("authorization", &bearer)
                    .body(String::new())
                    .unwrap(),
            )
            .await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.text(), "");
        if status == 200 {
            let told = ["email", "role", "tenant"]
                .map(|name| answer.header(&format!("x-vestibule-{name}")).to_owned());
            assert_eq!(told, ["ada@example.com", "Trainee", "acme"]);
        }
    }
    let refused: Answer = stage.get("/forward-auth").await;
    assert_eq!(
        (refused.status, refused.text()),
        (StatusCode::UNAUTHORIZED, "")
    );
}

#[tokio::test]
async fn the_account_page_changes_profile_password_and_sessions() {
    let stage = Stage::new().await;
    let (here, elsewhere) = (stage.signed_in().await, stage.signed_in().await);
    let profile = [
        ("first_name", "Augusta"),
        ("last_name", "King"),
        ("locale", "en-GB"),
        ("timezone", "Europe/London"),
    ];
    let saved = stage.form_as("/account/profile", &profile, &here).await;
    assert_eq!(saved.location(), "/account?notice=saved");
    assert!(
        stage
            .get_as("/account", &here)
            .await
            .text()
            .contains("Augusta King")
    );

    let wrong = [("current", "wrong wrong"), ("new", "a new long phrase")];
    let refused = stage.form_as("/account/password", &wrong, &here).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        refused.text().matches("role=\"alert\"").count(),
        1,
        "{}",
        refused.text()
    );
    let right = [("current", stage::PASSWORD), ("new", "a new long phrase")];
    let changed = stage.form_as("/account/password", &right, &here).await;
    assert_eq!(changed.location(), "/account?notice=password-changed");
    let (old, here) = (here, changed.cookie().unwrap());
    assert_eq!(
        stage.get_as("/account/v1/session", &old).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(stage.who(&here).await, "ada@example.com");
    assert_eq!(
        stage.get_as("/account/v1/session", &elsewhere).await.status,
        StatusCode::UNAUTHORIZED
    );

    let again = [
        ("email", "ada@example.com"),
        ("password", "a new long phrase"),
    ];
    let other = stage.form("/sign-in", &again).await.cookie().unwrap();
    let ended = stage
        .form_as("/account/sessions", &[("session", "others")], &here)
        .await;
    assert_eq!(ended.location(), "/account?notice=session-ended");
    assert_eq!(
        stage.get_as("/account/v1/session", &other).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(stage.who(&here).await, "ada@example.com");
}
