//! The router on a real core with SQLite: what a browser or a client gets, end to end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stage;

use http::StatusCode;
use serde_json::{Value, json};
use stage::{Answer, HOST, Stage};

#[tokio::test]
async fn signing_in_on_the_hosted_page() {
    let stage = Stage::new().await;
    let page = stage.get("/sign-in?next=%2Faccount").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.text().contains("name=\"next\" value=\"/account\""),
        "{}",
        page.text()
    );

    let wrong = stage
        .form(
            "/sign-in",
            &[("email", "ada@example.com"), ("password", "wrong wrong")],
        )
        .await;
    assert_eq!(
        (wrong.status, wrong.cookie()),
        (StatusCode::UNAUTHORIZED, None)
    );
    assert!(
        wrong.text().contains("value=\"ada@example.com\""),
        "what was typed stays"
    );

    let right = stage
        .form(
            "/sign-in",
            &[
                ("email", "ada@example.com"),
                ("password", stage::PASSWORD),
                ("next", "//evil.test"),
            ],
        )
        .await;
    assert_eq!(
        (right.status, right.location()),
        (StatusCode::SEE_OTHER, "https://lms.acme.test/start")
    );
    let cookie = right.cookie().unwrap();
    assert!(cookie.starts_with("__Host-vestibule="), "{cookie}");

    let account = stage.get_as("/account", &cookie).await;
    assert_eq!(account.status, StatusCode::OK);
    assert!(account.text().contains("ada@example.com"));
    assert_eq!(account.header("cache-control"), "no-store");
    let again = stage.get_as("/sign-in?next=%2Faccount", &cookie).await;
    assert_eq!(
        (again.status, again.location()),
        (StatusCode::SEE_OTHER, "/account")
    );

    let out = stage.form_as("/sign-out", &[], &cookie).await;
    assert_eq!(
        (out.status, out.location()),
        (StatusCode::SEE_OTHER, "/sign-in?notice=signed-out")
    );
    let gone = stage.get_as("/account", &cookie).await;
    assert_eq!(
        (gone.status, gone.location()),
        (StatusCode::SEE_OTHER, "/sign-in?next=%2Faccount")
    );
}

