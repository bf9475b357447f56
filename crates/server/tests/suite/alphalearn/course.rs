//! POST /site/login-by-jwt-token: a form on another site opens a course, the token being the credential.

use std::time::Duration;

use serde_json::json;

use super::{HOST, OTHER, PASSWORD, is_bearer, tokens};
use crate::app::{Reply, TestApp, build, on_both};

const PATH: &str = "/site/login-by-jwt-token";
const COURSE: &str = r#"{ "enrollmentId" : 12555 }"#;
/// What a browser says of a form on a partner's page. Cookies with SameSite=Lax stay at home.
const FROM_ELSEWHERE: [(&str, &str); 4] = [
    ("origin", "https://www.partner.test"),
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
];

async fn open(app: &TestApp, token: &str, kind: &str, input: &str) -> Reply {
    let form = [("token", token), ("inputData", input), ("type", kind)];
    app.post_form(HOST, PATH, &FROM_ELSEWHERE, &form).await
}

/// A readable page, nobody signed in, nothing of the credential in it.
#[track_caller]
fn is_refused(reply: &Reply, status: u16, token: &str, what: &str) {
    assert_eq!(reply.status.as_u16(), status, "{what}: {}", reply.body);
    assert!(
        reply.header("content-type").starts_with("text/html"),
        "{what}: {}",
        reply.header("content-type")
    );
    assert!(reply.headers.get("set-cookie").is_none(), "{what}");
    assert!(reply.headers.get("location").is_none(), "{what}");
    assert!(token.len() < 20 || !reply.body.contains(token), "{what}");
    assert!(reply.body.contains("<html"), "{what}");
}

/// Whom the cookie signs in.
async fn who(app: &TestApp, cookie: &str) -> Option<String> {
    let reply = app
        .get(HOST, "/account/v1/session", &[("cookie", cookie)])
        .await;
    (reply.status.as_u16() == 200).then(|| {
        reply.json()["account"]["email"]
            .as_str()
            .unwrap()
            .to_owned()
    })
}

/// The cookies that a browser sends along after this answer.
fn cookies(reply: &Reply) -> Vec<String> {
    let set = reply
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|value| value.to_str().unwrap());
    set.map(|line| line.split(';').next().unwrap().to_owned())
        .filter(|pair| !pair.ends_with('='))
        .collect()
}

