//! E-mail and password with team tokens, as its clients see it.

pub mod captcha;
mod exist_email;
mod hosts;
mod login;
mod password;
mod refresh;
mod register;
mod requests;
mod resend;
mod verify;

use serde_json::{Value, json};

use crate::app::{Reply, TestApp, claims};

pub(crate) const HOST: &str = "lms.acme.test";
pub(crate) const PASSWORD: &str = "violet-harbour-42-lanterns";
pub(crate) const OTHER_PASSWORD: &str = "copper-meadow-77-bicycles";

/// The pair that every sign-in answers.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) user: String,
    pub(crate) vault: String,
}

impl Tokens {
    /// Reads a 200 answer, which holds both tokens and nothing else.
    #[track_caller]
    pub(crate) fn of(reply: &Reply) -> Tokens {
        reply.status(200);
        let body = reply.json();
        let text = |name: &str| {
            body[name]
                .as_str()
                .unwrap_or_else(|| panic!("no {name} in {body}"))
                .to_owned()
        };
        let tokens = Tokens {
            user: text("userToken"),
            vault: text("vaultToken"),
        };
        assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
        assert_eq!(reply.header("cache-control"), "no-store");
        tokens
    }

    pub(crate) fn session(&self) -> String {
        claims(&self.user)["sid"].as_str().unwrap().to_owned()
    }

    pub(crate) fn generation(&self) -> i64 {
        claims(&self.user)["gen"].as_i64().unwrap()
    }
}

/// `{"statusCode":N,"message":…,"error":"…"}`.
pub(crate) fn failure(status: u16, message: impl Into<Value>) -> Value {
    let reason = match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Payload Too Large",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        other => panic!("no reason for {other}"),
    };
    json!({ "statusCode": status, "message": message.into(), "error": reason })
}

pub(crate) const WRONG: &str = "The e-mail address or the password is wrong";
pub(crate) const SPENT: &str = "The token is not valid or was used already";

pub(crate) async fn sign_up(app: &TestApp, host: &str, email: &str, password: &str) -> Reply {
    app.post(
        host,
        "/api/register",
        &[],
        json!({ "email": email, "password": password, "name": "Ada King" }),
    )
    .await
}

/// Signs up at `acme`; the mail waits.
pub(crate) async fn registered(app: &TestApp, email: &str) -> Tokens {
    Tokens::of(&sign_up(app, HOST, email, PASSWORD).await)
}

pub(crate) async fn login(app: &TestApp, email: &str, password: &str) -> Reply {
    app.post(
        HOST,
        "/api/login",
        &[],
        json!({ "email": email, "password": password }),
    )
    .await
}

/// A sign-in that works.
pub(crate) async fn signed_in(app: &TestApp, email: &str) -> Tokens {
    Tokens::of(&login(app, email, PASSWORD).await)
}

pub(crate) async fn with_bearer(app: &TestApp, path: &str, token: &str) -> Reply {
    app.get(HOST, path, &[("authorization", &format!("Bearer {token}"))])
        .await
}

pub(crate) async fn refresh(app: &TestApp, token: &str) -> Reply {
    with_bearer(app, "/api/refresh", token).await
}

pub(crate) async fn verify(app: &TestApp, token: &str) -> Reply {
    app.get(HOST, &format!("/api/verify-email/{token}"), &[])
        .await
}

pub(crate) async fn forgot(app: &TestApp, email: impl Into<Value>) -> Reply {
    app.post(
        HOST,
        "/api/forgot-passsword",
        &[],
        json!({ "email": email.into() }),
    )
    .await
}

pub(crate) async fn reset(app: &TestApp, token: &str, password: &str) -> Reply {
    app.post(
        HOST,
        "/api/reset-passsword",
        &[],
        json!({ "token": token, "newPassword": password }),
    )
    .await
}

/// Everything of an answer but what names the request and its moment.
pub(crate) fn face(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<(String, String)> = reply
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.retain(|(name, _)| name != "date" && name != "x-request-id");
    headers.sort();
    (reply.status.as_u16(), headers, reply.body.clone())
}
