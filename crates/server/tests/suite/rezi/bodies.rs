//! What the token exchange reads, and how it refuses what it cannot read.

use serde_json::{Value, json};

use super::{EMAIL, HOST, TOKEN, UID, exchange_at, text};
use crate::app::{Reply, TestApp, build, on_both};
use crate::hostile::EMAILS;

const MISSING: &str = "missing information to connect user";

async fn send(app: &TestApp, key: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
    let bearer = format!("Bearer {key}");
    let mut headers = vec![("authorization", &*bearer)];
    if !content_type.is_empty() {
        headers.push(("content-type", content_type));
    }
    app.send(build("POST", HOST, TOKEN, &headers, body.into()))
        .await
}

/// 400 in the dialect's shape; the message.
#[track_caller]
fn bad_request(reply: &Reply, sent: &str) -> String {
    assert_eq!(reply.status, 400, "{sent}: {}", reply.body);
    let answer = reply.json();
    let message = answer["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        answer,
        json!({"status": "bad request", "message": message}),
        "{sent}"
    );
    assert!(!message.is_empty(), "{sent}");
    message
}

/// A JSON document of exactly `bytes` bytes, filled up with a field nobody reads.
fn padded(bytes: usize) -> String {
    let empty = json!({"email": EMAIL, "uid": UID, "x": ""}).to_string();
    json!({"email": EMAIL, "uid": UID, "x": "x".repeat(bytes - empty.len())}).to_string()
}

