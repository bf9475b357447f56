//! How each route is asked: everything in order but who asks, as far as one request can be in order for all of them.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use super::principals::Principal;
use crate::alphalearn::HOST;
use crate::app::{TestApp, build};

/// The status, and for a redirect where it leads.
pub async fn ask(app: &TestApp, method: &str, path: &str, who: &Principal) -> String {
    static TURN: AtomicU32 = AtomicU32::new(0);
    let turn = TURN.fetch_add(1, Ordering::SeqCst);
    let token = who.token.as_deref().unwrap_or("none");
    let (kind, body) = body(method, path, token, turn);
    let bearer = who.token.as_ref().map(|token| format!("Bearer {token}"));
    let mut headers = vec![("origin", "https://lms.acme.test")];
    headers.extend(kind.map(|kind| ("content-type", kind)));
    headers.extend(
        who.cookie
            .as_ref()
            .map(|cookie| ("cookie", cookie.as_str())),
    );
    headers.extend(
        bearer
            .as_ref()
            .map(|bearer| ("authorization", bearer.as_str())),
    );
    if path == "/v1/user/token" {
        headers.remove(0);
    }
    let request = build(method, HOST, &address(path, token), &headers, body);
    // Each from an address of its own: what is asked here is who may, not how often.
    let reply = app
        .from((0x0a00_0000 + turn).to_be_bytes())
        .send(request)
        .await;
    let status = reply.status.as_u16();
    assert!(status < 500, "{method} {path}: {}", reply.body);
    // Into the session, or out to the sign-in page: both are 303.
    match (
        status,
        reply.session_cookie().is_some(),
        reply.header("location"),
    ) {
        (303, true, _) => "IN".to_owned(),
        (303, false, to) if to.starts_with("/sign-in?next") || to == "/sign-in" => "OUT".to_owned(),
        (200, true, _) => panic!("{method} {path} sets a session without sending the browser on"),
        _ => status.to_string(),
    }
}

fn address(path: &str, token: &str) -> String {
    match path {
        "/login" | "/login/" => format!("{path}?token={token}"),
        "/account/v1/sessions/{id}" => path.replace("{id}", "AAAAAAAAAAAAAAAAAAAA"),
        "/assets/{hash}/{name}" => "/assets/0/style.css".to_owned(),
        "/api/exist-email/{email}" => path.replace("{email}", "ada@example.com"),
        _ => path.replace("{token}", token),
    }
}

/// Content type and body.
fn body(method: &str, path: &str, token: &str, turn: u32) -> (Option<&'static str>, String) {
    let form = Some("application/x-www-form-urlencoded");
    let email = format!("nobody{turn}@example.com");
    let document = match path.trim_start_matches("/v3") {
        _ if matches!(method, "GET" | "HEAD" | "DELETE") => return (None, String::new()),
        "/account/v1/profile" => json!({"first_name": "Ada"}),
        "/v1/user/token" => json!({"email": email, "uid": "12345678910"}),
        "/api/register" => {
            json!({"email": email, "password": "violet-harbour-42-lanterns", "name": "N"})
        }
        "/api/login" | "/authorize/login" => {
            json!({"email": email, "password": "wrong-wrong-wrong"})
        }
        "/api/forgot-password" | "/api/forgot-passsword" | "/authorize/forgot-password" => {
            json!({"email": email})
        }
        "/api/reset-password" | "/api/reset-passsword" => {
            json!({"token": token, "newPassword": "copper-meadow-77-bridges"})
        }
        "/authorize/reset-password" => {
            json!({"token": token, "password": "copper-meadow-77-bridges"})
        }
        "/authorize/refresh-token" | "/authorize/refreshtoken" => json!({"refreshToken": token}),
        "/authorize/third-party" => json!({"provider": 1, "thirdPartyData": {"token": token}}),
        "/site/login-by-jwt-token" => {
            return (
                form,
                format!("token={token}&type=1&inputData=%7B%22enrollmentId%22%3A1%7D"),
            );
        }
        "/sign-in" => return (form, format!("email={email}&password=wrong-wrong-wrong")),
        "/sign-up" => return (form, format!("email={email}&password=short&name=N")),
        "/forgot-password" => return (form, format!("email={email}")),
        "/forgot-password/sent" => return (form, "code=123456".to_owned()),
        "/reset-password/{token}" | "/invitation/{token}" => {
            return (form, "password=copper-meadow-77-bridges".to_owned());
        }
        "/account/password" => {
            return (
                form,
                "current=wrong-wrong-wrong&new=copper-meadow-77-bridges".to_owned(),
            );
        }
        "/account/keep" => return (form, "answer=keep".to_owned()),
        "/account/v1/export" | "/account/v1/deletion" => json!({}),
        "/account/export" | "/account/delete" => {
            return (form, "password=wrong-wrong-wrong".to_owned());
        }
        "/account/v1/email" => json!({"email": "nobody", "password": "wrong-wrong-wrong"}),
        "/account/email" => return (form, format!("email={email}&password=wrong-wrong-wrong")),
        "/account/sessions" => return (form, "session=AAAAAAAAAAAAAAAAAAAA".to_owned()),
        "/account/profile" | "/onboarding" => {
            return (
                form,
                "first_name=Ada&last_name=L&locale=en&timezone=UTC".to_owned(),
            );
        }
        _ => return (form, String::new()),
    };
    (Some("application/json"), document.to_string())
}
