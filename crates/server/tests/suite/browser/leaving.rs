//! One's data as a file, and deleting the account: asked for with the password, undone by coming back in time.

use std::time::Duration;

use serde_json::{Value, json};
use vestibule_identity::{MailKind, TenantFile};

use super::{
    APP, EMAIL, HOST, ORIGIN, PASSWORD, acme_with_ada, bearer, is_live, leads_to, page,
    password_works, refused, sign_in, submit,
};
use crate::app::{ACME, Reply, TestApp, build, on_both};

const DAY: Duration = Duration::from_secs(86_400);

async fn delete(app: &TestApp, cookie: &str) -> Reply {
    submit(app, "/account/delete", cookie, &[("password", PASSWORD)]).await
}

/// Signs in on the page with a deep link; the reply.
async fn come_back(app: &TestApp) -> Reply {
    let form = [
        ("email", EMAIL),
        ("password", PASSWORD),
        ("next", "/course/7"),
    ];
    submit(app, "/sign-in", "", &form).await
}

async fn kinds(app: &TestApp) -> Vec<MailKind> {
    app.mails().await.iter().map(|mail| mail.kind).collect()
}

fn events(document: &Value) -> Vec<&str> {
    let entries = document["audit"].as_array().unwrap();
    entries
        .iter()
        .map(|entry| entry["event"].as_str().unwrap())
        .collect()
}

