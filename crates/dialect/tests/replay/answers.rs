//! Which tenant answers, and what is said where none does.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vestibule_dialect::examples::{Given, Received, Request, User};
use vestibule_dialect::{Answer, Dialects};
use vestibule_identity::Kind;

use crate::server::Server;

async fn server(dialect: &str, settings: &str) -> Server {
    let settings: toml::Table = toml::from_str(settings).unwrap();
    let user = User {
        email: "ada@school.example".into(),
        password: Some("violet-harbour-42-lanterns".into()),
        verified: true,
        role: None,
        first_name: String::new(),
        last_name: String::new(),
        tenant: None,
    };
    let given = [
        Given::Settings(settings),
        Given::Tenant("other".into()),
        Given::User(user),
    ];
    Server::start(Dialects::builtin().unwrap(), dialect, &given).await
}

fn request(line: &str, host: &str, body: Option<Value>) -> Request {
    let (method, target) = line.split_once(' ').unwrap();
    let headers = BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]);
    Request {
        method: method.into(),
        target: target.into(),
        host: Some(host.into()),
        headers,
        body: body.map(|body| body.to_string()),
    }
}

fn code(received: &Received) -> String {
    let json: Value = serde_json::from_slice(&received.body).unwrap();
    json.pointer("/data/response/error/code")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn only_tenants_that_mount_the_dialect_answer() {
    let server = server("alphalearn", "").await;
    for (line, host, status) in [
        (
            "GET /api/exist-email/ada@school.example",
            "first.example",
            404,
        ),
        ("POST /api/login", "first.example", 404),
        ("PUT /api/login", "first.example", 404),
        ("POST /v1/user/token", "first.example", 404),
        ("HEAD /login/?token=x", "first.example", 404),
        ("GET /login/?token=x", "first.example", 404),
        (
            "GET /api/exist-email/ada@school.example",
            "nobody.example",
            421,
        ),
        ("POST /api/login", "nobody.example", 421),
        ("GET /api/login", "nobody.example", 421),
        ("GET /login/", "nobody.example", 421),
        ("POST /authorize/refresh-token", "nobody.example", 400),
        ("POST /authorize/third-party", "nobody.example", 421),
        ("POST /authorize/refresh-token", "first.example", 400),
        ("GET /authorize/login", "first.example", 405),
        ("HEAD /authorize/login", "first.example", 405),
        ("GET /nowhere", "first.example", 404),
    ] {
        let (received, _) = server.send(request(line, host, None)).await;
        assert_eq!(received.status, status, "{line} at {host}");
    }
}

#[tokio::test]
async fn a_refresh_token_names_its_tenant_where_the_host_does_not() {
    let server = server("alphalearn", "").await;
    let person = json!({ "email": "ada@school.example", "password": "violet-harbour-42-lanterns", "domain": "first.example" });
    let (received, _) = server
        .send(request(
            "POST /authorize/login",
            "nobody.example",
            Some(person),
        ))
        .await;
    let answer: Value = serde_json::from_slice(&received.body).unwrap();
    let token = answer["data"]["response"]["data"]["refresh-token"].clone();
    let text = token.as_str().unwrap().to_owned();
    for (token, host, status) in [
        (text.clone(), "nobody.example", 200),
        (text.clone(), "first.example", 200),
        (text.clone(), "other.example", 401),
        (text.replacen("_101_", "_102_", 1), "nobody.example", 401),
        (text.replacen("_101_", "_999_", 1), "nobody.example", 401),
        ("vsr_101_x".to_owned(), "nobody.example", 401),
    ] {
        let body = json!({ "refreshToken": token });
        let (received, _) = server
            .send(request("POST /authorize/refresh-token", host, Some(body)))
            .await;
        assert_eq!(received.status, status, "{token} at {host}");
    }
}

#[tokio::test]
async fn a_domain_in_the_request_wins_over_the_host() {
    let server = server("alphalearn", "").await;
    let right = |domain: Value| json!({ "email": "ada@school.example", "password": "violet-harbour-42-lanterns", "domain": domain });
    for (domain, host, status, error) in [
        (json!("first.example"), "other.example", 200, ""),
        (json!("first.example"), "nobody.example", 200, ""),
        (json!(" First.Example "), "nobody.example", 200, ""),
        (json!(""), "first.example", 200, ""),
        (json!(null), "nobody.example", 200, ""),
        (json!("other.example"), "first.example", 401, "1004"),
        (json!("nobody.example"), "first.example", 400, "1006"),
        (json!("nobody.example"), "nobody.example", 400, "1006"),
        (json!(7), "first.example", 400, "1006"),
        (json!(["first.example"]), "first.example", 400, "1006"),
    ] {
        let (received, _) = server
            .send(request(
                "POST /authorize/login",
                host,
                Some(right(domain.clone())),
            ))
            .await;
        assert_eq!(
            (received.status, code(&received).as_str()),
            (status, error),
            "{domain} at {host}"
        );
    }
    // What the request lacks comes before the domain it names wrongly.
    let (received, _) = server
        .send(request(
            "POST /authorize/login",
            "first.example",
            Some(json!({ "domain": "nobody.example" })),
        ))
        .await;
    assert_eq!(code(&received), "1001");
    // At a host of nobody's, a wrong domain is told as such also where the route needs one.
    let forgotten = json!({ "email": "ada@school.example", "domain": "nobody.example" });
    let (received, _) = server
        .send(request(
            "POST /authorize/forgot-password",
            "nobody.example",
            Some(forgotten),
        ))
        .await;
    assert_eq!(code(&received), "1006");
}

#[tokio::test]
async fn a_tenant_may_answer_200_to_everything() {
    let server = server("alphalearn", "dialect.alphalearn.always_200 = true").await;
    let wrong = json!({ "email": "ada@school.example", "password": "wrong" });
    let (received, _) = server
        .send(request(
            "POST /authorize/login",
            "first.example",
            Some(wrong.clone()),
        ))
        .await;
    assert_eq!((received.status, code(&received).as_str()), (200, "1004"));
    let (received, _) = server
        .send(request(
            "POST /authorize/login",
            "other.example",
            Some(wrong),
        ))
        .await;
    assert_eq!((received.status, code(&received).as_str()), (401, "1004"));
    let (received, _) = server
        .send(request("GET /authorize/login", "first.example", None))
        .await;
    assert_eq!(received.status, 405);
}

#[tokio::test]
async fn hostile_requests_are_refused_and_nothing_breaks() {
    let server = server("enclaive", "").await;
    let bodies = [
        "",
        "{",
        "[]",
        "null",
        "7",
        "\"x\"",
        "{\"email\":{}}",
        "{\"email\":[[]],\"password\":{}}",
        "{\"email\":\"a@b.c\",\"email\":\"a@b.c\"}",
        "\u{feff}{}",
    ];
    for line in [
        "POST /api/login",
        "POST /api/register",
        "POST /api/forgot-passsword",
        "POST /api/reset-passsword",
    ] {
        for body in bodies {
            for content_type in [
                "application/json",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
                "multipart/form-data",
                "text/plain",
                "",
            ] {
                let mut request = request(line, "first.example", None);
                request
                    .headers
                    .insert("content-type".into(), content_type.into());
                request.body = Some(body.to_owned());
                let (received, _) = server.send(request).await;
                assert_eq!(
                    received.status,
                    400,
                    "{line} {content_type} {body}: {}",
                    String::from_utf8_lossy(&received.body)
                );
                let json: Value = serde_json::from_slice(&received.body).unwrap();
                assert_eq!(json["statusCode"], 400);
            }
        }
    }
    for line in [
        "GET /api/exist-email/%00",
        "GET /api/exist-email/%ff%fe",
        "GET /api/exist-email/a%0d%0ab@c.d",
        "GET /api/exist-email/a@b.c?x=%ff",
        "GET /api/verify-email/%00",
        "GET /api/verify-email/..",
    ] {
        let (received, _) = server.send(request(line, "first.example", None)).await;
        assert_eq!(received.status, 400, "{line}");
    }
}

#[tokio::test]
async fn a_strange_bearer_makes_nobody_less_than_a_stranger() {
    let server = server("alphalearn", "").await;
    let long = format!("Bearer {}", "x".repeat(20_000));
    for bearer in [
        None,
        Some(long.as_str()),
        Some("Bearer"),
        Some("Bearer a b"),
        Some("Basic eDp5"),
        Some("Bearer vsk_101_x"),
        Some("Bearer not-a-token"),
    ] {
        let body = json!({ "email": "nobody@school.example" });
        let line = "POST /authorize/forgot-password";
        let mut request = request(line, "first.example", Some(body));
        if let Some(bearer) = bearer {
            request
                .headers
                .insert("authorization".into(), bearer.to_owned());
        }
        let (received, _) = server.send(request).await;
        let start = bearer.map(|bearer| &bearer[..bearer.len().min(20)]);
        assert_eq!(received.status, 200, "{start:?}");
    }
}

/// The words of the surface's own refusals are the dialect's; the statuses stay what they are.
#[tokio::test]
async fn refusals_of_the_surface_keep_their_status() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialects");
    let dialects = Dialects::load(Some(&folder), &[]).unwrap();
    for (path, kind, expected) in [
        ("/parcel/door", Kind::BodyTooLarge, 413),
        ("/parcel/door", Kind::BodyTooSlow, 408),
        ("/parcel/door", Kind::RateLimited, 429),
        ("/parcel/door", Kind::Unavailable, 503),
        ("/api/login", Kind::NotFound, 404),
        ("/v1/user/token", Kind::Overloaded, 503),
    ] {
        let Some(Answer::Plain { status, .. }) =
            dialects.refuse(path, None, &vestibule_identity::Error::new(kind))
        else {
            panic!("{path}");
        };
        assert_eq!(status.as_u16(), expected, "{path} {kind:?}");
    }
}
