//! Whoever writes about an account holds the account before anything of it. In another order two of them would wait for
//! each other, and the database ends one of them a second later, with all who wait behind them.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::Notify;
use vestibule_identity::{CreateUser, MailKind};

use crate::app::TestApp;
use crate::browser::{
    EMAIL, HOST, ORIGIN, PASSWORD, acme_with_ada, bearer, sign_in, submit, unproven,
};
use crate::rezi;

const NEW: &str = "copper-meadow-77-bicycles";

macro_rules! probes {
    ($($table:literal),+) => {
        [$(($table, concat!("SELECT 1 FROM ", $table, " FOR UPDATE NOWAIT"))),+]
    };
}

/// What belongs to accounts, and a statement that fails where somebody else holds a row of it.
const BELONGINGS: [(&str, &str); 10] = probes![
    "password",
    "session",
    "one_time_token",
    "mailed_code",
    "sign_up",
    "login_token_use",
    "partner_secret",
    "provider_link",
    "email_change",
    "account_deletion"
];

/// Holds every account, lets `operation` come and wait, and looks whether it holds anything by then.
async fn waits_first(
    app: &TestApp,
    what: &str,
    operation: impl Future<Output = ()> + Send + 'static,
) {
    let held = Arc::new(Notify::new());
    let begins = held.clone();
    let operation = tokio::spawn(async move {
        begins.notified().await;
        operation.await;
    });
    let named = what.to_owned();
    let holding = app.identity.db().write(move |tx| {
        tx.exec("UPDATE account SET updated_at = updated_at", &[])?;
        held.notify_one();
        let waiting = "SELECT count(*), pg_sleep(0.01)::text FROM pg_locks
             WHERE locktype = 'transactionid' AND NOT granted AND transactionid = pg_current_xact_id()::xid";
        let comes = (0..1_000).any(|_| tx.one(waiting, &[], |row| row.get::<i64>(0)).unwrap() > 0);
        assert!(comes, "{named} does not wait for the account");
        for (table, probe) in BELONGINGS {
            let free = tx.all(probe, &[], |row| row.get::<i64>(0));
            assert!(free.is_ok(), "{named} holds {table}, and then waits for the account");
        }
        Ok::<_, vestibule_identity::Error>(())
    });
    holding
        .await
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    operation.await.unwrap();
}

