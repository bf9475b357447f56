//! Proof of work: what is taken, and that it is taken once.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{EVERYWHERE, challenge, encoded, guarded, solution, solved};
use crate::app::{Reply, TestApp, at_once, on_both};
use crate::browser::{EMAIL, HOST, PASSWORD, submit};

const LMS: &str = "lms.zeta.test";

async fn register(app: &TestApp, email: &str, captcha: &Value) -> Reply {
    let body = json!({ "email": email, "password": PASSWORD, "name": "Grace", "capcha": captcha });
    app.post(HOST, "/api/register", &[], body).await
}

/// Every request that asks for a captcha: path, whether a form, fields, and the field of the answer.
fn asking() -> Vec<(&'static str, bool, Value, &'static str)> {
    let login = json!({ "email": EMAIL, "password": PASSWORD });
    let email = json!({ "email": EMAIL });
    let new = |email| json!({ "email": email, "password": PASSWORD, "name": "Grace" });
    vec![
        ("/api/register", false, new("a@example.com"), "capcha"),
        ("/api/register", false, new("b@example.com"), "captcha"),
        ("/api/login", false, login.clone(), "capcha"),
        ("/api/login", false, login.clone(), "captcha"),
        ("/api/forgot-passsword", false, email.clone(), "capcha"),
        ("/authorize/login", false, login.clone(), "reCaptchaToken"),
        (
            "/authorize/forgot-password",
            false,
            email.clone(),
            "reCaptchaToken",
        ),
        ("/sign-up", true, new("c@example.com"), "altcha"),
        ("/sign-in", true, login, "altcha"),
        ("/forgot-password", true, email, "altcha"),
    ]
}

async fn ask(app: &TestApp, path: &str, form: bool, body: &Value) -> Reply {
    if !form {
        return app.post(HOST, path, &[], body.clone()).await;
    }
    let fields = body.as_object().unwrap().iter();
    let fields: Vec<(&str, &str)> = fields
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    submit(app, path, "", &fields).await
}

