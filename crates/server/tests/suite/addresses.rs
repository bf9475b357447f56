//! Addresses that are none, at every door that takes one.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::alphalearn::{HOST, PASSWORD, failure};
use crate::app::{Reply, TestApp, on_both};
use crate::hostile::EMAILS;

const PAGE: [(&str, &str); 1] = [("origin", "https://lms.acme.test")];

/// What each door says to the address; the doors of registration and of the partner have tests of their own.
async fn everywhere(app: &TestApp, email: &str) -> Vec<(&'static str, Reply)> {
    let json = json!({"email": email, "password": PASSWORD});
    let form = [("email", email), ("password", PASSWORD), ("name", "V")];
    let path = utf8_percent_encode(email, NON_ALPHANUMERIC);
    vec![
        (
            "lms login",
            app.post(HOST, "/authorize/login", &[], json.clone()).await,
        ),
        (
            "lms forgot",
            app.post(HOST, "/authorize/forgot-password", &[], json.clone())
                .await,
        ),
        ("login", app.post(HOST, "/api/login", &[], json).await),
        (
            "exist",
            app.get(HOST, &format!("/api/exist-email/{path}"), &[])
                .await,
        ),
        (
            "sign-in",
            app.post_form(HOST, "/sign-in", &PAGE, &form).await,
        ),
        (
            "sign-up",
            app.post_form(HOST, "/sign-up", &PAGE, &form).await,
        ),
        (
            "forgot",
            app.post_form(HOST, "/forgot-password", &PAGE, &form).await,
        ),
    ]
}

on_both! {
    async fn what_is_no_address_finds_nobody_makes_nobody_and_mails_nobody(app: TestApp) {
        let cx = app.acme().await;
        let victims = ["v@t.test", "mike@t.test", "kate@t.test", "sam@t.test", "ida@t.test", "user@example.com"];
        for victim in victims {
            app.person(&cx, victim, PASSWORD, "Trainee").await;
        }
        for (index, email) in EMAILS.iter().enumerate() {
            for (door, reply) in everywhere(&app, email).await {
                let told = match door {
                    "lms login" | "lms forgot" => reply.json() == failure("1002", "Invalid email"),
                    _ => true,
                };
                assert!(reply.status == 400 && told, "{door} {email:?}: {} {}", reply.status, reply.body);
                assert!(reply.headers.get("set-cookie").is_none(), "{door} {email:?}");
            }
            if index % 20 == 0 {
                app.pass(std::time::Duration::from_secs(61));
            }
        }
        assert!(app.mails().await.is_empty());
        assert_eq!(app.identity.users(&cx, "", 100).await.unwrap().len(), victims.len());
    }
}
