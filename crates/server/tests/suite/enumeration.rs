//! Who has an account, and in which state, is not told: not by status, headers or body, and not by the work done, which is
//! counted in hashes, statements and commits rather than timed.
//!
//! Told on purpose, because the wire format or the page's purpose demands it, and bounded by limits:
//! - enclaive's sign-up answers 409 for an address that is taken; the page tells nobody but the mailbox;
//! - enclaive's `exist-email`, which a tenant can switch off;
//! - a partner with its private key learns that a person is suspended or has another uid;
//! - whoever holds a provider's ID token for an address learns whether it signs in here;
//! - where nothing names the tenant, somebody known in two companies costs two hashes: the password is looked for in each.

use serde_json::{Value, json};
use vestibule_identity::Cx;

use crate::app::{Reply, TestApp, on_both};
use crate::browser::ORIGIN;

const HOST: &str = "lms.acme.test";
const PASSWORD: &str = "violet-harbour-42-lanterns";
const WRONG: &str = "wrong-password-1";

/// One address for each state that an account can be in, all of one length.
const KNOWN: &str = "known@team.example";
const GHOST: &str = "ghost@team.example";
const SUSPENDED: &str = "suspd@team.example";
const PARTNERS_ONLY: &str = "prtnr@team.example";
const UNVERIFIED: &str = "unver@team.example";
const DELETED: &str = "gones@team.example";

async fn people(app: &TestApp) -> Cx {
    let cx = app.acme().await;
    // From elsewhere, so that nobody is known here.
    let elsewhere = app.from([198, 51, 100, 1]);
    for email in [KNOWN, SUSPENDED, DELETED] {
        app.person(&cx, email, PASSWORD, "Trainee").await;
    }
    let id_of = async |email: &str| app.identity.user(&cx, email).await.unwrap().id;
    let suspended = id_of(SUSPENDED).await;
    app.identity.suspend_user(&cx, &suspended).await.unwrap();
    let gone = id_of(DELETED).await;
    app.identity.delete_user(&cx, &gone).await.unwrap();
    let key = app.api_key(&cx).await;
    let reply = crate::rezi::exchange(&elsewhere, &key, PARTNERS_ONLY, "uid").await;
    reply.status(200);
    let body = json!({ "email": UNVERIFIED, "password": PASSWORD, "name": "Una" });
    let reply = elsewhere.post(HOST, "/api/register", &[], body).await;
    reply.status(200);
    app.mails().await;
    // What a node learns at the first request for a host of nobody.
    sign_in(app, "alphalearn by domain", "first@team.example", WRONG).await;
    cx
}

/// What a stranger can see of an answer, and what it cost.
#[derive(Debug, PartialEq)]
struct Seen {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    hashes: u64,
    statements: u64,
    commits: u64,
    waited: std::time::Duration,
}

/// The answer without what differs from request to request: its id, and the address that was typed.
fn face(reply: &Reply, email: &str) -> (u16, Vec<(String, String)>, String) {
    let id = reply.header("x-request-id");
    let plain = |text: &str| text.replace(id, "ID").replace(email, "EMAIL");
    let names = reply.headers.keys();
    let headers = names.map(|name| {
        let value = reply.header(name.as_str());
        (name.to_string(), shape_of_flow(&plain(value)))
    });
    let mut headers: Vec<_> = headers.collect();
    headers.sort();
    (reply.status.as_u16(), headers, plain(&reply.body))
}

/// What a browser remembers of its request is sealed: another text each time, of one length for addresses of one length.
fn shape_of_flow(value: &str) -> String {
    let Some(rest) = value.strip_prefix("__Host-vestibule-flow=") else {
        return value.to_owned();
    };
    let (sealed, attributes) = rest.split_once(';').unwrap();
    format!("flow of {} characters;{attributes}", sealed.len())
}

async fn seen(app: &TestApp, email: &str, ask: impl AsyncFn(&TestApp, &str) -> Reply) -> Seen {
    let (identity, db) = (&app.identity, app.identity.db());
    let before = (identity.hashes_done(), db.statements(), db.commits());
    let waited = app.waited();
    let reply = ask(app, email).await;
    let (status, headers, body) = face(&reply, email);
    Seen {
        status,
        headers,
        body,
        hashes: identity.hashes_done() - before.0,
        statements: db.statements() - before.1,
        commits: db.commits() - before.2,
        waited: app.waited() - waited,
    }
}

