//! Hosted pages: signing in, up and out, confirming an address, a forgotten password.

use http::StatusCode;

use crate::stage::{self, Stage};

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
        (StatusCode::SEE_OTHER, "/sign-up/sent")
    );
    let flow = new.cookie_named("__Host-vestibule-flow").unwrap();
    let told = stage.get_as("/sign-up/sent", &flow).await;
    assert!(told.text().contains("mary@example.com"));

    let link = stage.mailed_path().await;
    let shown = stage.get(&link).await;
    assert_eq!((shown.status, shown.cookie()), (StatusCode::OK, None));
    let unasked = stage.form(&link, &[]).await;
    assert_eq!(unasked.status, StatusCode::BAD_REQUEST);
    let confirmed = stage
        .form(&link, &[("password", "sciences connected")])
        .await;
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
    for told in [&known, &unknown] {
        assert_eq!(
            (told.status, told.location()),
            (StatusCode::SEE_OTHER, "/forgot-password/sent")
        );
    }
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
