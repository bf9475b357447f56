//! GET /api/exist-email/{email}.

use std::time::Duration;

use serde_json::json;

use super::{HOST, PASSWORD, failure, registered};
use crate::app::{ACME, Reply, TestApp, on_both};

async fn ask(app: &TestApp, email: &str) -> Reply {
    app.get(HOST, &format!("/api/exist-email/{email}"), &[])
        .await
}

fn with(exist_email: &str) -> String {
    ACME.replace("\"enclaive\", ", "")
        + &format!("\n[dialect.enclaive]\nexist_email = \"{exist_email}\"\n")
}

on_both! {
    async fn the_bare_truth_under_every_spelling(app: TestApp) {
        let cx = app.acme().await;
        let zeta = app.zeta().await;
        registered(&app, "Käthe@Bücher.example").await;
        app.person(&cx, "ada+x@team.example", PASSWORD, "Trainee").await;
        app.person(&zeta, "zoe@team.example", PASSWORD, "Trainee").await;
        for (email, answer) in [
            ("k%C3%A4the@b%C3%BCcher.example", "true"),
            ("K%C3%84THE%40B%C3%9CCHER.EXAMPLE", "true"),
            ("k%C3%A4the@xn--bcher-kva.example", "true"),
            ("%20k%C3%A4the@b%C3%BCcher.example%20", "true"),
            ("ada+x@team.example", "true"),
            ("ada%2Bx@team.example", "true"),
            ("ada%20x@team.example", "400"),
            ("ada@team.example", "false"),
            ("zoe@team.example", "false"),
            ("nobody@team.example", "false"),
        ] {
            let reply = ask(&app, email).await;
            if answer == "400" {
                reply.is(400, failure(400, json!(["email is not a valid e-mail address"])));
            } else {
                assert_eq!((reply.status.as_u16(), reply.body.as_str()), (200, answer), "{email}");
                assert_eq!(reply.header("content-type"), "application/json");
                assert_eq!(reply.header("cache-control"), "no-store");
            }
        }
    }

    async fn addresses_that_are_none_are_400(app: TestApp) {
        app.acme().await;
        for email in ["nobody", "a@", "@b.c", "a@b", "a%40b@c.d", "a@b.c%0D%0AX:y", "v%EF%BC%A0evil.com@t.x", "a@1.2.3.4", "a%2Fb"] {
            ask(&app, email).await.is(400, failure(400, json!(["email is not a valid e-mail address"])));
        }
        ask(&app, "%ff").await.is(400, failure(400, json!(["email is not valid UTF-8 text"])));
        ask(&app, "a@b.c%00").await.is(400, failure(400, json!(["email is not valid UTF-8 text"])));
        app.get(HOST, "/api/exist-email/", &[]).await.status(404);
    }

    async fn thirty_questions_a_minute_then_429(app: TestApp) {
        app.acme().await;
        registered(&app, "ada@team.example").await;
        for turn in 0..30 {
            ask(&app, if turn % 2 == 0 { "ada@team.example" } else { "nobody@team.example" }).await.status(200);
        }
        for email in ["ada@team.example", "nobody@team.example"] {
            let reply = ask(&app, email).await;
            assert_eq!((reply.status.as_u16(), reply.json()["statusCode"].clone()), (429, json!(429)));
            assert!(reply.header("retry-after").parse::<u32>().is_ok_and(|seconds| (1..=61).contains(&seconds)));
        }
        let forwarded = app.get(HOST, "/api/exist-email/ada@team.example", &[("x-forwarded-for", "198.51.100.7"), ("x-real-ip", "198.51.100.7")]).await;
        assert_eq!(forwarded.status, 429, "an untrusted peer cannot name another address");
        app.pass(Duration::from_secs(60));
        ask(&app, "ada@team.example").await.is(200, json!(true));
    }

    async fn a_tenant_may_switch_it_off(app: TestApp) {
        app.apply(&with("off")).await;
        registered(&app, "ada@team.example").await;
        for email in ["ada@team.example", "nobody@team.example"] {
            ask(&app, email).await.is(404, failure(404, "Not Found"));
        }
    }

    async fn a_tenant_may_fix_it_to_true(app: TestApp) {
        app.apply(&with("always_true")).await;
        for _ in 0..40 {
            ask(&app, "nobody@team.example").await.is(200, json!(true));
        }
        ask(&app, "nobody").await.status(400);
    }
}
