//! Every row of the documentation's table: its number passes, one more does not, and after its window one passes again.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Mutex;
use vestibule_identity::{Span, limit};

use super::{HOST, PASSWORD, WRONG, lms_login, login, page_login, stranger};
use crate::app::{Reply, TestApp, on_both};
use crate::browser::ORIGIN;
use crate::enclaive::Tokens;

/// Rows whose numbers are too large to be driven to: a node on which the settings say this instead is.
const SCALED: [(&str, u32); 3] = [
    ("sign_in_tenant", 40),
    ("sign_up_tenant", 40),
    ("codes_tenant", 40),
];

/// A line of the table as a reader has it.
struct Row {
    name: String,
    most: u32,
    window: Duration,
    /// Whether what one node has counted counts at another.
    across: bool,
}

fn document() -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/src/running/limits.md"
    );
    std::fs::read_to_string(path).unwrap()
}

fn rows(document: &str) -> Vec<Row> {
    let lines = document.lines().filter(|line| line.starts_with("| `"));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            Row {
                name: cells[1].trim_matches('`').to_owned(),
                most: cells[2].parse().unwrap(),
                window: cells[3].parse::<Span>().unwrap().0,
                across: match cells[6] {
                    "node" => false,
                    "node and database" | "database" => true,
                    other => panic!("counted in {other}"),
                },
            }
        })
        .collect()
}

#[test]
fn the_documentation_prints_the_table_of_the_code() {
    let document = document();
    assert!(
        document.contains(&limit::markdown()),
        "docs/src/running/limits.md must hold\n{}",
        limit::markdown()
    );
    assert_eq!(rows(&document).len(), limit::TABLE.len());
}

/// What tries need besides the server.
struct Stage {
    key: String,
    cookie: String,
    /// Access tokens of several people.
    people: Vec<String>,
    flows: Mutex<BTreeMap<usize, String>>,
}

/// How a try ended.
#[derive(Debug, PartialEq)]
enum Try {
    Passed,
    /// Seconds until the next may pass, where the answer says so.
    Refused(Option<u64>),
}

fn judge(reply: &Reply, passes: &[u16]) -> Try {
    let status = reply.status.as_u16();
    if status == 429 {
        return Try::Refused(Some(reply.header("retry-after").parse().unwrap()));
    }
    assert!(passes.contains(&status), "{status} {}", reply.body);
    Try::Passed
}

/// The same person in different spellings.
fn spelt(n: usize) -> &'static str {
    ["eve@team.example", " EVE@team.example", "Eve@TEAM.example "][n % 3]
}

