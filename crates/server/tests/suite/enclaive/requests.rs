//! What holds of every route: bodies, methods, limits, and the answers' headers.

use serde_json::json;

use super::{
    HOST, PASSWORD, SPENT, Tokens, WRONG, failure, forgot, login, refresh, sign_up, verify,
};
use crate::app::{ACME, build, on_both};

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const MULTIPART: (&str, &str) = ("content-type", "multipart/form-data; boundary=frontier");
const POSTS: [&str; 6] = [
    "/api/register",
    "/api/login",
    "/api/forgot-passsword",
    "/api/forgot-password",
    "/api/reset-passsword",
    "/api/reset-password",
];
const GETS: [&str; 4] = [
    "/api/verify-email/x",
    "/api/resend-email-verification",
    "/api/refresh",
    "/api/exist-email/a@b.test",
];

fn parts(fields: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| {
        format!("--frontier\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    fields.iter().map(part).collect::<String>() + "--frontier--\r\n"
}

on_both! {
    async fn bodies_come_as_json_form_or_multipart(app: TestApp) {
        app.acme().await;
        let form = "email=p%2B1%40team.example&password=violet-harbour-42-lanterns&name=Ada+King&unknown=1";
        Tokens::of(&app.send(build("POST", HOST, "/api/register", &[FORM], form)).await);
        let fields = [("email", "p2@team.example"), ("password", PASSWORD), ("name", "Ada Käng"), ("unknown", "x")];
        Tokens::of(&app.send(build("POST", HOST, "/api/register", &[MULTIPART], parts(&fields))).await);
        let unlabelled = json!({ "email": "p3@team.example", "password": PASSWORD, "name": "Ada", "unknown": [{}] }).to_string();
        Tokens::of(&app.send(build("POST", HOST, "/api/register", &[], unlabelled)).await);
        let charset = ("content-type", "application/json; charset=utf-8");
        for (headers, body) in [
            (&[charset][..], json!({ "email": "p+1@team.example", "password": PASSWORD }).to_string()),
            (&[FORM], format!("password={PASSWORD}&email=p2@team.example")),
            (&[MULTIPART], parts(&[("email", "p3@team.example"), ("password", PASSWORD)])),
        ] {
            Tokens::of(&app.send(build("POST", HOST, "/api/login", headers, body)).await);
        }
    }

    async fn unreadable_bodies_are_400_in_the_dialects_shape(app: TestApp) {
        app.acme().await;
        let deep = format!("{{\"email\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
        let unreadable = failure(400, "The request body could not be read");
        let twice = parts(&[("email", "a@b.test"), ("email", "c@d.test")]);
        let cases: Vec<((&str, &str), Vec<u8>)> = vec![
            (JSON, b"{".to_vec()),
            (JSON, b"[]".to_vec()),
            (JSON, b"null".to_vec()),
            (JSON, b"\"email\"".to_vec()),
            (JSON, br#"{"email":"a@b.test"} x"#.to_vec()),
            (JSON, br#"{"email":"a@b.test","email":"c@d.test"}"#.to_vec()),
            (JSON, br#"{"email":"a\u0000@b.test"}"#.to_vec()),
            (JSON, br#"{"x\u0000":1}"#.to_vec()),
            (JSON, b"{\"email\":\"a\0@b.test\"}".to_vec()),
            (JSON, b"{\"email\":\"\xff@b.test\"}".to_vec()),
            (JSON, br#"{"email":"\ud800@b.test"}"#.to_vec()),
            (JSON, b"{\"email\":1e999}".to_vec()),
            (JSON, b"email=a%40b.test".to_vec()),
            (JSON, deep.into_bytes()),
            (FORM, b"email=%ff".to_vec()),
            (FORM, b"email=a%00".to_vec()),
            (FORM, b"email=a%40b.test&email=c%40d.test".to_vec()),
            (MULTIPART, b"--other\r\n".to_vec()),
            (MULTIPART, twice.into_bytes()),
            (("content-type", "multipart/form-data"), b"--x\r\n".to_vec()),
            (("content-type", "text/xml"), b"<email/>".to_vec()),
        ];
        for path in POSTS {
            for (media_type, body) in &cases {
                let reply = app.send(build("POST", HOST, path, &[*media_type], body.clone())).await;
                assert_eq!((reply.status.as_u16(), reply.json()), (400, unreadable.clone()), "{path} {}", String::from_utf8_lossy(&body[..body.len().min(60)]));
            }
        }
        assert!(app.mails().await.is_empty());
    }

    async fn a_body_beyond_64_kib_is_413(app: TestApp) {
        app.acme().await;
        let padded = |length: usize| {
            let start = format!(r#"{{"email":"nobody@team.example","password":"{PASSWORD}","pad":""#);
            let pad = length - start.len() - 2;
            format!("{start}{}\"}}", "x".repeat(pad))
        };
        app.send(build("POST", HOST, "/api/login", &[JSON], padded(64 * 1024))).await.is(401, failure(401, WRONG));
        for path in POSTS {
            let reply = app.send(build("POST", HOST, path, &[JSON], padded(64 * 1024 + 1))).await;
            assert_eq!((reply.status.as_u16(), &reply.json()["statusCode"], &reply.json()["error"]), (413, &json!(413), &json!("Payload Too Large")), "{path}");
        }
        let announced = app.send(build("POST", HOST, "/api/login", &[JSON, ("content-length", "99999999")], "{}")).await;
        announced.status(413);
    }

    async fn other_methods_are_405_and_name_the_right_one(app: TestApp) {
        app.acme().await;
        let gets = GETS.iter().map(|path| (*path, "GET"));
        for (path, allowed) in POSTS.iter().map(|path| (*path, "POST")).chain(gets) {
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"] {
                if method == allowed {
                    continue;
                }
                let reply = app.send(build(method, HOST, path, &[("access-control-request-method", "POST")], String::new())).await;
                assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, allowed), "{method} {path}");
                assert!(!reply.headers.contains_key("access-control-allow-origin"));
                if method != "HEAD" {
                    assert_eq!(reply.json(), failure(405, "Method Not Allowed"), "{method} {path}");
                }
            }
        }
    }

    async fn a_tenant_without_the_dialect_answers_404(app: TestApp) {
        app.apply(&ACME.replace("\"enclaive\", ", "")).await;
        for path in POSTS {
            app.post(HOST, path, &[], json!({ "email": "a@b.test", "password": PASSWORD, "name": "A" })).await.status(404);
        }
        for path in GETS {
            app.get(HOST, path, &[]).await.status(404);
        }
        assert!(app.mails().await.is_empty());
        app.acme().await;
        let tokens = Tokens::of(&sign_up(&app, HOST, "ada@team.example", PASSWORD).await);
        app.apply(&ACME.replace("\"enclaive\", ", "")).await;
        refresh(&app, &tokens.user).await.status(404);
        let session = app.get(HOST, "/account/v1/session", &[("authorization", &format!("Bearer {}", tokens.user))]).await;
        session.status(401);
    }

    async fn neighbours_of_a_path_are_nothing(app: TestApp) {
        app.acme().await;
        for path in ["/api/login/", "/API/login", "/api//login", "/api/login/x", "/v3/api/login", "/api", "/api/", "/api%2flogin", "/api/login;x", "/api/./login", "/api/x/../login"] {
            app.post(HOST, path, &[], json!({ "email": "a@b.test", "password": PASSWORD })).await.status(404);
        }
    }

    async fn a_tenant_may_answer_200_to_everything_with_the_same_bodies(app: TestApp) {
        let file = ACME.replace("\"enclaive\", ", "") + "\n[dialect.enclaive]\nalways_200 = true\n";
        let cx = app.apply(&file).await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        login(&app, "ada@team.example", "wrong-password-1").await.is(200, failure(401, WRONG));
        sign_up(&app, HOST, "ada@team.example", PASSWORD).await.is(200, failure(409, "This e-mail address is already registered"));
        app.post(HOST, "/api/register", &[], json!({})).await.is(200, failure(400, json!(["email is missing", "password is missing", "name is missing"])));
        verify(&app, "x").await.is(200, failure(400, SPENT));
        app.get(HOST, "/api/refresh", &[]).await.is(200, failure(401, "Unauthorized"));
        app.send(build("POST", HOST, "/api/login", &[JSON], "{")).await.is(200, failure(400, "The request body could not be read"));
        Tokens::of(&login(&app, "ada@team.example", PASSWORD).await);
    }

    async fn answers_say_that_they_are_json_and_not_to_be_kept(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        for reply in [
            login(&app, "ada@team.example", PASSWORD).await,
            login(&app, "ada@team.example", "wrong-password-1").await,
            forgot(&app, "ada@team.example").await,
            verify(&app, "x").await,
        ] {
            for (name, value) in [
                ("content-type", "application/json"), ("cache-control", "no-store"), ("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"),
                ("strict-transport-security", "max-age=31536000"),
            ] {
                assert_eq!(reply.header(name), value, "{} {name}", reply.body);
            }
            assert!(!reply.headers.contains_key("set-cookie") && !reply.headers.contains_key("server"), "{:?}", reply.headers);
            assert_eq!(reply.header("www-authenticate"), if reply.status == 401 { "Bearer" } else { "" });
        }
    }
}
