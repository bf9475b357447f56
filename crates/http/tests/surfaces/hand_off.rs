//! Browsers that come with a token from elsewhere.

use http::StatusCode;

use crate::stage::{self, Stage};

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
    assert!(
        page.text().contains("you go on to Acme"),
        "staying leads to the app: {}",
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
async fn a_link_opened_in_two_browsers_replaces_the_second_ones_session() {
    let stage = Stage::new().await;
    let path = format!(
        "/login/?token={}",
        stage.login_token("grace@example.com").await
    );
    let grace = stage.get(&path).await.cookie().unwrap();
    let ada = stage.signed_in().await;
    let asked = stage.get_as(&path, &ada).await;
    let choice = asked.cookie_named("__Host-vestibule-choice").unwrap();
    let became = stage
        .form_as(
            "/sign-in/choose",
            &[("choice", "new")],
            &format!("{ada}; {choice}"),
        )
        .await;
    assert_eq!(
        stage.who(&became.cookie().unwrap()).await,
        "grace@example.com"
    );
    assert_eq!(
        stage.get_as("/account/v1/session", &ada).await.status,
        StatusCode::UNAUTHORIZED
    );
    let again = stage.get_as(&path, &grace).await;
    assert_eq!(
        stage.who(&again.cookie().unwrap()).await,
        "grace@example.com"
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