/// The n-th try towards a limit, each by another way where there are several.
async fn attempt(app: &TestApp, stage: &Stage, name: &str, n: usize) -> Try {
    let here = app.from(stranger(n));
    let fresh = format!("{name}.{n}@team.example");
    match name {
        "sign_in_account" => {
            let reply = match n % 3 {
                0 => login(&here, spelt(n), WRONG).await,
                1 => lms_login(&here, spelt(n), WRONG).await,
                _ => page_login(&here, spelt(n), WRONG, "").await,
            };
            judge(&reply, &[401])
        }
        "sign_in_address" => judge(&login(app, &fresh, WRONG).await, &[401]),
        "sign_in_tenant" => judge(&lms_login(&here, &fresh, WRONG).await, &[401]),
        "password_change" => {
            let headers = [ORIGIN, ("cookie", &*stage.cookie)];
            let form = [("current", WRONG), ("new", "copper-meadow-77-bicycles")];
            let reply = here.post_form(HOST, "/account/password", &headers, &form);
            judge(&reply.await, &[401])
        }
        "sign_up_address" => judge(&sign_up(app, &fresh, n).await, &[200, 303]),
        // Whoever signs up with it goes away again, each time.
        "sign_up_email" => {
            let tried = judge(&sign_up(&here, spelt(n), n).await, &[200, 303]);
            let cx = app.cx("acme").await;
            if let Ok(eve) = app.identity.user(&cx, "eve@team.example").await {
                app.identity.delete_user(&cx, &eve.id).await.unwrap();
            }
            tried
        }
        "sign_up_tenant" => judge(&sign_up(&here, &fresh, n).await, &[200, 303]),
        "forgot_account" => judge(&forgot(&here, spelt(n), n).await, &[200, 303]),
        "forgot_address" => judge(&forgot(app, &fresh, n).await, &[200, 303]),
        "reset_mails" => {
            judge(&forgot(&here, "ada@team.example", n).await, &[200, 303]);
            match app.mails().await.len() {
                0 => Try::Refused(None),
                sent => {
                    assert_eq!(sent, 1);
                    Try::Passed
                }
            }
        }
        "verification_mail_pause" => judge(&mail(app, name, n).await, &[200]),
        "verification_mails" => {
            app.pass(Duration::from_secs(61));
            judge(&mail(app, name, n).await, &[200])
        }
        // The code of one request, known here to nobody.
        "code_tries" => {
            let flow = flow(&here, stage, n / 6).await;
            judge(&mailed_code(&here, &flow).await, &[400])
        }
        "codes_account" => {
            let flow = flow_of(&here, stage, 1_000 + n.div_ceil(4), "codes@team.example").await;
            judge(&mailed_code(&here, &flow).await, &[400])
        }
        "codes_address" => {
            let flow = flow(&here, stage, 2_000 + n.div_ceil(4)).await;
            judge(&mailed_code(app, &flow).await, &[400])
        }
        "codes_tenant" => {
            let flow = flow(&here, stage, 100 + n.div_ceil(4)).await;
            judge(&mailed_code(&here, &flow).await, &[400])
        }
        "email_changes" => {
            let headers = [ORIGIN, ("cookie", &*stage.cookie)];
            let form = [("email", &*fresh), ("password", PASSWORD)];
            let reply = here.post_form(HOST, "/account/email", &headers, &form);
            judge(&reply.await, &[303])
        }
        "email_change_address" => {
            let person = &stage.people[n % stage.people.len()];
            judge(&wish(app, person, &fresh).await, &[202])
        }
        "email_change_mails" => {
            let person = &stage.people[n % stage.people.len()];
            judge(&wish(&here, person, "stranger@team.example").await, &[202])
        }
        "email_exists" => {
            let path = format!("/api/exist-email/{fresh}");
            judge(&app.get(HOST, &path, &[]).await, &[200])
        }
        "bad_tokens" => judge(&bad_token(app, n).await, &[400, 401]),
        "wrong_uid_account" => exchange(&here, stage, "partner.0@team.example", n).await,
        "wrong_uid_key" => {
            exchange(&here, stage, &format!("partner.{}@team.example", n / 10), n).await
        }
        other => panic!("nobody drives the limit {other}"),
    }
}

/// Asks for another address, with a person's access token.
async fn wish(app: &TestApp, bearer: &str, email: &str) -> Reply {
    let headers = [("authorization", bearer)];
    let body = json!({ "email": email, "password": PASSWORD });
    app.post(HOST, "/account/v1/email", &headers, body).await
}

async fn sign_up(app: &TestApp, email: &str, n: usize) -> Reply {
    if n.is_multiple_of(2) {
        let body = json!({ "email": email, "password": PASSWORD, "name": "Eve" });
        return app.post(HOST, "/api/register", &[], body).await;
    }
    let form = [("email", email), ("password", PASSWORD), ("name", "Eve")];
    app.post_form(HOST, "/sign-up", &[ORIGIN], &form).await
}

async fn forgot(app: &TestApp, email: &str, n: usize) -> Reply {
    let body = json!({ "email": email });
    match n % 3 {
        0 => app.post(HOST, "/api/forgot-password", &[], body).await,
        1 => {
            app.post(HOST, "/authorize/forgot-password", &[], body)
                .await
        }
        _ => {
            let form = [("email", email)];
            app.post_form(HOST, "/forgot-password", &[ORIGIN], &form)
                .await
        }
    }
}

/// The cookie of a browser that asked for a new password, the same for the same number.
async fn flow(app: &TestApp, stage: &Stage, request: usize) -> String {
    let email = format!("flow.{request}@team.example");
    flow_of(app, stage, request, &email).await
}

async fn flow_of(app: &TestApp, stage: &Stage, request: usize, email: &str) -> String {
    let mut flows = stage.flows.lock().await;
    if let Some(known) = flows.get(&request) {
        return known.clone();
    }
    let form = [("email", email)];
    let reply = app.post_form(HOST, "/forgot-password", &[ORIGIN], &form);
    let reply = reply.await;
    let cookie = reply.status(303).header("set-cookie").split(';').next();
    let cookie = cookie.unwrap().to_owned();
    flows.insert(request, cookie.clone());
    cookie
}

