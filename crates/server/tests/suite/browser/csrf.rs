//! Changes by cookie come from our own pages only, in the one form that a page of another site cannot send unasked.

use vestibule_identity::MailKind;

use super::{
    EMAIL, HOST, ORIGIN, PASSWORD, acme_with_ada, is_live, page, password_works, sign_in, unproven,
};
use crate::app::{Reply, TestApp, build, on_both};

/// Who may have sent it, when it was not us.
const FOREIGN: &[&[(&str, &str)]] = &[
    &[],
    &[("origin", "null")],
    &[("origin", "")],
    &[("origin", "https://evil.test")],
    &[("origin", "https://sub.lms.acme.test")],
    &[("origin", "https://app.acme.test")],
    &[("origin", "https://www.acme.test")],
    &[("origin", "https://acme.test")],
    &[("origin", "https://lms.zeta.test")],
    &[("origin", "https://lms.acme.test.evil.test")],
    &[("origin", "https://lms.acme.test:8443")],
    &[("origin", "http://lms.acme.test")],
    &[("origin", "https://lms.acme.test/")],
    &[("origin", "https://x@lms.acme.test")],
    &[("origin", "lms.acme.test")],
    &[
        ("origin", "https://lms.acme.test"),
        ("origin", "https://evil.test"),
    ],
    &[
        ("origin", "https://evil.test"),
        ("sec-fetch-site", "same-origin"),
    ],
    &[("sec-fetch-site", "cross-site")],
    &[("sec-fetch-site", "same-site")],
    &[("referer", "https://lms.acme.test/account")],
];

/// Every change of the account API, filled so that it would do something.
const API: [(&str, &str, &str); 7] = [
    ("PATCH", "/account/v1/profile", "{\"first_name\":\"Eve\"}"),
    ("DELETE", "/account/v1/sessions/{id}", ""),
    (
        "POST",
        "/account/v1/email",
        "{\"email\":\"eve@evil.test\",\"password\":\"correct horse battery\"}",
    ),
    ("DELETE", "/account/v1/email", ""),
    (
        "POST",
        "/account/v1/export",
        "{\"password\":\"correct horse battery\"}",
    ),
    (
        "POST",
        "/account/v1/deletion",
        "{\"password\":\"correct horse battery\"}",
    ),
    ("DELETE", "/account/v1/deletion", ""),
];

/// Every form of ours, filled so that it would do something.
fn forms(link: &str, reset: &str, session: &str) -> Vec<(String, String)> {
    let forms = [
        (
            "/sign-in",
            "email=ada%40example.com&password=correct+horse+battery",
        ),
        ("/sign-in/choose", "choice=new"),
        (
            "/sign-up",
            "email=new%40example.com&password=correct+horse+battery&name=New",
        ),
        ("/sign-up/sent", "code=123456"),
        ("/sign-out", ""),
        ("/verify-email", "next="),
        (link, ""),
        ("/forgot-password", "email=ada%40example.com"),
        ("/forgot-password/sent", "code=123456"),
        (reset, "password=a+brand+new+password"),
        (
            "/onboarding",
            "first_name=Eve&last_name=Evil&locale=en&timezone=UTC",
        ),
        (
            "/account/profile",
            "first_name=Eve&last_name=Evil&locale=en&timezone=UTC",
        ),
        (
            "/account/password",
            "current=correct+horse+battery&new=a+brand+new+password",
        ),
        (
            "/account/email",
            "email=eve%40evil.test&password=correct+horse+battery",
        ),
        ("/account/email", "cancel=yes"),
        ("/account/email/x", "answer=yes"),
        ("/account/export", "password=correct+horse+battery"),
        ("/account/delete", "password=correct+horse+battery"),
        ("/account/keep", "answer=keep"),
        ("/invitation/x", "password=a+brand+new+password"),
        ("/account/sessions", "session=others"),
        ("/account/sessions", session),
    ];
    forms
        .map(|(path, body)| (path.to_owned(), body.to_owned()))
        .to_vec()
}