#[tokio::test]
async fn forms_of_other_sites_change_nothing() {
    let stage = Stage::new().await;
    let fields = "email=ada%40example.com&password=correct+horse+battery";
    for (origin, content_type, status) in [
        (
            Some("https://evil.test"),
            "application/x-www-form-urlencoded",
            StatusCode::FORBIDDEN,
        ),
        (
            Some("null"),
            "application/x-www-form-urlencoded",
            StatusCode::FORBIDDEN,
        ),
        (
            None,
            "application/x-www-form-urlencoded",
            StatusCode::FORBIDDEN,
        ),
        (
            Some("https://lms.acme.test"),
            "text/plain",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        (
            Some("https://lms.acme.test"),
            "multipart/form-data; boundary=x",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        (
            Some("https://lms.acme.test"),
            "application/x-www-form-urlencoded",
            StatusCode::SEE_OTHER,
        ),
    ] {
        let mut request = stage
            .request("POST", "/sign-in")
            .header("content-type", content_type);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let answer = stage.send(request.body(fields.into()).unwrap()).await;
        assert_eq!(answer.status, status, "{origin:?} {content_type}");
        assert_eq!(answer.cookie().is_some(), status == StatusCode::SEE_OTHER);
    }
}

#[tokio::test]
async fn a_login_token_opens_onboarding_and_then_the_page_wanted() {
    let stage = Stage::new().await;
    let token = stage.login_token("grace@example.com").await;
    let path = format!(
        "/login/?token={token}&openOnboarding=true&closeOnboardingRedirect=/dashboard/education&utm=x"
    );

    let head = stage
        .send(stage.request("HEAD", &path).body(String::new()).unwrap())
        .await;
    assert_eq!((head.status, head.cookie()), (StatusCode::OK, None));
    for (name, value) in [
        ("sec-fetch-dest", "image"),
        ("sec-fetch-mode", "no-cors"),
        ("sec-purpose", "prefetch"),
    ] {
        let image = stage
            .send(
                stage
                    .request("GET", &path)
                    .header(name, value)
                    .body(String::new())
                    .unwrap(),
            )
            .await;
        assert_eq!(
            (image.status, image.cookie()),
            (StatusCode::FORBIDDEN, None)
        );
    }

    let opened = stage.get(&path).await;
    assert_eq!(
        (opened.status, opened.location()),
        (
            StatusCode::SEE_OTHER,
            "/onboarding?next=%2Fdashboard%2Feducation&utm=x"
        )
    );
    assert_eq!(opened.header("referrer-policy"), "no-referrer");
    let cookie = opened.cookie().unwrap();
    let onboarding = stage.get_as(opened.location(), &cookie).await;
    assert!(
        onboarding
            .text()
            .contains("href=\"/dashboard/education?utm=x\""),
        "{}",
        onboarding.text()
    );
    let saved = stage
        .form_as(
            opened.location(),
            &[
                ("first_name", "Grace"),
                ("last_name", "H"),
                ("locale", "de"),
                ("timezone", "Europe/Berlin"),
            ],
            &cookie,
        )
        .await;
    assert_eq!(
        (saved.status, saved.location()),
        (StatusCode::SEE_OTHER, "/dashboard/education?utm=x")
    );

    stage.wait(61);
    let late = stage.get(&path).await;
    assert_eq!(
        (late.status, late.cookie()),
        (StatusCode::UNAUTHORIZED, None)
    );
    assert!(
        late.text().contains("role=\"alert\"") && !late.text().contains(&token),
        "{}",
        late.text()
    );
    assert!(late.header("content-type").starts_with("text/html"));
    let none = stage.get("/login/").await;
    assert_eq!((none.status, none.cookie()), (StatusCode::OK, None));
}

#[tokio::test]
async fn somebody_else_is_signed_in_and_is_asked_first() {
    let stage = Stage::new().await;
    let ada = stage.signed_in().await;
    let token = stage.login_token("grace@example.com").await;
    let asked = stage.get_as(&format!("/login/?token={token}"), &ada).await;
    assert_eq!(
        (asked.status, asked.location()),
        (StatusCode::SEE_OTHER, "/sign-in/choose")
    );
    let choice = asked.cookie_named("__Host-vestibule-choice").unwrap();
    assert!(!choice.contains(&token));
    let both = format!("{ada}; {choice}");
    let page = stage.get_as("/sign-in/choose", &both).await;
    assert!(
        page.text().contains("ada@example.com") && page.text().contains("grace@example.com"),
        "{}",
        page.text()
    );
    assert_eq!(
        stage.get_as("/account", &ada).await.status,
        StatusCode::OK,
        "nothing is lost by asking"
    );

    let stayed = stage
        .form_as("/sign-in/choose", &[("choice", "stay")], &both)
        .await;
    assert_eq!(
        (stayed.status, stayed.location()),
        (StatusCode::SEE_OTHER, "https://lms.acme.test/start")
    );
    assert_eq!(stage.who(&ada).await, "ada@example.com");

    let became = stage
        .form_as("/sign-in/choose", &[("choice", "new")], &both)
        .await;
    assert_eq!(became.status, StatusCode::SEE_OTHER);
    assert_eq!(
        stage.who(&became.cookie().unwrap()).await,
        "grace@example.com"
    );
    assert_eq!(
        stage.get_as("/account/v1/session", &ada).await.status,
        StatusCode::UNAUTHORIZED,
        "the former session ended"
    );

    stage.wait(601);
    let late = stage.get_as("/sign-in/choose", &both).await;
    assert_eq!(
        (late.status, late.location()),
        (StatusCode::SEE_OTHER, "/sign-in")
    );
}

#[tokio::test]
async fn a_form_of_another_site_opens_the_course() {
    let stage = Stage::new().await;
    let token = stage.access_token().await;
    let fields = |kind: &str| {
        [
            ("token", token.clone()),
            ("type", kind.to_owned()),
            ("inputData", "{ \"enrollmentId\": 12555 }".to_owned()),
        ]
    };
    let post = async |kind: &str, cookie: &str| {
        let body = stage::encode(&fields(kind));
        let request = stage
            .request("POST", "/site/login-by-jwt-token")
            .header("origin", "https://www.partner.test")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", cookie);
        stage.send(request.body(body).unwrap()).await
    };
    let opened = post("2", "a=b").await;
    assert_eq!(
        (opened.status, opened.location()),
        (StatusCode::SEE_OTHER, "/course/12555")
    );
    assert_eq!(
        stage.who(&opened.cookie().unwrap()).await,
        "ada@example.com"
    );
    let wrong = post("1", "a=b").await;
    assert_eq!(
        (wrong.status, wrong.cookie()),
        (StatusCode::FORBIDDEN, None)
    );
    assert!(wrong.header("content-type").starts_with("text/html"));

    // A browser holds the session cookie back from such a form, and brings it to the next page.
    let detour = post("2", "__Host-vestibule-present=1").await;
    assert_eq!(
        (detour.status, detour.location()),
        (StatusCode::SEE_OTHER, "/sign-in/choose")
    );
    assert_eq!(detour.cookie(), None);
    let choice = detour.cookie_named("__Host-vestibule-choice").unwrap();
    let grace = stage
        .get(&format!(
            "/login/?token={}",
            stage.login_token("grace@example.com").await
        ))
        .await
        .cookie()
        .unwrap();
    let page = stage
        .get_as("/sign-in/choose", &format!("{grace}; {choice}"))
        .await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("grace@example.com") && page.text().contains("ada@example.com"));
    let free = stage.get_as("/sign-in/choose", &choice).await;
    assert_eq!(
        (free.status, free.location()),
        (StatusCode::SEE_OTHER, "/course/12555")
    );

    let get = stage.get("/site/login-by-jwt-token").await;
    assert_eq!(get.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn signing_up_confirming_and_resetting() {
    let stage = Stage::new().await;
    let weak = stage
        .form(
            "/sign-up",
            &[
                ("name", "Mary S"),
                ("email", "mary@example.com"),
                ("password", "short"),
            ],
        )
        .await;
    assert_eq!(
        (weak.status, weak.cookie()),
        (StatusCode::BAD_REQUEST, None)
    );
    let new = stage
        .form(
            "/sign-up",
            &[
                ("name", "Mary S"),
                ("email", "mary@example.com"),
                ("password", "sciences connected"),
            ],
        )
        .await;
    assert_eq!(
        (new.status, new.location()),
        (StatusCode::SEE_OTHER, "/verify-email")
    );
    let told = stage.get_as("/verify-email", &new.cookie().unwrap()).await;
    assert!(told.text().contains("mary@example.com"));

    let link = stage.mailed_path().await;
    let shown = stage.get(&link).await;
    assert_eq!((shown.status, shown.cookie()), (StatusCode::OK, None));
    let confirmed = stage.form(&link, &[]).await;
    assert_eq!(
        (confirmed.status, confirmed.location()),
        (StatusCode::SEE_OTHER, "/onboarding")
    );
    let spent = stage.get(&link).await;
    assert_eq!(spent.status, StatusCode::BAD_REQUEST);

    let known = stage
        .form("/forgot-password", &[("email", "mary@example.com")])
        .await;
    let unknown = stage
        .form("/forgot-password", &[("email", "nobody@example.com")])
        .await;
    assert_eq!(
        (known.status, unknown.status),
        (StatusCode::OK, StatusCode::OK)
    );
    assert_eq!(known.text().replace("mary", "nobody"), unknown.text());
    let link = stage.mailed_path().await;
    assert_eq!(stage.get(&link).await.status, StatusCode::OK);
    let reset = stage
        .form(&link, &[("password", "another long phrase")])
        .await;
    assert_eq!(
        (reset.status, reset.location()),
        (StatusCode::SEE_OTHER, "/sign-in?notice=password-reset")
    );
    assert_eq!(
        stage
            .get_as("/account/v1/session", &confirmed.cookie().unwrap())
            .await
            .status,
        StatusCode::UNAUTHORIZED
    );
    let used = stage
        .form(&link, &[("password", "yet another phrase")])
        .await;
    assert_eq!(used.status, StatusCode::BAD_REQUEST);
}

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