async fn post(app: &TestApp, path: &str, body: Value) -> Reply {
    app.post(HOST, path, &[], body).await
}

/// A surface, by a name for messages.
async fn sign_in(app: &TestApp, surface: &str, email: &str, password: &str) -> Reply {
    let body = json!({ "email": email, "password": password });
    match surface {
        "enclaive" => post(app, "/api/login", body).await,
        "alphalearn" => post(app, "/authorize/login", body).await,
        "alphalearn by domain" => {
            let body = json!({ "email": email, "password": password, "domain": HOST });
            app.post("api.vendor.test", "/authorize/login", &[], body)
                .await
        }
        "alphalearn anywhere" => {
            app.post("api.vendor.test", "/authorize/login", &[], body)
                .await
        }
        "page" => {
            let form = [("email", email), ("password", password)];
            app.post_form(HOST, "/sign-in", &[ORIGIN], &form).await
        }
        other => panic!("no surface {other}"),
    }
}

async fn forgot(app: &TestApp, surface: &str, email: &str) -> Reply {
    match surface {
        "enclaive" => post(app, "/api/forgot-password", json!({ "email": email })).await,
        "alphalearn" => {
            let reply = post(app, "/authorize/forgot-password", json!({ "email": email })).await;
            without_token(reply)
        }
        "alphalearn mailing" => {
            let body = json!({ "email": email, "sendEmailNotification": 1 });
            without_token(post(app, "/authorize/forgot-password", body).await)
        }
        "page" => {
            let form = [("email", email)];
            app.post_form(HOST, "/forgot-password", &[ORIGIN], &form)
                .await
        }
        other => panic!("no surface {other}"),
    }
}

/// The token is another one each time; its shape must not be.
fn without_token(reply: Reply) -> Reply {
    let token = reply.json()["data"]["response"]["data"]["token"].clone();
    let Some(token) = token.as_str().map(str::to_owned) else {
        return reply;
    };
    let shape: String = token
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' || c == '_' {
                'x'
            } else {
                c
            }
        })
        .collect();
    Reply {
        body: reply.body.replace(&token, &shape),
        ..reply
    }
}