on_both! {
    async fn json_forms_and_multipart_are_one(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let json = json!({"email": EMAIL, "uid": UID, "name": "x", "id": 7, "deep": {"a": [null, 1.5e300]}}).to_string();
        let form = "email=user%40example.com&uid=12345678910&more=1&more=2x";
        let form = form.replace("&more=2x", "");
        let multipart = "--b\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\nuser@example.com\r\n\
             --b\r\nContent-Disposition: form-data; name=\"uid\"\r\n\r\n12345678910\r\n\
             --b\r\nContent-Disposition: form-data; name=\"other\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n";
        let mut ids = Vec::new();
        for (content_type, body) in [
            ("application/json", &*json),
            ("application/json; charset=utf-8", &json),
            ("", &json),
            ("text/plain", &json),
            ("application/x-www-form-urlencoded", &json),
            ("application/x-www-form-urlencoded", &form),
            ("application/x-www-form-urlencoded; charset=UTF-8", &form),
            ("multipart/form-data; boundary=b", multipart),
            ("multipart/form-data; boundary=\"b\"", multipart),
        ] {
            let reply = send(&app, &key, content_type, body).await;
            assert_eq!(reply.status, 200, "{content_type}: {}", reply.body);
            ids.push(text(&reply, "userID"));
        }
        ids.dedup();
        assert_eq!(ids.len(), 1, "{ids:?}");
    }

    async fn missing_and_blank_fields(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        for body in [
            json!({}),
            json!({"email": EMAIL}),
            json!({"uid": UID}),
            json!({"email": "", "uid": UID}),
            json!({"email": " \t", "uid": UID}),
            json!({"email": EMAIL, "uid": ""}),
            json!({"email": EMAIL, "uid": "   "}),
            json!({"email": null, "uid": UID}),
            json!({"email": EMAIL, "uid": null}),
            json!({"Email": EMAIL, "UID": UID}),
        ] {
            let reply = exchange_at(&app, HOST, &key, body.clone()).await;
            assert_eq!(bad_request(&reply, &body.to_string()), MISSING);
        }
        for (content_type, body) in [
            ("application/json", ""),
            ("", ""),
            ("application/x-www-form-urlencoded", ""),
            ("application/x-www-form-urlencoded", "email=&uid="),
            ("application/x-www-form-urlencoded", "email=user%40example.com"),
            ("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"uid\"\r\n\r\n1\r\n--b--\r\n"),
        ] {
            let reply = send(&app, &key, content_type, body).await;
            assert_eq!(bad_request(&reply, &format!("{content_type} {body}")), MISSING);
        }
        assert_eq!(app.identity.users(&cx, "", 10).await.unwrap(), []);
    }

    async fn malformed_addresses(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let long = [format!("{}@example.com", "a".repeat(65)), format!("user@{}.com", "a".repeat(250))];
        for email in EMAILS.iter().chain(&long) {
            let reply = exchange_at(&app, HOST, &key, json!({"email": email, "uid": UID})).await;
            assert_ne!(bad_request(&reply, email), MISSING, "{email}");
        }
        assert_eq!(app.identity.users(&cx, "", 10).await.unwrap(), []);
    }

    async fn wrong_types(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let wrong = [json!(5), json!(1.5), json!(true), json!(false), json!([]), json!({}), json!([EMAIL]), json!({"a": EMAIL}), json!([EMAIL, "x@evil.test"])];
        for value in wrong {
            for body in [json!({"email": value, "uid": UID}), json!({"email": EMAIL, "uid": value})] {
                let reply = exchange_at(&app, HOST, &key, body.clone()).await;
                assert_ne!(bad_request(&reply, &body.to_string()), MISSING, "{body}");
            }
        }
        for body in [json!([]), json!("text"), json!(1), json!(null), json!(true), json!([{"email": EMAIL, "uid": UID}])] {
            bad_request(&exchange_at(&app, HOST, &key, body.clone()).await, &body.to_string());
        }
        assert_eq!(app.identity.users(&cx, "", 10).await.unwrap(), []);
    }

    async fn broken_bodies(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        let good = json!({"email": EMAIL, "uid": UID}).to_string();
        let (nul, deep) = (good.replace("user@", "us\\u0000er@"), format!("{}{}", "[".repeat(20_000), "]".repeat(20_000)));
        let mut latin = good.clone().into_bytes();
        latin[12] = 0xff;
        let mut boundless = good.clone().into_bytes();
        boundless.splice(0..0, [0xef, 0xbb, 0xbf, 0]);
        let json = "application/json";
        let form = "application/x-www-form-urlencoded";
        for (content_type, body) in [
            (json, b"{".to_vec()),
            (json, b"{]".to_vec()),
            (json, good[..good.len() - 1].into()),
            (json, format!("{good}{good}").into()),
            (json, format!("{good} x").into()),
            (json, good.replace('"', "'").into()),
            (json, b"nonsense".to_vec()),
            (json, b"\0".to_vec()),
            (json, latin.clone()),
            (json, boundless),
            (json, nul.clone().into()),
            (json, good.replace("123", "12\\u00003").into()),
            (json, good.replace("user@", "us\0er@").into()),
            (json, good.replace("user@", "\\ud800@").into()),
            (json, r#"{"email":"user@example.com","email":"other@example.com","uid":"1"}"#.into()),
            (json, deep.clone().into()),
            (json, format!(r#"{{"email":"user@example.com","uid":"1","x":{deep}}}"#).into()),
            (form, b"email=user%40example.com&uid=%00".to_vec()),
            (form, b"email=us%00er%40example.com&uid=1".to_vec()),
            (form, b"email=%ff%40example.com&uid=1".to_vec()),
            (form, b"email=\xff@example.com&uid=1".to_vec()),
            (form, b"email=a%40example.com&email=b%40example.com&uid=1".to_vec()),
            ("multipart/form-data", b"--b--".to_vec()),
            ("multipart/form-data; boundary=b", b"no boundary".to_vec()),
            ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\nuser@exam".to_vec()),
            ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\n\xff\r\n--b--\r\n".to_vec()),
            ("text/plain", b"email=user@example.com".to_vec()),
            ("application/xml", b"<email>user@example.com</email>".to_vec()),
        ] {
            let shown = format!("{content_type} {}", String::from_utf8_lossy(&body[..body.len().min(80)]));
            bad_request(&send(&app, &key, content_type, body).await, &shown);
        }
        assert_eq!(app.identity.users(&cx, "", 10).await.unwrap(), []);
    }

    async fn the_limit_is_64_kib(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        assert_eq!(send(&app, &key, "application/json", padded(65_536)).await.status, 200);
        for length in [65_537, 1 << 20] {
            let reply = send(&app, &key, "application/json", padded(length)).await;
            assert_eq!((reply.status.as_u16(), &reply.json()["status"]), (413, &json!("error")), "{}", reply.body);
            assert_eq!(reply.header("cache-control"), "no-store");
        }
        let announced = [("authorization", &*format!("Bearer {key}")), ("content-type", "application/json"), ("content-length", "65537")];
        assert_eq!(app.send(build("POST", HOST, TOKEN, &announced, "{}")).await.status, 413);
    }

    async fn a_uid_may_be_any_text_of_a_kilobyte(app: TestApp) {
        let cx = app.acme().await;
        let key = app.api_key(&cx).await;
        for (index, uid) in ["1", " lead", "é漢字🦀", "a b\tc\n", "$2b$10$abcdefghijklmnopqrstuv", "null", "' OR 1=1 --", &"x".repeat(1_024)].into_iter().enumerate() {
            let email = format!("user{index}@example.com");
            let at = async |uid: Value| exchange_at(&app, HOST, &key, json!({"email": email, "uid": uid})).await;
            let id = text(&at(json!(uid)).await, "userID");
            assert_eq!(text(&at(json!(uid)).await, "userID"), id, "{uid:?}");
            assert_eq!(at(json!(format!("{uid}x"))).await.status, if uid.len() < 1_024 { 401 } else { 400 }, "{uid:?}");
        }
    }
}
