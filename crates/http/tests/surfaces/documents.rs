//! Hosts, methods, sizes, documents, files, and the demo.

use http::StatusCode;
use serde_json::json;

use crate::stage::{HOST, Stage};

#[tokio::test]
async fn hosts_methods_and_sizes() {
    let stage = Stage::new().await;
    let with_host = async |host: &str, path: &str| {
        let request = http::Request::builder()
            .uri(path)
            .header("host", host)
            .header("accept", "text/html")
            .body(String::new())
            .unwrap();
        stage.send(request).await
    };
    assert_eq!(with_host(HOST, "/sign-in").await.status, StatusCode::OK);
    assert_eq!(
        with_host("evil.test", "/sign-in").await.status,
        StatusCode::MISDIRECTED_REQUEST
    );
    assert_eq!(
        with_host("evil.test", "/nothing").await.status,
        StatusCode::MISDIRECTED_REQUEST
    );
    assert_eq!(
        with_host("evil.test", "/health/ready").await.status,
        StatusCode::OK
    );
    assert_eq!(
        with_host("a@b", "/sign-in").await.status,
        StatusCode::BAD_REQUEST
    );
    let doubled = http::Request::builder()
        .uri("/health/live")
        .header("host", HOST)
        .header("host", HOST)
        .body(String::new())
        .unwrap();
    assert_eq!(stage.send(doubled).await.status, StatusCode::BAD_REQUEST);

    let missing = stage.get("/nothing").await;
    assert_eq!(
        (missing.status, missing.header("content-type")),
        (StatusCode::NOT_FOUND, "application/problem+json")
    );
    assert!(
        with_host(HOST, "/nothing")
            .await
            .text()
            .contains("Reference: ")
    );
    let trace = stage
        .send(
            stage
                .request("TRACE", "/sign-in")
                .body(String::new())
                .unwrap(),
        )
        .await;
    assert_eq!(trace.status, StatusCode::METHOD_NOT_ALLOWED);
    let wrong = stage
        .send(
            stage
                .request("DELETE", "/sign-in")
                .body(String::new())
                .unwrap(),
        )
        .await;
    assert_eq!(
        (wrong.status, wrong.header("allow")),
        (StatusCode::METHOD_NOT_ALLOWED, "GET,HEAD,POST")
    );

    let large = stage
        .request("POST", "/api/login")
        .header("content-type", "application/json")
        .body("x".repeat(70_000))
        .unwrap();
    let large = stage.send(large).await;
    assert_eq!(
        (large.status, &large.json()["statusCode"]),
        (StatusCode::PAYLOAD_TOO_LARGE, &json!(413))
    );
}

#[tokio::test]
async fn documents_and_files() {
    let stage = Stage::new().await;
    stage.login_token("grace@example.com").await;
    let keys = stage.get("/.well-known/jwks.json").await;
    assert_eq!(
        (
            keys.header("cache-control"),
            keys.header("access-control-allow-origin")
        ),
        ("public, max-age=300", "*")
    );
    assert!(!keys.json()["keys"].as_array().unwrap().is_empty());
    let discovery = stage.get("/.well-known/openid-configuration").await;
    assert_eq!(discovery.json()["issuer"], "https://lms.acme.test");

    let page = stage.get("/sign-in").await;
    let hrefs: Vec<&str> = page
        .text()
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let sheets: Vec<String> = hrefs
        .iter()
        .map(|href| (*href).to_owned())
        .filter(|href| href.contains("/assets/"))
        .collect();
    assert_eq!(sheets.len(), 2, "{hrefs:?}");
    for sheet in sheets {
        let answer = stage.get(&sheet).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (StatusCode::OK, "text/css; charset=utf-8"),
            "{sheet}"
        );
        assert!(answer.header("cache-control").contains("immutable"));
    }
    assert_eq!(
        stage.get("/assets/0/../templates/frame.html").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        stage.get("/robots.txt").await.text(),
        "User-agent: *\nDisallow: /\n"
    );
    assert_eq!(
        stage.get("/favicon.ico").await.header("content-type"),
        "image/svg+xml"
    );
}

#[tokio::test]
async fn the_demo_page_plays_the_partner() {
    let stage = Stage::demo().await;
    let home = stage.get("/").await;
    assert!(
        home.text().contains("Be the partner")
            && home
                .header("content-security-policy")
                .contains("connect-src 'self'")
    );
    let played = stage
        .form(
            "/demo/partner",
            &[
                ("email", "grace@example.com"),
                ("uid", "u-1"),
                ("close", "/dashboard/x"),
            ],
        )
        .await;
    assert_eq!(played.status, StatusCode::OK);
    assert!(
        played.text().contains("action=\"/login/\"") && played.text().contains("name=\"token\""),
        "{}",
        played.text()
    );
    assert_eq!(stage.get("/dev/inbox").await.status, StatusCode::OK);
    let course = stage.get("/course/1").await;
    assert_eq!(
        (course.status, course.location()),
        (StatusCode::SEE_OTHER, "/sign-in?next=%2Fcourse%2F1")
    );
    let inside = stage.get_as("/course/1", &stage.signed_in().await).await;
    assert!(inside.text().contains("You are in"));
    assert_eq!(stage.get("/nothing").await.status, StatusCode::NOT_FOUND);
    let plain = Stage::new().await;
    assert_eq!(plain.get("/dev/inbox").await.status, StatusCode::NOT_FOUND);
    assert_eq!(plain.get("/").await.location(), "/sign-in");
}