struct Scene {
    cookie: String,
    other: String,
    forms: Vec<(String, String)>,
    session: String,
}

impl Scene {
    /// Ada, with two sessions, an unused reset link, and somebody's unused verification link.
    async fn set(app: &TestApp) -> Scene {
        acme_with_ada(app).await;
        unproven(app, "eve@example.com").await;
        let link = app
            .mailed_link(MailKind::VerifyEmail)
            .await
            .replace("https://lms.acme.test", "");
        super::submit(app, "/forgot-password", "", &[("email", EMAIL)])
            .await
            .status(303);
        let reset = app
            .mailed_link(MailKind::ResetPassword)
            .await
            .replace("https://lms.acme.test", "");
        let (cookie, other) = (
            sign_in(app, EMAIL, PASSWORD).await,
            sign_in(app, EMAIL, PASSWORD).await,
        );
        let session = page(app, "/account/v1/session", &other).await.json()["session"]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let forms = forms(&link, &reset, &format!("session={session}"));
        Scene {
            cookie,
            other,
            forms,
            session,
        }
    }

    async fn nothing_happened(&self, app: &TestApp) {
        let cx = app.cx("acme").await;
        assert!(is_live(app, &self.cookie).await && is_live(app, &self.other).await);
        assert!(
            password_works(app, EMAIL, PASSWORD).await
                && !password_works(app, EMAIL, "a brand new password").await
        );
        let ada = app.identity.user(&cx, EMAIL).await.unwrap();
        assert_eq!((&*ada.first_name, ada.onboarded), ("Pooja", false));
        assert!(
            !app.identity
                .user(&cx, "eve@example.com")
                .await
                .unwrap()
                .email_verified
        );
        assert_eq!(app.identity.users(&cx, "", 10).await.unwrap().len(), 2);
        assert_eq!(app.mails().await.len(), 0);
    }
}

async fn send(
    app: &TestApp,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    app.send(build(method, HOST, path, headers, body.to_owned()))
        .await
}