async fn mailed_code(app: &TestApp, flow: &str) -> Reply {
    let headers = [ORIGIN, ("cookie", flow)];
    let form = [("code", "123456")];
    app.post_form(HOST, "/forgot-password/sent", &headers, &form)
        .await
}

/// The first mail goes out with the sign-up.
async fn mail(app: &TestApp, row: &str, n: usize) -> Reply {
    let email = format!("{row}@team.example");
    if n == 0 {
        return sign_up(app, &email, 0).await;
    }
    let tokens = Tokens::of(&login(app, &email, PASSWORD).await);
    let bearer = format!("Bearer {}", tokens.user);
    let headers = [("authorization", &*bearer)];
    app.get(HOST, "/api/resend-email-verification", &headers)
        .await
}

async fn bad_token(app: &TestApp, n: usize) -> Reply {
    let body = json!({ "token": "nobody-knows", "newPassword": PASSWORD, "refreshToken": "x" });
    match n % 4 {
        0 => app.post(HOST, "/api/reset-password", &[], body).await,
        1 => app.get(HOST, "/api/verify-email/nobody-knows", &[]).await,
        2 => app.post(HOST, "/authorize/refresh-token", &[], body).await,
        _ => app.get(HOST, "/login/?token=nobody-knows", &[]).await,
    }
}

/// A wrong secret for somebody who is connected.
async fn exchange(app: &TestApp, stage: &Stage, email: &str, n: usize) -> Try {
    let uid = format!("guess {n}");
    let reply = crate::rezi::exchange(app, &stage.key, email, &uid).await;
    judge(&reply, &[401])
}

/// Runs a row's tries, one more there and at another node, and what comes after them.
async fn drive((app, other): (&TestApp, &TestApp), stage: &Stage, row: &Row) {
    let name = &*row.name;
    for n in 0..row.most as usize {
        let passed = attempt(app, stage, name, n).await;
        assert_eq!(
            passed,
            Try::Passed,
            "{name}: number {} of {}",
            n + 1,
            row.most
        );
    }
    let beyond = row.most as usize;
    let refused = attempt(app, stage, name, beyond).await;
    let Try::Refused(wait) = refused else {
        panic!("{name}: number {} passed", beyond + 1);
    };
    let there = attempt(other, stage, name, beyond).await;
    assert_eq!(
        there != Try::Passed,
        row.across,
        "{name} at another node: {there:?}"
    );
    let window = row.window.as_secs();
    let wait = wait.unwrap_or(window);
    assert!((1..=window + 1).contains(&wait), "{name}: {wait}");
    app.pass(Duration::from_secs(wait));
    let again = attempt(app, stage, name, beyond + 1).await;
    assert_eq!(again, Try::Passed, "{name}: after {wait} s");
}

on_both! {
    async fn every_row_holds_at_its_number_and_no_longer_than_its_window(app: TestApp) {
        let cx = app.acme().await;
        app.person(&cx, "ada@team.example", PASSWORD, "Trainee").await;
        let key = app.api_key(&cx).await;
        for row in rows(&document()) {
            // Nothing that an earlier row counted counts any more.
            app.pass(Duration::from_secs(7_200));
            let scaled = SCALED.iter().find(|(name, _)| *name == row.name);
            let numbers: Vec<_> = scaled.into_iter().copied().collect();
            let row = Row { most: scaled.map_or(row.most, |(_, most)| *most), ..row };
            let (app, other) = (app.with_limits(&numbers).await, app.with_limits(&numbers).await);
            let mut stage = Stage { key: key.clone(), cookie: String::new(), people: Vec::new(), flows: Mutex::default() };
            match &*row.name {
                "password_change" | "email_changes" => {
                    stage.cookie = page_login(&app, "ada@team.example", PASSWORD, "").await.session_cookie().unwrap();
                }
                "email_change_address" | "email_change_mails" => {
                    for n in 0..10 {
                        let email = format!("{}.person.{n}@team.example", row.name);
                        app.person(&cx, &email, PASSWORD, "Trainee").await;
                        stage.people.push(crate::browser::bearer(&app, &email, PASSWORD).await);
                    }
                }
                "wrong_uid_account" | "wrong_uid_key" => {
                    for n in 0..=row.most / 10 {
                        crate::rezi::exchange(&app, &key, &format!("partner.{n}@team.example"), "right").await.status(200);
                    }
                }
                _ => {}
            }
            drive((&app, &other), &stage, &row).await;
            app.mails().await;
        }
    }
}