async fn form(app: TestApp, path: String, cookie: String, fields: Vec<(&'static str, String)>) {
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    let headers = [ORIGIN, ("cookie", &*cookie)];
    let reply = app.post_form(HOST, &path, &headers, &fields).await;
    assert!(
        matches!(reply.status.as_u16(), 200 | 303),
        "{path}: {} {}",
        reply.status,
        reply.body
    );
}

fn text(value: &str) -> String {
    value.to_owned()
}

async fn path_of(app: &TestApp, kind: MailKind) -> String {
    let mails = app.mails().await;
    let mail = mails.iter().find(|mail| mail.kind == kind).unwrap();
    let link = secrecy::ExposeSecret::expose_secret(mail.link.as_ref().unwrap());
    link.strip_prefix("https://lms.acme.test")
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_a_person_hold_the_account_first() {
    let app = TestApp::postgres().await;
    acme_with_ada(&app).await;
    let other = sign_in(&app, EMAIL, PASSWORD).await;
    let password = || ("password", text(PASSWORD));
    for (path, fields) in [
        ("/sign-in", vec![("email", text(EMAIL)), password()]),
        (
            "/account/profile",
            vec![
                ("first_name", text("Ada")),
                ("last_name", text("L")),
                ("locale", text("en")),
                ("timezone", text("UTC")),
            ],
        ),
        (
            "/account/email",
            vec![("email", text("new@example.com")), password()],
        ),
        ("/account/export", vec![password()]),
        ("/account/delete", vec![password()]),
        ("/account/keep", vec![]),
        ("/account/sessions", vec![("session", text("others"))]),
        ("/sign-out", vec![]),
        (
            "/account/password",
            vec![("current", text(PASSWORD)), ("new", text(NEW))],
        ),
    ] {
        // A deletion ends every session.
        let cookie = match path {
            "/sign-in" => other.clone(),
            _ => sign_in(&app, EMAIL, PASSWORD).await,
        };
        waits_first(&app, path, form(app.clone(), text(path), cookie, fields)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_and_codes_hold_the_account_first() {
    let app = TestApp::postgres().await;
    let cx = acme_with_ada(&app).await;
    submit(&app, "/forgot-password", "", &[("email", EMAIL)])
        .await
        .status(303);
    let reset = path_of(&app, MailKind::ResetPassword).await;
    waits_first(
        &app,
        "a reset",
        form(app.clone(), reset, text(""), vec![("password", text(NEW))]),
    )
    .await;

    let cookie = sign_in(&app, EMAIL, NEW).await;
    let wish = [("email", "new@example.com"), ("password", NEW)];
    submit(&app, "/account/email", &cookie, &wish)
        .await
        .status(303);
    let mails = app.mails().await;
    for kind in [MailKind::ApproveEmailChange, MailKind::ConfirmNewEmail] {
        let mail = mails.iter().find(|mail| mail.kind == kind).unwrap();
        let link = secrecy::ExposeSecret::expose_secret(mail.link.as_ref().unwrap());
        let path = link
            .strip_prefix("https://lms.acme.test")
            .unwrap()
            .to_owned();
        waits_first(
            &app,
            "a new address",
            form(app.clone(), path, text(""), vec![("answer", text("yes"))]),
        )
        .await;
    }

    let guest = CreateUser {
        email: "guest@example.com".into(),
        role: None,
        first_name: None,
        last_name: None,
        verified: false,
        password: None,
    };
    app.identity.invite_user(&cx, guest).await.unwrap();
    let invitation = path_of(&app, MailKind::Invitation).await;
    waits_first(
        &app,
        "an invitation",
        form(
            app.clone(),
            invitation,
            text(""),
            vec![("password", text(PASSWORD))],
        ),
    )
    .await;

    for by_code in [false, true] {
        let email = format!("{by_code}@example.com");
        let cookie = unproven(&app, &email).await;
        app.mails().await;
        app.pass(std::time::Duration::from_secs(61));
        submit(&app, "/verify-email", &cookie, &[])
            .await
            .status(303);
        let mails = app.mails().await;
        let mail = mails
            .iter()
            .find(|mail| mail.kind == MailKind::VerifyEmail)
            .unwrap();
        let exposed = |secret: &Option<secrecy::SecretString>| {
            secrecy::ExposeSecret::expose_secret(secret.as_ref().unwrap()).to_owned()
        };
        let (path, fields) = match by_code {
            true => (text("/verify-email"), vec![("code", exposed(&mail.code))]),
            false => (
                exposed(&mail.link)
                    .strip_prefix("https://lms.acme.test")
                    .unwrap()
                    .to_owned(),
                vec![],
            ),
        };
        waits_first(
            &app,
            "a confirmation",
            form(app.clone(), path, cookie, fields),
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dialects_hold_the_account_first() {
    let app = TestApp::postgres().await;
    let cx = app.acme().await;
    let key = app.api_key(&cx).await;
    app.person(&cx, EMAIL, crate::alphalearn::PASSWORD, "Trainee")
        .await;
    let token = rezi::login_token(&app, &key, "partner@example.com").await;
    let opening = app.clone();
    waits_first(&app, "a login token", async move {
        rezi::open(&opening, &token, &[]).await.status(303);
    })
    .await;
    let connecting = app.clone();
    waits_first(&app, "a partner's call", async move {
        rezi::exchange(&connecting, &key, EMAIL, "uid")
            .await
            .status(200);
    })
    .await;
    let tokens = crate::alphalearn::tokens(&app, HOST, EMAIL).await;
    let course = vec![
        ("token", tokens.access),
        ("inputData", text("{\"enrollmentId\":12555}")),
        ("type", text("2")),
    ];
    waits_first(
        &app,
        "a course form",
        form(
            app.clone(),
            text("/site/login-by-jwt-token"),
            text(""),
            course,
        ),
    )
    .await;
    let bearer = bearer(&app, EMAIL, crate::alphalearn::PASSWORD).await;
    for (path, body) in [
        (
            "/account/v1/email",
            json!({ "email": "new@example.com", "password": crate::alphalearn::PASSWORD }),
        ),
        (
            "/account/v1/export",
            json!({ "password": crate::alphalearn::PASSWORD }),
        ),
        (
            "/account/v1/deletion",
            json!({ "password": crate::alphalearn::PASSWORD }),
        ),
    ] {
        let (sender, bearer) = (app.clone(), bearer.clone());
        waits_first(&app, path, async move {
            let headers = [("authorization", &*bearer)];
            let reply = sender.post(HOST, path, &headers, body).await;
            assert!(reply.status.is_success(), "{path}: {}", reply.body);
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_hold_the_account_first() {
    let app = TestApp::postgres().await;
    let cx = acme_with_ada(&app).await;
    let provider = crate::google::Provider::start().await;
    let with_google = provider.tenant(&app, false).await;
    let id = app.identity.user(&cx, EMAIL).await.unwrap().id;
    let (importing, tenant) = (app.clone(), cx.clone());
    waits_first(&app, "an import", async move {
        let line = json!({"email": EMAIL, "google_subject": "sub-1", "email_verified": true});
        let mode = vestibule_identity::ImportMode {
            update: true,
            dry_run: false,
        };
        let done = crate::import::import(&importing, &tenant, &[line], mode).await;
        assert_eq!(done.updated, 1);
    })
    .await;
    let first = provider.token(&app, "sub-1", EMAIL);
    let sender = app.clone();
    waits_first(&app, "a provider's word for a linked account", async move {
        crate::google::show(&sender, &first).await.status(200);
    })
    .await;
    app.person(&with_google, "confirmed@example.com", PASSWORD, "Trainee")
        .await;
    let second = provider.token(&app, "sub-2", "confirmed@example.com");
    let sender = app.clone();
    waits_first(&app, "a provider's word for a new link", async move {
        crate::google::show(&sender, &second).await.status(200);
    })
    .await;
    let identity = app.identity.clone();
    waits_first(&app, "a deletion", async move {
        identity.delete_user(&cx, &id).await.unwrap();
    })
    .await;
}

/// What a refresh holds is wanted by whoever holds the account.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_waits_for_no_account() {
    let app = TestApp::postgres().await;
    let cx = app.acme().await;
    let password = crate::enclaive::PASSWORD;
    app.person(&cx, "ada@team.example", password, "Trainee")
        .await;
    let tokens = crate::enclaive::signed_in(&app, "ada@team.example").await;
    let held = Arc::new(Notify::new());
    let begins = held.clone();
    let (done, is_done) = std::sync::mpsc::channel();
    let refreshing = app.clone();
    let refresh = tokio::spawn(async move {
        begins.notified().await;
        let reply = crate::enclaive::refresh(&refreshing, &tokens.user).await;
        done.send(reply.status.as_u16()).unwrap();
    });
    let told = app.identity.db().write(move |tx| {
        tx.all("SELECT id FROM account FOR UPDATE", &[], |row| {
            row.get::<String>(0)
        })?;
        held.notify_one();
        let told = is_done.recv_timeout(std::time::Duration::from_secs(10));
        Ok::<_, vestibule_identity::Error>(told.ok())
    });
    assert_eq!(told.await.unwrap(), Some(200));
    refresh.await.unwrap();
}