on_both! {
    async fn the_challenge_is_what_the_protocol_says_and_for_anybody(app: TestApp) {
        guarded(&app).await;
        let reply = app.get(HOST, "/captcha/challenge", &[("origin", "https://www.example")]).await;
        reply.status(200);
        assert_eq!((reply.header("access-control-allow-origin"), reply.header("cache-control")), ("*", "no-store"));
        assert_eq!(reply.header("content-type"), "application/json");
        let body = reply.json();
        let parameters = &body["parameters"];
        assert_eq!((&parameters["algorithm"], &parameters["cost"], &parameters["keyPrefix"], &parameters["keyLength"]),
            (&json!("PBKDF2/SHA-256"), &json!(100), &json!("00"), &json!(32)));
        assert_eq!(parameters["expiresAt"], crate::app::START + 1_800);
        assert_ne!(challenge(&app, HOST).await["parameters"]["nonce"], parameters["nonce"]);
        for tables in ["", "[registration]\ncaptcha = 'turnstile'\ncaptcha_secret = 'env:CAPTCHA'\n"] {
            app.acme_with(tables).await;
            let none = app.get(HOST, "/captcha/challenge", &[]).await;
            assert_eq!((none.status.as_u16(), none.header("content-type")), (404, "application/problem+json"));
        }
        assert_eq!(app.get("elsewhere.test", "/captcha/challenge", &[]).await.status, 421);
    }

    async fn every_request_that_asks_is_refused_without_and_served_with(app: TestApp) {
        app.acme().await;
        let cx = guarded(&app).await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        for (path, form, mut body, field) in asking() {
            for wrong in [None, Some(""), Some("nonsense")] {
                body[field] = json!(wrong.unwrap_or_default());
                let reply = ask(&app, path, form, &body).await;
                assert_eq!(reply.status, 400, "{path} {field} {wrong:?}: {}", reply.body);
                assert_eq!(reply.session_cookie(), None);
            }
            assert!(app.mails().await.is_empty(), "{path}");
            body[field] = json!(solved(&app).await);
            let reply = ask(&app, path, form, &body).await;
            assert!(matches!(reply.status.as_u16(), 200 | 303), "{path} {field}: {} {}", reply.status, reply.body);
            app.mails().await;
        }
        assert_eq!(app.identity.users(&cx, "", 10).await.unwrap().len(), 3, "who signed up on the page proves the address first");
    }

    async fn only_sign_up_asks_unless_the_file_says_more(app: TestApp) {
        app.acme().await;
        let cx = app.acme_with("[registration]\ncaptcha = 'pow'\ncaptcha_cost = 100\n").await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        for (path, form, body, _) in asking() {
            let asks = body.get("name").is_some();
            assert_eq!(ask(&app, path, form, &body).await.status == 400, asks, "{path}");
        }
    }

    async fn an_answer_is_good_once(app: TestApp) {
        let cx = guarded(&app).await;
        let answer = json!(solved(&app).await);
        let replies = at_once(16, |at| {
            let (app, answer) = (app.clone(), answer.clone());
            async move { register(&app, &format!("p{at}@example.com"), &answer).await }
        })
        .await;
        assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
        for reply in replies.iter().filter(|reply| reply.status != 200) {
            assert_eq!((reply.status.as_u16(), reply.body.contains("used already")), (400, true), "{}", reply.body);
        }
        assert_eq!(app.identity.users(&cx, "", 20).await.unwrap().len(), 1);
        // Nor after its trace is gone, a week after it has expired: a clock may be set forward and back.
        let traces = async || {
            let count = "SELECT count(*) FROM captcha_used";
            let db = app.identity.db();
            db.read(move |tx| tx.one(count, &[], |row| row.get::<i64>(0))).await.unwrap()
        };
        for (pass, left) in [(1_801, 1), (7 * 86_400, 0)] {
            app.pass(Duration::from_secs(pass));
            app.identity.purge().await.unwrap();
            assert_eq!(traces().await, left);
            register(&app, "late@example.com", &answer).await.status(400);
        }
    }

    async fn an_answer_lives_half_an_hour(app: TestApp) {
        guarded(&app).await;
        for (seconds, status) in [(1_799, 200), (1_800, 400)] {
            let answer = json!(solved(&app).await);
            app.pass(Duration::from_secs(seconds));
            let reply = register(&app, &format!("p{seconds}@example.com"), &answer).await;
            reply.status(status);
            assert_eq!(status == 400, reply.body.contains("expired"), "{}", reply.body);
        }
    }

    async fn wrong_answers_are_counted_and_end_in_a_refusal(app: TestApp) {
        guarded(&app).await;
        let node = app.with_limits(&[("bad_tokens", 3)]).await;
        for n in 0..3 {
            register(&node, &format!("p{n}@example.com"), &json!("e30=")).await.status(400);
        }
        register(&node, EMAIL, &json!(solved(&app).await)).await.status(429);
        app.pass(Duration::from_secs(900));
        register(&node, EMAIL, &json!(solved(&app).await)).await.status(200);
    }

    async fn what_is_wrong_elsewhere_does_not_spend_an_answer(app: TestApp) {
        guarded(&app).await;
        let answer = solved(&app).await;
        let body = json!({ "email": EMAIL, "password": "Password1", "name": "Grace", "capcha": answer });
        app.post(HOST, "/api/register", &[], body).await.status(400);
        let both = json!({ "email": EMAIL, "password": "Password1", "name": "" });
        let told = app.post(HOST, "/api/register", &[], both).await.status(400).json()["message"].clone();
        let told: Vec<&str> = told.as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        assert!(told.len() == 3 && told[0].contains("too easy") && told[1].contains("name") && told[2].contains("captcha"), "{told:?}");
        submit(&app, "/sign-up", "", &[("email", EMAIL), ("password", "short"), ("name", "Grace"), ("altcha", &answer)]).await.status(400);
        register(&app, EMAIL, &json!(answer)).await.status(200);
    }

    async fn nothing_but_a_right_answer_to_our_own_challenge_passes(app: TestApp) {
        let cx = guarded(&app).await;
        app.apply(&format!("{}\n{EVERYWHERE}", crate::app::ACME.replace("acme", "zeta").replace("Acme", "Zeta"))).await;
        let good = solution(&challenge(&app, HOST).await);
        let with = |pointer: &str, value: Value| {
            let mut answer = good.clone();
            *answer.pointer_mut(pointer).unwrap() = value;
            encoded(&answer)
        };
        let key = good["solution"]["derivedKey"].as_str().unwrap().to_owned();
        let nonce = good["challenge"]["parameters"]["nonce"].as_str().unwrap().to_owned();
        let later = good["challenge"]["parameters"]["expiresAt"].as_i64().unwrap() + 1;
        let mut unsigned = good.clone();
        unsigned["challenge"].as_object_mut().unwrap().remove("signature");
        // The same work under a challenge of the client's own making.
        let cheap = json!({ "parameters": { "algorithm": "PBKDF2/SHA-256", "cost": 1, "keyLength": 32, "keyPrefix": "00", "nonce": nonce,
            "salt": "00".repeat(16), "expiresAt": later }, "signature": good["challenge"]["signature"] });
        let mut no_work = good.clone();
        no_work["solution"]["counter"] = json!(good["solution"]["counter"].as_u64().unwrap() + 1);
        let wrong = [
            with("/challenge/parameters/cost", json!(1)),
            with("/challenge/parameters/cost", json!(0)),
            with("/challenge/parameters/expiresAt", json!(later)),
            with("/challenge/parameters/nonce", json!("00".repeat(16))),
            with("/challenge/parameters/nonce", json!(nonce.to_uppercase())),
            with("/challenge/parameters/salt", json!("")),
            with("/challenge/parameters/keyPrefix", json!("")),
            with("/challenge/parameters/keyLength", json!(0)),
            with("/challenge/parameters/algorithm", json!("SHA-256")),
            with("/challenge/signature", json!("")),
            with("/challenge/signature", json!("00".repeat(32))),
            with("/challenge/signature", Value::Null),
            with("/solution/counter", json!(-1)),
            with("/solution/counter", json!("0")),
            with("/solution/derivedKey", json!("")),
            with("/solution/derivedKey", json!("00")),
            with("/solution/derivedKey", json!("00".repeat(32))),
            with("/solution/derivedKey", json!(key.to_uppercase())),
            encoded(&no_work),
            encoded(&unsigned),
            encoded(&solution(&cheap)),
            encoded(&solution(&challenge(&app, LMS).await)),
            encoded(&json!({ "challenge": null, "solution": null, "test": true })),
            encoded(&json!({ "algorithm": "SHA-256", "challenge": "00", "number": 1, "salt": "x", "signature": "00" })),
            good.to_string(),
            STANDARD.encode([0xff; 40]),
            encoded(&json!([])),
            format!("{}=", encoded(&good)),
            "A".repeat(8_192),
            "[".repeat(4_000),
            STANDARD.encode("[".repeat(3_000)),
        ];
        for (at, answer) in wrong.iter().enumerate() {
            let reply = register(&app, "grace@example.com", &json!(answer)).await;
            assert_eq!(reply.status, 400, "{at}: {}", reply.body);
        }
        assert!(app.identity.users(&cx, "", 10).await.unwrap().is_empty() && app.mails().await.is_empty());
        register(&app, "grace@example.com", &json!(encoded(&good))).await.status(200);
    }

    async fn who_proves_itself_is_asked_for_no_captcha(app: TestApp) {
        let cx = guarded(&app).await;
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
        let key = format!("Bearer {}", app.api_key(&cx).await);
        let body = json!({ "email": EMAIL });
        app.post(HOST, "/authorize/forgot-password", &[("authorization", &key)], body).await.status(200);
    }

    async fn a_tenant_that_asks_at_sign_in_must_be_named(app: TestApp) {
        let cx = guarded(&app).await;
        let zeta = app.zeta().await;
        for cx in [&cx, &zeta] {
            app.person(cx, EMAIL, PASSWORD, "Trainee").await;
        }
        let body = json!({ "email": EMAIL, "password": PASSWORD, "reCaptchaToken": solved(&app).await });
        let reply = app.post("elsewhere.test", "/authorize/login", &[], body.clone()).await;
        assert_eq!(reply.status(200).json()["data"]["response"]["data"]["user"]["companyName"], "Zeta Learning");
        let mut named = body;
        named["domain"] = json!(HOST);
        let reply = app.post("elsewhere.test", "/authorize/login", &[], named).await;
        assert_eq!(reply.status(200).json()["data"]["response"]["data"]["user"]["companyName"], "Acme Learning");
    }
}