on_both! {
    async fn forms_of_other_sites_change_nothing(app: TestApp) {
        let scene = Scene::set(&app).await;
        for (path, body) in &scene.forms {
            for foreign in FOREIGN {
                let mut headers = vec![("cookie", &*scene.cookie), ("content-type", "application/x-www-form-urlencoded")];
                headers.extend_from_slice(foreign);
                let reply = send(&app, "POST", path, &headers, body).await;
                assert_eq!((reply.status.as_u16(), reply.session_cookie()), (403, None), "{path} {foreign:?}");
            }
        }
        scene.nothing_happened(&app).await;
    }

    async fn every_route_that_takes_a_change_is_tried_here(app: TestApp) {
        let scene = Scene::set(&app).await;
        let tried = |path: &str| {
            let pattern = ["/verify-email/", "/reset-password/", "/account/email/", "/invitation/"].into_iter().find(|start| path.starts_with(start));
            pattern.map_or(path.to_owned(), |start| format!("{start}{{token}}"))
        };
        let mut known: Vec<String> = scene.forms.iter().map(|(path, _)| format!("POST {}", tried(path))).collect();
        known.extend(API.map(|(method, path, _)| format!("{method} {path}")));
        for (_, path) in vestibule_http::routes(false).into_iter().filter(|(_, path)| *path != "/forward-auth") {
            let reply = send(&app, "BREW", path, &[], "").await;
            let changes = reply.header("allow").split(',').map(str::trim).filter(|method| !["GET", "HEAD"].contains(method));
            for method in changes {
                let route = format!("{method} {path}");
                assert!(known.contains(&route), "{route} is not tried with requests of other sites");
            }
        }
    }

    async fn nobody_is_signed_in_by_another_site(app: TestApp) {
        let scene = Scene::set(&app).await;
        for (path, body) in scene.forms.iter().filter(|(path, _)| path.starts_with("/sign-in") || path.starts_with("/sign-up") || path.starts_with("/verify-email/")) {
            for foreign in FOREIGN {
                let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
                headers.extend_from_slice(foreign);
                let reply = send(&app, "POST", path, &headers, body).await;
                assert_eq!((reply.status.as_u16(), reply.headers.get("set-cookie")), (403, None), "{path} {foreign:?}");
            }
        }
        scene.nothing_happened(&app).await;
    }

    async fn forms_are_urlencoded_and_nothing_else(app: TestApp) {
        let scene = Scene::set(&app).await;
        for (path, body) in &scene.forms {
            for content_type in [None, Some("text/plain"), Some("multipart/form-data; boundary=b"), Some("application/json"), Some("text/html"), Some("application/x-www-form-urlencodedx")] {
                let mut headers = vec![("cookie", &*scene.cookie), ORIGIN];
                headers.extend(content_type.map(|value| ("content-type", value)));
                let reply = send(&app, "POST", path, &headers, body).await;
                assert_eq!((reply.status.as_u16(), reply.session_cookie()), (415, None), "{path} {content_type:?}");
            }
        }
        scene.nothing_happened(&app).await;
    }

    async fn the_api_takes_changes_by_cookie_from_our_pages_only(app: TestApp) {
        let scene = Scene::set(&app).await;
        let session = format!("/account/v1/sessions/{}", scene.session);
        let profile = "/account/v1/profile";
        for (method, path, body) in API {
            let path = &*path.replace("{id}", &scene.session);
            for foreign in FOREIGN {
                let mut headers = vec![("cookie", &*scene.cookie), ("content-type", "application/json")];
                headers.extend_from_slice(foreign);
                assert_eq!(send(&app, method, path, &headers, body).await.status, 403, "{method} {foreign:?}");
            }
        }
        for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("multipart/form-data; boundary=b"), Some("application/jsonx")] {
            let mut headers = vec![("cookie", &*scene.cookie), ORIGIN];
            headers.extend(content_type.map(|value| ("content-type", value)));
            let reply = send(&app, "PATCH", profile, &headers, "{\"first_name\":\"Eve\"}").await;
            assert_eq!(reply.status, 415, "{content_type:?}: {}", reply.body);
        }
        scene.nothing_happened(&app).await;
        let ours = [("cookie", &*scene.cookie), ORIGIN, ("content-type", "application/json")];
        assert_eq!(send(&app, "PATCH", profile, &ours, "{\"first_name\":\"Ada\"}").await.status, 200);
        assert_eq!(send(&app, "DELETE", &session, &ours, "").await.status, 204);
        assert!(!is_live(&app, &scene.other).await);
    }

    async fn a_method_in_disguise_is_the_method_it_is(app: TestApp) {
        let scene = Scene::set(&app).await;
        for (name, value) in [("x-http-method-override", "POST"), ("x-http-method", "DELETE"), ("x-method-override", "PATCH")] {
            let headers = [("cookie", &*scene.cookie), (name, value)];
            assert_eq!(send(&app, "GET", "/sign-out", &headers, "").await.status, 405);
            assert_eq!(send(&app, "GET", "/account/v1/profile?_method=PATCH&first_name=Eve", &headers, "").await.status, 200);
        }
        scene.nothing_happened(&app).await;
    }

    async fn no_answer_lets_another_origin_read(app: TestApp) {
        let scene = Scene::set(&app).await;
        for path in ["/account/v1/session", "/account/v1/profile", "/account/v1/sessions", "/account/v1/teams", "/account", "/forward-auth"] {
            for method in ["GET", "OPTIONS"] {
                let headers = [("cookie", &*scene.cookie), ("origin", "https://evil.test"), ("access-control-request-method", "PATCH")];
                let reply = send(&app, method, path, &headers, "").await;
                for name in ["access-control-allow-origin", "access-control-allow-credentials"] {
                    assert!(reply.headers.get(name).is_none(), "{method} {path}: {name}");
                }
            }
        }
    }
}