on_both! {
    async fn a_form_on_another_site_opens_the_course(app: TestApp) {
        let cx = app.acme().await;
        for (role, kind, location) in [("Trainee", "2", "/course/12555"), ("Admin", "1", "/admin/enrollments/12555"), ("Manager", "1", "/admin/enrollments/12555")] {
            let email = format!("{role}@example.com");
            app.person(&cx, &email, PASSWORD, role).await;
            let token = tokens(&app, HOST, &email).await.access;
            for path in [PATH, "/v3/site/login-by-jwt-token"] {
                let form = [("token", token.as_str()), ("inputData", COURSE), ("type", kind)];
                let reply = app.post_form(HOST, path, &FROM_ELSEWHERE, &form).await;
                reply.status(303);
                assert_eq!(reply.header("location"), location);
                assert_eq!(reply.header("cache-control"), "no-store");
                assert_eq!(reply.header("referrer-policy"), "no-referrer");
                assert!(!reply.body.contains(&token));
                let cookie = reply.session_cookie().unwrap();
                assert_eq!(who(&app, &cookie).await, Some(email.clone()));
                let line = reply.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).find(|line| line.starts_with(&cookie)).unwrap();
                for attribute in ["; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"] {
                    assert!(line.contains(attribute), "{line}");
                }
            }
        }
    }

    async fn the_enrolment_comes_in_several_dresses(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "trainee@example.com", PASSWORD, "Trainee").await;
        let token = tokens(&app, HOST, "trainee@example.com").await.access;
        for (input, location) in [
            (r#"{"enrollmentId":12555}"#, "/course/12555"),
            (" {\"enrollmentId\" :\n 12555} ", "/course/12555"),
            (r#"[{"enrollmentId":12555}]"#, "/course/12555"),
            (r#"{"enrollmentId":"12555"}"#, "/course/12555"),
            (r#"{"enrollmentId":9007199254740993}"#, "/course/9007199254740993"),
            (r#"{"enrollmentId":0}"#, "/course/0"),
            (r#"{"enrollmentId":1,"other":{"x":[]}}"#, "/course/1"),
        ] {
            let reply = open(&app, &token, "2", input).await;
            assert_eq!((reply.status.as_u16(), reply.header("location")), (303, location), "{input} {}", reply.body);
            assert!(reply.session_cookie().is_some());
        }
        let body = json!({"token": token, "type": 2, "inputData": {"enrollmentId": 7}});
        let reply = app.post(HOST, PATH, &FROM_ELSEWHERE, body).await;
        assert_eq!((reply.status.as_u16(), reply.header("location")), (303, "/course/7"));
    }

    async fn hostile_input_data_is_a_page_and_no_cookie(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "trainee@example.com", PASSWORD, "Trainee").await;
        let token = tokens(&app, HOST, "trainee@example.com").await.access;
        let (deep, long) = (format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)), format!(r#"{{"enrollmentId":{}}}"#, "9".repeat(5_000)));
        for input in [
            "", " ", "nonsense", "{}", "[]", "[[]]", "null", "12555", "\"12555\"", "true", "{", r#"{"enrollmentId"}"#, r#"{"enrollmentId":}"#,
            r#"{"enrollmentId":null}"#, r#"{"enrollmentId":""}"#, r#"{"enrollmentId":true}"#, r#"{"enrollmentId":[1]}"#, r#"{"enrollmentId":{"a":1}}"#,
            r#"{"enrollmentId":1.5}"#, r#"{"enrollmentId":1e400}"#, r#"{"enrollmentId":".."}"#, r#"{"enrollmentId":"../../admin"}"#, r#"{"enrollmentId":"//evil.test"}"#,
            r#"{"enrollmentId":"https://evil.test"}"#, r#"{"enrollmentId":"1/../../x"}"#, r#"{"enrollmentId":"1?x=y"}"#, r##"{"enrollmentId":"1#x"}"##, r#"{"enrollmentId":"1%2f"}"#,
            r#"{"enrollmentId":"1\r\nSet-Cookie: a=b"}"#, r#"{"enrollmentId":"<script>alert(1)</script>"}"#, r#"{"enrollmentId":"1\u0000"}"#, r#"{"enrollmentId":"\ud800"}"#,
            r#"{"enrollmentId":1,"enrollmentId":2}"#, r#"{"enrollmentid":1}"#, r#"{"enrollmentId":1} x"#, r#"[{"enrollmentId":1},{"enrollmentId":2}]"#,
            r#"{'enrollmentId':1}"#, "enrollmentId=1", &deep, &long,
        ] {
            let reply = open(&app, &token, "2", input).await;
            is_refused(&reply, 400, &token, &input[..input.len().min(80)]);
            assert!(!reply.body.contains("<script>alert(1)"));
        }
        let reply = app.post_form(HOST, PATH, &FROM_ELSEWHERE, &[("token", &token), ("type", "2")]).await;
        is_refused(&reply, 400, &token, "no inputData");
    }

    async fn wrong_tokens_roles_and_types_are_pages_and_no_cookie(app: TestApp) {
        let (acme, zeta) = (app.acme().await, app.zeta().await);
        for role in ["Trainee", "Admin", "Manager", "Teacher"] {
            app.person(&acme, &format!("{role}1@example.com"), PASSWORD, role).await;
        }
        for (role, kind) in [("Trainee", "1"), ("Admin", "2"), ("Manager", "2"), ("Teacher", "1"), ("Teacher", "2")] {
            let token = tokens(&app, HOST, &format!("{role}1@example.com")).await.access;
            is_refused(&open(&app, &token, kind, COURSE).await, 403, &token, &format!("{role} by door {kind}"));
        }
        let email = "Trainee1@example.com";
        let stale = tokens(&app, HOST, email).await;
        app.pass(Duration::from_secs(3_700));
        let held = tokens(&app, HOST, email).await;
        app.person(&zeta, email, PASSWORD, "Trainee").await;
        let foreign = tokens(&app, OTHER, email).await;
        let gone = app.person(&acme, "gone@example.com", PASSWORD, "Trainee").await;
        let suspended = tokens(&app, HOST, "gone@example.com").await;
        app.identity.suspend_user(&acme, &gone.id).await.unwrap();
        app.person(&acme, "out@example.com", PASSWORD, "Trainee").await;
        let signed_out = tokens(&app, HOST, "out@example.com").await;
        let out = app.identity.user(&acme, "out@example.com").await.unwrap();
        app.identity.sign_out_all(&acme, &out.id, None).await.unwrap();
        let enclaive = app.post(HOST, "/api/login", &[], json!({"email": email, "password": PASSWORD})).await.json()["userToken"].as_str().unwrap().to_owned();
        let key = app.api_key(&acme).await;
        let good = &held.access;
        let (body, _) = good.rsplit_once('.').unwrap();
        let mut parts = good.split('.');
        let (first, second, third) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let foreign_payload = foreign.access.split('.').nth(1).unwrap();
        for (what, token) in [
            ("none", String::new()),
            ("blank", "  ".into()),
            ("nonsense", "not-a-token".into()),
            ("another tenant's", foreign.access.clone()),
            ("expired", stale.access),
            ("a suspended person's", suspended.access),
            ("a signed-out session's", signed_out.access),
            ("another dialect's", enclaive),
            ("refresh token", held.refresh.clone()),
            ("session token", held.session.clone()),
            ("private key", key),
            ("no signature", format!("{body}.")),
            ("cut off", body.to_owned()),
            ("another payload", format!("{first}.{foreign_payload}.{third}")),
            ("another header", format!("eyJhbGciOiJub25lIn0.{second}.{third}")),
            ("shortened", good[..good.len() - 4].to_owned()),
            ("too long", "a".repeat(20_000)),
        ] {
            is_refused(&open(&app, &token, "2", COURSE).await, 401, &token, what);
        }
        for kind in ["0", "3", "-1", "12", "", " ", "x", "Trainee", "2.0", "1,2", "null", "[2]"] {
            is_refused(&open(&app, good, kind, COURSE).await, 400, good, kind);
        }
        for form in [vec![("token", good.as_str()), ("inputData", COURSE)], vec![("token", good), ("type", "2"), ("type", "1"), ("inputData", COURSE)], vec![("token", good), ("token", good), ("type", "2"), ("inputData", COURSE)]] {
            is_refused(&app.post_form(HOST, PATH, &FROM_ELSEWHERE, &form).await, 400, good, &format!("{} fields", form.len()));
        }
        let elsewhere = app.post_form(OTHER, PATH, &FROM_ELSEWHERE, &[("token", good), ("type", "2"), ("inputData", COURSE)]).await;
        is_refused(&elsewhere, 401, good, "at another tenant");
        // Nothing above has harmed it.
        open(&app, good, "2", COURSE).await.status(303);
        assert!(is_bearer(&app, HOST, good).await);
    }

    async fn only_a_form_that_a_person_sends_counts(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "trainee@example.com", PASSWORD, "Trainee").await;
        let token = tokens(&app, HOST, "trainee@example.com").await.access;
        let query = format!("{PATH}?token={token}&type=2&inputData=%7B%22enrollmentId%22%3A1%7D");
        for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            for path in [PATH, &query] {
                let reply = app.send(build(method, HOST, path, &FROM_ELSEWHERE, "")).await;
                reply.status(405);
                assert_eq!(reply.header("allow"), "POST", "{method}");
                assert!(reply.headers.get("set-cookie").is_none(), "{method}");
            }
        }
        let form = [("token", token.as_str()), ("inputData", COURSE), ("type", "2")];
        for (name, value) in [("sec-fetch-dest", "iframe"), ("sec-fetch-dest", "image"), ("sec-fetch-dest", "empty"), ("sec-fetch-mode", "cors"), ("sec-fetch-mode", "no-cors"), ("sec-purpose", "prefetch")] {
            let mut headers: Vec<_> = FROM_ELSEWHERE.into_iter().filter(|(other, _)| *other != name).collect();
            headers.push((name, value));
            is_refused(&app.post_form(HOST, PATH, &headers, &form).await, 403, &token, value);
        }
        // Old browsers say nothing of all this.
        for headers in [&[][..], &[("origin", "null")], &[("origin", "https://lms.acme.test")]] {
            assert!(app.post_form(HOST, PATH, headers, &form).await.status(303).session_cookie().is_some());
        }
    }

    async fn somebody_else_signed_in_is_asked_first_and_loses_nothing(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "old@example.com", PASSWORD, "Trainee").await;
        app.person(&cx, "new@example.com", PASSWORD, "Trainee").await;
        let (old, new) = (tokens(&app, HOST, "old@example.com").await.access, tokens(&app, HOST, "new@example.com").await.access);
        let own = [("origin", "https://lms.acme.test")];
        for same_site in [false, true] {
            for choice in ["keep", "new"] {
                let held = cookies(open(&app, &old, "2", COURSE).await.status(303));
                let session = held.iter().find(|pair| pair.starts_with("__Host-vestibule=")).unwrap().clone();
                let marker = held.iter().find(|pair| pair.starts_with("__Host-vestibule-present=")).unwrap().clone();
                assert_eq!(held.len(), 2, "session and marker; a token makes no device known");
                // The session cookie stays at home when the form comes from elsewhere; the marker does not.
                let sent = if same_site { format!("{session}; {marker}") } else { marker.clone() };
                let mut headers = FROM_ELSEWHERE.to_vec();
                headers.push(("cookie", &sent));
                let form = [("token", new.as_str()), ("inputData", COURSE), ("type", "2")];
                let asked = app.post_form(HOST, PATH, &headers, &form).await;
                asked.status(303);
                assert_eq!(asked.header("location"), "/sign-in/choose");
                let [waiting] = &cookies(&asked)[..] else { panic!("{:?}", asked.headers) };
                assert!(waiting.starts_with("__Host-vestibule-choice=") && !waiting.contains(&new), "{waiting}");
                let all = format!("{session}; {marker}; {waiting}");
                let page = app.get(HOST, "/sign-in/choose", &[("cookie", &all)]).await;
                assert!(page.status(200).body.contains("old@example.com") && page.body.contains("new@example.com"), "{}", page.body);
                assert!(page.headers.get("set-cookie").is_none());
                assert_eq!(who(&app, &session).await.as_deref(), Some("old@example.com"), "nothing is lost before the answer");
                // The answer must come from our own page.
                app.post_form(HOST, "/sign-in/choose", &[("cookie", &all), FROM_ELSEWHERE[0]], &[("choice", choice)]).await.status(403);
                let answered = app.post_form(HOST, "/sign-in/choose", &[("cookie", &all), own[0]], &[("choice", choice)]).await;
                answered.status(303);
                if choice == "new" {
                    assert_eq!(answered.header("location"), "/course/12555");
                    let now = answered.session_cookie().unwrap();
                    assert_eq!(who(&app, &now).await.as_deref(), Some("new@example.com"));
                    assert_eq!(who(&app, &session).await, None, "the former session has ended");
                } else {
                    assert_eq!(answered.header("location"), "https://app.acme.test/");
                    assert_eq!(answered.session_cookie(), None);
                    assert_eq!(who(&app, &session).await.as_deref(), Some("old@example.com"));
                }
                assert!(answered.headers.get_all("set-cookie").iter().any(|line| line.to_str().unwrap().starts_with("__Host-vestibule-choice=;")));
            }
        }
        // The same person again: no question.
        let session = open(&app, &old, "2", COURSE).await.session_cookie().unwrap();
        let again = app.post_form(HOST, PATH, &[("cookie", &session), FROM_ELSEWHERE[0]], &[("token", &old), ("inputData", COURSE), ("type", "2")]).await;
        assert_eq!((again.status.as_u16(), again.header("location")), (303, "/course/12555"));
        // A dead cookie is nobody.
        let dead = app.post_form(HOST, PATH, &[("cookie", &session), FROM_ELSEWHERE[0]], &[("token", &new), ("inputData", COURSE), ("type", "2")]).await;
        assert_eq!(who(&app, &dead.session_cookie().unwrap_or_default()).await.as_deref(), Some("new@example.com"));
    }
}