on_both! {
    async fn signing_in_tells_nothing_of_the_account(app: TestApp) {
        people(&app).await;
        for surface in ["enclaive", "alphalearn", "alphalearn by domain", "page"] {
            let nobody = seen(&app, GHOST, async |app, email| sign_in(app, surface, email, WRONG).await).await;
            assert_eq!((nobody.status, nobody.hashes, nobody.commits), (401, 1, 1), "{surface}");
            for (email, password) in [(KNOWN, WRONG), (SUSPENDED, PASSWORD), (SUSPENDED, WRONG), (PARTNERS_ONLY, "uid"), (UNVERIFIED, WRONG), (DELETED, PASSWORD)] {
                let told = seen(&app, email, async |app, email| sign_in(app, surface, email, password).await).await;
                assert_eq!(told, nobody, "{surface}: {email}");
            }
        }
    }

    async fn signing_in_where_nothing_names_the_tenant_tells_nothing(app: TestApp) {
        people(&app).await;
        let ask = async |email: &str, password: &str| {
            seen(&app, email, async |app, email| sign_in(app, "alphalearn anywhere", email, password).await).await
        };
        let nobody = ask(GHOST, WRONG).await;
        assert_eq!((nobody.status, nobody.hashes, nobody.commits), (401, 1, 1));
        for (email, password) in [(KNOWN, WRONG), (SUSPENDED, PASSWORD), (PARTNERS_ONLY, "uid"), (UNVERIFIED, WRONG), (DELETED, PASSWORD)] {
            assert_eq!(ask(email, password).await, nobody, "{email}");
        }
    }

    async fn being_over_the_limit_tells_nothing_of_the_account(app: TestApp) {
        people(&app).await;
        for email in [KNOWN, GHOST, SUSPENDED, PARTNERS_ONLY, UNVERIFIED] {
            for _ in 0..50 {
                sign_in(&app, "enclaive", email, WRONG).await.status(401);
            }
        }
        for surface in ["enclaive", "alphalearn", "page"] {
            let nobody = seen(&app, GHOST, async |app, email| sign_in(app, surface, email, PASSWORD).await).await;
            assert_eq!((nobody.status, nobody.hashes, nobody.commits), (429, 0, 0), "{surface}");
            for email in [KNOWN, SUSPENDED, PARTNERS_ONLY, UNVERIFIED] {
                let told = seen(&app, email, async |app, email| sign_in(app, surface, email, PASSWORD).await).await;
                assert_eq!(told, nobody, "{surface}: {email}");
            }
        }
    }

    async fn asking_for_a_new_password_tells_nothing_of_the_account(app: TestApp) {
        people(&app).await;
        for surface in ["enclaive", "alphalearn", "alphalearn mailing", "page"] {
            let nobody = seen(&app, GHOST, async |app, email| forgot(app, surface, email).await).await;
            let status = if surface == "page" { 303 } else { 200 };
            assert_eq!((nobody.status, nobody.hashes, nobody.commits), (status, 0, 1), "{surface}");
            assert_eq!(nobody.waited.as_millis(), 100, "{surface}");
            for email in [KNOWN, SUSPENDED, PARTNERS_ONLY, UNVERIFIED, DELETED] {
                let told = seen(&app, email, async |app, email| forgot(app, surface, email).await).await;
                assert_eq!(told, nobody, "{surface}: {email}");
            }
        }
        let sent: Vec<String> = app.mails().await.into_iter().map(|mail| mail.to).collect();
        assert_eq!(sent.len(), 12, "four each to those who can be sent one: {sent:?}");
        assert!(sent.iter().all(|to| [KNOWN, PARTNERS_ONLY, UNVERIFIED].contains(&&**to)), "{sent:?}");
    }

    async fn a_mailed_code_tells_nothing_of_the_account(app: TestApp) {
        people(&app).await;
        let flow_of = async |email: &str| forgot(&app, "page", email).await.header("set-cookie").split(';').next().unwrap().to_owned();
        let mut told = Vec::new();
        for email in [GHOST, KNOWN, SUSPENDED, UNVERIFIED] {
            let flow = flow_of(email).await;
            let mut turns = Vec::new();
            for _ in 0..6 {
                turns.push(seen(&app, email, async |app, _| app.post_form(HOST, "/forgot-password/sent", &[ORIGIN, ("cookie", &flow)], &[("code", "123456")]).await).await);
            }
            told.push((email, turns));
        }
        let statuses: Vec<u16> = told[0].1.iter().map(|seen| seen.status).collect();
        assert_eq!(statuses, [400, 400, 400, 400, 400, 429]);
        for (email, turns) in &told {
            for (turn, seen) in turns.iter().enumerate() {
                let plain = |seen: &Seen| (seen.status, seen.headers.clone(), seen.body.replace("%40", "@").replace(email, "EMAIL").replace(GHOST, "EMAIL"), seen.hashes, seen.statements, seen.commits);
                assert_eq!(plain(seen), plain(&told[0].1[turn]), "{email}: try {}", turn + 1);
            }
        }
    }

    /// After five mails none goes out; that must not be seen either, nor the limit come at another count.
    async fn a_mailbox_that_is_spared_cannot_be_seen(app: TestApp) {
        people(&app).await;
        // So many refusals from here that further ones are no longer written down one by one.
        for n in 0..61 {
            sign_in(&app, "enclaive", &format!("nobody.{n}@team.example"), WRONG).await.status(401);
        }
        for turn in 0..21 {
            let nobody = seen(&app, GHOST, async |app, email| forgot(app, "enclaive", email).await).await;
            let known = seen(&app, KNOWN, async |app, email| forgot(app, "enclaive", email).await).await;
            assert_eq!(known, nobody, "request {}", turn + 1);
            assert_eq!(nobody.status, if turn < 20 { 200 } else { 429 });
        }
        assert_eq!(app.mails().await.len(), 5);
    }

    async fn a_reset_link_tells_nothing_of_whose_it_was(app: TestApp) {
        let cx = people(&app).await;
        app.person(&cx, "later@team.example", PASSWORD, "Trainee").await;
        let mut tokens = vec![("never given", "A".repeat(43))];
        for (what, email) in [("of a suspended person", "later@team.example"), ("used", KNOWN), ("expired", UNVERIFIED)] {
            forgot(&app, "enclaive", email).await.status(200);
            tokens.push((what, app.mailed_token(vestibule_identity::MailKind::ResetPassword).await));
        }
        let late = app.identity.user(&cx, "later@team.example").await.unwrap().id;
        app.identity.suspend_user(&cx, &late).await.unwrap();
        let reset = async |app: &TestApp, surface: &str, token: &str| match surface {
            "enclaive" => post(app, "/api/reset-password", json!({ "token": token, "newPassword": "copper-meadow-77-bicycles" })).await,
            "alphalearn" => post(app, "/authorize/reset-password", json!({ "token": token, "password": "copper-meadow-77-bicycles" })).await,
            _ => app.post_form(HOST, &format!("/reset-password/{token}"), &[ORIGIN], &[("password", "copper-meadow-77-bicycles")]).await,
        };
        reset(&app, "enclaive", &tokens[2].1).await.status(200);
        app.pass(std::time::Duration::from_secs(3_601));
        for surface in ["enclaive", "alphalearn", "page"] {
            let mut first = None;
            for (what, token) in &tokens {
                let told = seen(&app, token, async |app, token| reset(app, surface, token).await).await;
                // The page notes it, so that its reference leads to an entry.
                let noted = u64::from(surface == "page");
                assert_eq!((told.status, told.hashes, told.commits), (400, 0, noted), "{surface}: {what}");
                let first = first.get_or_insert_with(|| face_of(&told));
                assert_eq!(&face_of(&told), first, "{surface}: {what}");
            }
        }
    }

    /// What it tells is that the address is taken (see above); not whose it is, nor in which state.
    async fn a_dialects_sign_up_tells_no_more_than_that_an_address_is_taken(app: TestApp) {
        people(&app).await;
        let sign_up = async |app: &TestApp, email: &str| {
            post(app, "/api/register", json!({ "email": email, "password": PASSWORD, "name": "Somebody" })).await
        };
        let known = seen(&app, KNOWN, &sign_up).await;
        assert_eq!((known.status, known.hashes), (409, 1));
        for email in [SUSPENDED, PARTNERS_ONLY, UNVERIFIED] {
            assert_eq!(seen(&app, email, &sign_up).await, known, "{email}");
        }
    }

    async fn the_sign_up_page_tells_nothing(app: TestApp) {
        people(&app).await;
        let sign_up = async |app: &TestApp, email: &str| {
            let form = [("email", email), ("password", PASSWORD), ("name", "Somebody")];
            app.post_form(HOST, "/sign-up", &[ORIGIN], &form).await
        };
        let ghost = seen(&app, GHOST, &sign_up).await;
        assert_eq!((ghost.status, ghost.hashes, ghost.commits), (303, 1, 1));
        for email in [GHOST, KNOWN, SUSPENDED, PARTNERS_ONLY, UNVERIFIED, DELETED] {
            assert_eq!(seen(&app, email, &sign_up).await, ghost, "{email}");
        }
        // What comes after tells nothing either: a code that is none, and the password that was chosen.
        for email in [GHOST, KNOWN, SUSPENDED, UNVERIFIED, DELETED] {
            let form = [("email", email), ("password", WRONG), ("name", "Somebody")];
            let signed_up = app.post_form(HOST, "/sign-up", &[ORIGIN], &form).await;
            let flow = crate::browser::flow_cookie(&signed_up);
            let told = app.get(HOST, "/sign-up/sent", &[("cookie", &flow)]).await;
            assert!(told.status(200).body.contains(email) && told.body.contains("name=\"code\""), "{}", told.body);
            for tried in 0..6 {
                let wrong = app.post_form(HOST, "/sign-up/sent", &[ORIGIN, ("cookie", &flow)], &[("code", "000000")]).await;
                wrong.status(if tried < 5 { 400 } else { 429 });
            }
            sign_in(&app, "page", email, WRONG).await.status(401);
        }
    }
}

fn face_of(seen: &Seen) -> (u16, Vec<(String, String)>, String) {
    (seen.status, seen.headers.clone(), seen.body.clone())
}
