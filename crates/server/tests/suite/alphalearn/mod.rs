//! The LMS dialect: one envelope around every answer, errors by number, every path also under /v3.

mod course;
mod forgot;
mod holders;
mod login;
mod refresh;

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};

pub const HOST: &str = "lms.acme.test";
pub const OTHER: &str = "lms.zeta.test";
/// A Host that is no tenant's.
pub const NOBODY: &str = "api.vendor.test";
pub const PASSWORD: &str = "violet-harbour-42-lanterns";

/// The envelope around good news.
pub fn success(data: Value) -> Value {
    json!({"success": true, "data": {"response": {
        "acknowledgement": "Success",
        "data": data,
        "error": {"code": "", "internal_message": "", "moreInfo": []},
    }}})
}

/// The envelope around bad news.
pub fn failure(code: &str, message: &str) -> Value {
    json!({"success": false, "data": {"response": {
        "acknowledgement": "Failure",
        "data": {},
        "error": {"code": code, "internal_message": message, "moreInfo": []},
    }}})
}

/// What is inside the envelope.
#[track_caller]
pub fn data(reply: &Reply) -> Value {
    reply.status(200).json()["data"]["response"]["data"].clone()
}

/// The number of a refusal, which must be in the envelope to the letter.
#[track_caller]
pub fn code(reply: &Reply) -> String {
    let body = reply.json();
    let error = &body["data"]["response"]["error"];
    let (code, message) = (
        error["code"].as_str().unwrap(),
        error["internal_message"].as_str().unwrap(),
    );
    assert_eq!(body, failure(code, message));
    assert!(!message.is_empty());
    code.to_owned()
}

pub async fn sign_in(app: &TestApp, host: &str, email: &str, password: &str) -> Reply {
    let body = json!({"email": email, "password": password});
    app.post(host, "/authorize/login", &[], body).await
}

/// The three credentials of a sign-in.
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub session: String,
}

/// Signs the person in with `PASSWORD`.
pub async fn tokens(app: &TestApp, host: &str, email: &str) -> Tokens {
    let data = data(&sign_in(app, host, email, PASSWORD).await);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Tokens {
        access: text(&data["token"]),
        refresh: text(&data["refresh-token"]),
        session: text(&data["user"]["sessionToken"]),
    }
}

pub async fn refresh(app: &TestApp, host: &str, token: &str) -> Reply {
    let body = json!({"refreshToken": token});
    app.post(host, "/authorize/refresh-token", &[], body).await
}

/// Whether the native API takes this as a bearer.
pub async fn is_bearer(app: &TestApp, host: &str, token: &str) -> bool {
    let bearer = format!("Bearer {token}");
    let reply = app
        .get(host, "/account/v1/session", &[("authorization", &bearer)])
        .await;
    match reply.status.as_u16() {
        200 => true,
        401 => false,
        other => panic!("{other} {}", reply.body),
    }
}
