//! One rule for new passwords, on every way in.

use secrecy::SecretString;
use serde_json::json;
use vestibule_identity::{CreateUser, Cx, MailKind};

use crate::app::{Reply, TestApp, on_both};
use crate::browser::{EMAIL, HOST, PASSWORD, page, sign_in, submit};

/// What each way of setting a password answers to this one: its name, whether it was taken, and the words.
async fn everywhere(app: &TestApp, cx: &Cx, password: &str) -> Vec<(&'static str, bool, String)> {
    let cookie = sign_in(app, EMAIL, PASSWORD).await;
    let token = reset_token(app).await;
    let register =
        json!({ "email": "new@example.com", "password": password, "name": "Grace Hopper" });
    let reset = json!({ "token": token, "newPassword": password });
    let lms = json!({ "token": token, "password": password });
    let sign_up = [
        ("email", "new@example.com"),
        ("password", password),
        ("name", "Grace Hopper"),
    ];
    let change = [("current", PASSWORD), ("new", password)];
    let by_reply =
        |way, reply: Reply| (way, matches!(reply.status.as_u16(), 200 | 303), reply.body);
    let by_operator = CreateUser {
        email: "new@example.com".into(),
        role: None,
        first_name: Some("Grace".into()),
        last_name: Some("Hopper".into()),
        verified: false,
        password: Some(SecretString::from(password)),
    };
    let created = app.identity.create_user(cx, by_operator).await;
    vec![
        by_reply(
            "register",
            app.post(HOST, "/api/register", &[], register).await,
        ),
        by_reply(
            "reset",
            app.post(HOST, "/api/reset-passsword", &[], reset).await,
        ),
        by_reply(
            "reset, envelope",
            app.post(HOST, "/authorize/reset-password", &[], lms).await,
        ),
        by_reply("sign-up page", submit(app, "/sign-up", "", &sign_up).await),
        by_reply(
            "reset page",
            submit(
                app,
                &format!("/reset-password/{token}"),
                "",
                &[("password", password)],
            )
            .await,
        ),
        by_reply(
            "account page",
            submit(app, "/account/password", &cookie, &change).await,
        ),
        (
            "command line",
            created.is_ok(),
            created
                .err()
                .map(|error| error.message().to_owned())
                .unwrap_or_default(),
        ),
    ]
}

async fn reset_token(app: &TestApp) -> String {
    app.post(
        HOST,
        "/api/forgot-passsword",
        &[],
        json!({ "email": EMAIL }),
    )
    .await
    .status(200);
    let token = app.mailed_token(MailKind::ResetPassword).await;
    page(app, &format!("/reset-password/{token}"), "")
        .await
        .status(200);
    token
}

async fn acme_with_grace(app: &TestApp) -> Cx {
    let cx = app.acme().await;
    let account = app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
    let change = vestibule_identity::ProfileChange {
        first_name: Some("Grace".into()),
        last_name: Some("Hopper".into()),
        ..Default::default()
    };
    app.identity
        .update_profile(&cx, (&account.id, None), change)
        .await
        .unwrap();
    cx
}

on_both! {
    async fn one_rule_holds_everywhere_and_tells_its_reason(app: TestApp) {
        let cx = acme_with_grace(&app).await;
        let long = "a long pass phrase, ".repeat(13);
        for (password, reason) in [
            ("seven 7", "at least 8 characters"),
            (&*long, "at most 256 characters"),
            ("abcabcabc", "repeats or counts"),
            ("Liverpool1!", "common word or password"),
            ("GraceHopper1906", "your name"),
        ] {
            for (way, taken, words) in everywhere(&app, &cx, password).await {
                assert!(!taken && words.contains(reason), "{way}: {password}: {words}");
                assert!(!words.contains(password), "{way} repeats {password}");
            }
            // Five mails in an hour.
            app.pass(std::time::Duration::from_secs(3_600));
        }
        assert_eq!(app.identity.users(&cx, "", 10).await.unwrap().len(), 1);
    }

    async fn either_normal_form_sets_and_opens(app: TestApp) {
        let cx = app.acme().await;
        let (composed, decomposed) = ("\u{fc}ber den W\u{f6}lfen", "u\u{308}ber den Wo\u{308}lfen");
        // 252 code points when composed, 420 as typed.
        let accents = "e\u{301}u\u{308}o\u{302}xa\u{300}i".repeat(42);
        for (at, (set, opens)) in [(decomposed, composed), (composed, decomposed), (&accents, &accents)].into_iter().enumerate() {
            let email = format!("p{at}@example.com");
            app.person(&cx, &email, set, "Trainee").await;
            sign_in(&app, &email, opens).await;
        }
    }
}