on_both! {
    async fn the_file_holds_what_is_held_and_nobody_elses(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        app.person(&cx, "bob@example.com", PASSWORD, "Trainee").await;
        sign_in(&app, "bob@example.com", PASSWORD).await;
        let (gone, cookie) = (sign_in(&app, EMAIL, PASSWORD).await, sign_in(&app, EMAIL, PASSWORD).await);
        submit(&app, "/sign-out", &gone, &[]).await;
        for (password, status) in [("wrong password", 401), ("", 400)] {
            let told = submit(&app, "/account/export", &cookie, &[("password", password)]).await;
            refused(&told, status);
            assert!(!told.body.contains("exported_at"));
        }
        leads_to(&submit(&app, "/account/export", "", &[("password", PASSWORD)]).await, "/sign-in?next=%2Faccount");
        let file = submit(&app, "/account/export", &cookie, &[("password", PASSWORD)]).await;
        assert_eq!((file.status(200).header("content-type"), file.header("content-disposition"), file.header("cache-control")), ("application/json", "attachment; filename=\"acme-account.json\"", "no-store"));
        let token = bearer(&app, EMAIL, PASSWORD).await;
        let by_api = app.post(HOST, "/account/v1/export", &[("authorization", &token)], json!({"password": PASSWORD})).await;
        app.post(HOST, "/account/v1/export", &[("authorization", &token)], json!({"password": "wrong password"})).await.status(401);
        for (reply, sessions) in [(&file, 2), (&by_api, 3)] {
            let data = reply.status(200).json();
            assert_eq!((&data["account"]["email"], &data["exported_at"], &data["tenant"]["slug"]), (&json!(EMAIL), &json!("2026-01-01T00:00:00Z"), &json!("acme")));
            assert_eq!((data["sessions"].as_array().unwrap().len(), data["teams"].as_array().unwrap().len()), (sessions, 1), "{data}");
            let ended = data["sessions"].as_array().unwrap().iter().filter(|session| !session["ended_at"].is_null()).count();
            assert_eq!(ended, 1, "{data}");
            assert_eq!(data["password_changed_at"], "2026-01-01T00:00:00Z");
            for event in ["account.created", "sign_in.password", "session.ended", "account.exported"] {
                assert!(events(&data).contains(&event), "{event}: {data}");
            }
            assert!(!reply.body.contains("bob") && !reply.body.contains("argon2"), "{}", reply.body);
        }
    }

    async fn the_account_is_deleted_after_the_grace_and_leaves_nothing_behind(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let (here, there, token) = (sign_in(&app, EMAIL, PASSWORD).await, sign_in(&app, EMAIL, PASSWORD).await, bearer(&app, EMAIL, PASSWORD).await);
        for (password, status) in [("wrong password", 401), ("", 400)] {
            refused(&submit(&app, "/account/delete", &here, &[("password", password)]).await, status);
        }
        submit(&app, "/forgot-password", "", &[("email", EMAIL)]).await.status(303);
        let reset = app.mailed_link(MailKind::ResetPassword).await;
        let asked = delete(&app, &here).await;
        leads_to(&asked, "/sign-in?notice=deletion-asked");
        assert!(!is_live(&app, &here).await && !is_live(&app, &there).await);
        assert_eq!(app.get(HOST, "/account/v1/session", &[("authorization", &token)]).await.status, 401);
        refused(&page(&app, reset.strip_prefix("https://lms.acme.test").unwrap(), "").await, 400);
        let mails = app.identity.claim_mail(10).await.unwrap();
        assert_eq!(mails.iter().map(|job| job.mail.kind).collect::<Vec<_>>(), [MailKind::AccountDeletion]);
        let rendered = vestibule_http::mail::render(&mails[0].tenant, &mails[0].mail).unwrap();
        assert!(rendered.text.contains("15 January 2026, 00:00 UTC") && rendered.text.contains("https://lms.acme.test/sign-in"), "{}", rendered.text);
        app.pass(14 * DAY - Duration::from_secs(1));
        app.identity.purge().await.unwrap();
        assert!(app.identity.user(&cx, EMAIL).await.is_ok());
        app.pass(Duration::from_secs(1));
        app.identity.purge().await.unwrap();
        assert!(app.identity.user(&cx, EMAIL).await.is_err());
        assert!(!password_works(&app, EMAIL, PASSWORD).await);
        for sql in ["SELECT count(*) FROM account", "SELECT count(*) FROM team", "SELECT count(*) FROM project", "SELECT count(*) FROM session", "SELECT count(*) FROM password", "SELECT count(*) FROM account_deletion", "SELECT count(*) FROM one_time_token"] {
            let rows: i64 = app.identity.db().read(move |tx| tx.one(sql, &[], |row| row.get(0))).await.unwrap();
            assert_eq!(rows, 0, "{sql}");
        }
        let audit = app.audit("acme").await;
        assert!(audit.contains(&"account.deleted done asked_for".to_owned()) && audit.contains(&"account.deletion_asked done".to_owned()), "{audit:?}");
        app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
    }

    async fn coming_back_asks_whether_to_keep_it(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        delete(&app, &sign_in(&app, EMAIL, PASSWORD).await).await.status(303);
        app.pass(13 * DAY);
        let back = come_back(&app).await;
        leads_to(&back, "/account/keep?next=%2Fcourse%2F7");
        let cookie = back.session_cookie().unwrap();
        for _ in 0..2 {
            let asked = page(&app, "/account/keep?next=%2Fcourse%2F7", &cookie).await;
            assert!(asked.status(200).body.contains("15 January 2026, 05:30") && asked.body.contains("value=\"/course/7\""), "{}", asked.body);
        }
        assert!(page(&app, "/account", &cookie).await.status(200).body.contains("15 January 2026, 05:30"));
        leads_to(&submit(&app, "/account/keep", &cookie, &[("answer", "leave"), ("next", "/course/7")]).await, "/sign-in?notice=signed-out");
        assert!(!is_live(&app, &cookie).await);
        let cookie = come_back(&app).await.session_cookie().unwrap();
        leads_to(&submit(&app, "/account/keep", &cookie, &[("answer", "keep"), ("next", "/course/7")]).await, "/course/7");
        leads_to(&page(&app, "/account/keep", &cookie).await, APP);
        leads_to(&come_back(&app).await, "/course/7");
        app.pass(30 * DAY);
        app.identity.purge().await.unwrap();
        assert!(app.identity.user(&cx, EMAIL).await.is_ok());
        assert!(app.audit("acme").await.contains(&"account.kept done".to_owned()));
    }

    async fn by_the_account_api_and_a_dialect_undoes_nothing(app: TestApp) {
        let cx = acme_with_ada(&app).await;
        let ask = async |password: &str| {
            let token = bearer(&app, EMAIL, PASSWORD).await;
            app.post(HOST, "/account/v1/deletion", &[("authorization", &token)], json!({"password": password})).await
        };
        ask("wrong password").await.status(401);
        ask(PASSWORD).await.is(202, json!({"deletion_due_at": "2026-01-15T00:00:00Z"}));
        app.pass(DAY);
        ask(PASSWORD).await.is(202, json!({"deletion_due_at": "2026-01-15T00:00:00Z"}));
        let token = bearer(&app, EMAIL, PASSWORD).await;
        app.send(build("DELETE", HOST, "/account/v1/deletion", &[("authorization", &token)], "")).await.status(204);
        app.pass(20 * DAY);
        app.identity.purge().await.unwrap();
        assert!(app.identity.user(&cx, EMAIL).await.is_ok());
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        app.post(HOST, "/account/v1/deletion", &[("cookie", &cookie), ("origin", "https://evil.test")], json!({"password": PASSWORD})).await.status(403);
        app.post(HOST, "/account/v1/deletion", &[("cookie", &cookie), ORIGIN], json!({"password": PASSWORD})).await.status(202);
        app.mails().await;
    }

    async fn the_tenant_says_how_long_and_a_restore_begins_anew(app: TestApp) {
        acme_with_ada(&app).await;
        let long: TenantFile = toml::from_str(&format!("{ACME}\n[account]\ndeletion_grace = '91d'")).unwrap();
        assert!(app.identity.apply(&long, false).await.is_err());
        let cx = app.acme_with("[account]\ndeletion_grace = '1h'").await;
        let cookie = sign_in(&app, EMAIL, PASSWORD).await;
        assert!(page(&app, "/account", &cookie).await.status(200).body.contains("Until 1 January 2026, 06:30 you"));
        delete(&app, &cookie).await.status(303);
        app.pass(Duration::from_secs(3_601));
        // Restored before the worker came by: who kept the account after the backup must not lose it.
        app.identity.end_all_after_restore(false).await.unwrap();
        app.pass(13 * DAY);
        app.identity.purge().await.unwrap();
        assert!(app.identity.user(&cx, EMAIL).await.is_ok());
        app.pass(2 * DAY);
        app.identity.purge().await.unwrap();
        assert!(app.identity.user(&cx, EMAIL).await.is_err());
        assert_eq!(kinds(&app).await, []);
    }
}
