//! Databases as older programs left them: the rows of one schema, as SQL for both engines.
//!
//! `tests/schemas/NNNN.sql` holds what the program of schema NNNN wrote when the scenario below was played on it. Files
//! are never written anew: later programs can no longer make them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::json;
use vestibule_db::{Db, Engine, Error};
use vestibule_identity::MIGRATIONS;

use crate::alphalearn::{PASSWORD, tokens};
use crate::app::TestApp;
use crate::rezi::{EMAIL, HOST, UID, exchange, open, text};

pub const ADA: &str = "ada@example.com";

/// One of the files.
pub struct Fixture {
    pub version: u32,
    statements: Vec<String>,
    secrets: BTreeMap<String, String>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/schemas")
}

impl Fixture {
    /// All of them, oldest first.
    pub fn all() -> Vec<Fixture> {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        paths
            .iter()
            .map(|path| {
                let version = path.file_stem().unwrap().to_str().unwrap();
                let text = std::fs::read_to_string(path).unwrap();
                Fixture::parse(version.parse().unwrap(), &text)
            })
            .collect()
    }

    fn parse(version: u32, text: &str) -> Fixture {
        let secret = |line: &str| {
            let (name, value) = line.strip_prefix("-- ")?.split_once(" = ")?;
            Some((name.to_owned(), value.to_owned()))
        };
        Fixture {
            version,
            statements: text
                .lines()
                .filter(|line| !line.starts_with("--") && !line.is_empty())
                .map(str::to_owned)
                .collect(),
            secrets: text.lines().filter_map(secret).collect(),
        }
    }

    /// A token or key that the program of then handed out.
    pub fn secret(&self, name: &str) -> &str {
        &self.secrets[name]
    }

    /// Makes the schema of then in an empty database, and its rows.
    pub async fn load(&self, db: &Db) {
        let known = MIGRATIONS
            .iter()
            .filter(|migration| migration.version <= self.version)
            .count();
        let applied = db.migrate(&MIGRATIONS[..known], 0).await.unwrap();
        assert_eq!(applied.last(), Some(&self.version));
        let postgres = db.engine() == Engine::Postgres;
        let statements: Vec<&'static str> = self
            .statements
            .iter()
            .map(|sql| match postgres {
                true => sql.replace(", X'", ", '\\x"),
                false => sql.clone(),
            })
            .map(|sql| &*sql.leak())
            .collect();
        db.write(move |tx| {
            for sql in &statements {
                tx.exec(sql, &[])?;
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
    }

    /// How many rows each table has.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for sql in &self.statements {
            if let Some(rest) = sql.strip_prefix("INSERT INTO ") {
                let table = rest.split(' ').next().unwrap();
                *counts.entry(table.to_owned()).or_default() += 1;
            }
        }
        counts
    }
}

/// Rows that take more than a request to come about.
const ELSEWHERE: [&str; 8] = [
    "INSERT INTO provider_link (tenant_id, provider, subject, account_id, linked_at)
     SELECT tenant_id, 'google', '1234567890', id, created_at FROM account WHERE email = 'ada@example.com'",
    "INSERT INTO captcha_used (tenant_id, nonce, expires_at) SELECT id, X'0102', created_at FROM tenant",
    "INSERT INTO audit_before (tenant_id, at, id, event, outcome, actor, surface, request_id)
     SELECT id, created_at, 'r.1', 'tenant.created', 'done', 'operator', 'cli', 'r' FROM tenant",
    "INSERT INTO tenant_picture (tenant_id, name, content) SELECT id, '0102.png', X'0102' FROM tenant",
    "INSERT INTO mailed_code (tenant_id, flow, kind, code, token, tries, expires_at)
     SELECT id, X'01', 'verify_email', X'02', X'03', 1, created_at FROM tenant",
    "INSERT INTO sign_up (tenant_id, digest, sealed, expires_at) SELECT id, X'01', X'02', created_at FROM tenant",
    "INSERT INTO email_change (tenant_id, account_id, email, session_id, old_confirmed_at, new_confirmed_at, expires_at)
     SELECT tenant_id, account_id, 'ada@example.net', id, NULL, created_at, expires_at FROM session
      WHERE account_id = (SELECT id FROM account WHERE email = 'ada@example.com') LIMIT 1",
    "INSERT INTO account_deletion (tenant_id, account_id, due_at)
     SELECT tenant_id, id, created_at + 2592000000000 FROM account WHERE email = 'leaving@example.com'",
];

/// Plays what leaves rows in every table; answers what was handed out.
async fn play(app: &TestApp) -> Vec<(&'static str, String)> {
    let cx = app.acme().await;
    app.person(&cx, ADA, PASSWORD, "Trainee").await;
    app.person(&cx, "leaving@example.com", PASSWORD, "Trainee")
        .await;
    let key = app.api_key(&cx).await;
    let used = text(&exchange(app, &key, EMAIL, UID).await, "token");
    let cookie = open(app, &used, &[]).await.session_cookie().unwrap();
    let unused = text(&exchange(app, &key, EMAIL, UID).await, "token");
    let signed_in = tokens(app, HOST, ADA).await;
    let bearer = format!("Bearer {key}");
    let (path, forgot) = ("/authorize/forgot-password", json!({"email": ADA}));
    // The first one is mailed, the second handed to the back end that proves who it is.
    app.post(HOST, path, &[], forgot.clone()).await.status(200);
    let reply = app
        .post(HOST, path, &[("authorization", &bearer)], forgot)
        .await;
    let reset = crate::alphalearn::data(&reply)["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let wrong = json!({"email": ADA, "password": "wrong-password-1"});
    app.post(HOST, "/authorize/login", &[], wrong)
        .await
        .status(401);
    app.identity.seal_audit().await.unwrap();
    for sql in ELSEWHERE {
        let written = app.identity.db().write(|tx| tx.exec(sql, &[])).await;
        assert_eq!(written.unwrap(), 1);
    }
    vec![
        ("key", key),
        ("used login token", used),
        ("unused login token", unused),
        ("cookie", cookie),
        ("refresh", signed_in.refresh),
        ("access", signed_in.access),
        ("reset", reset),
    ]
}

/// The rows of a SQLite database, tables in the order of their making.
async fn dump(db: &Db) -> String {
    let tables: Vec<String> = db
        .read(|tx| {
            tx.all(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'schema_migration' ORDER BY rowid",
                &[],
                |row| row.get(0),
            )
        })
        .await
        .unwrap();
    let mut out = String::from("DELETE FROM catalog;\n");
    for table in tables {
        let names: &'static str =
            format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid").leak();
        let columns: Vec<String> = db
            .read(move |tx| tx.all(names, &[], |row| row.get(0)))
            .await
            .unwrap();
        let quoted: Vec<String> = columns
            .iter()
            .map(|name| format!("quote({name})"))
            .collect();
        let quoted = quoted.join(" || ', ' || ");
        let sql: &'static str = format!("SELECT {quoted} FROM {table} ORDER BY 1").leak();
        let rows: Vec<String> = db
            .read(move |tx| tx.all(sql, &[], |row| row.get(0)))
            .await
            .unwrap();
        assert!(
            !rows.is_empty() || !is_written(),
            "no row in {table}: extend `play`"
        );
        for row in rows {
            writeln!(
                out,
                "INSERT INTO {table} ({}) VALUES ({row});",
                columns.join(", ")
            )
            .unwrap();
        }
    }
    out
}

fn is_written() -> bool {
    std::env::var("VESTIBULE_TEST_WRITE_SCHEMA").is_ok()
}

/// Keeps the scenario working; with VESTIBULE_TEST_WRITE_SCHEMA it writes the newest schema's file.
#[tokio::test(flavor = "multi_thread")]
async fn the_scenario_leaves_rows_that_can_be_loaded() {
    let app = TestApp::sqlite().await;
    let secrets = play(&app).await;
    let version = MIGRATIONS.last().unwrap().version;
    let mut text = format!("-- What the program of schema {version} wrote. Never edited.\n");
    for (name, value) in secrets {
        writeln!(text, "-- {name} = {value}").unwrap();
    }
    text.push_str(&dump(app.identity.db()).await);
    let path = folder().join(format!("{version:04}.sql"));
    if is_written() && !path.exists() {
        std::fs::write(&path, &text).unwrap();
    }
    let fixture = Fixture::parse(version, &text);
    TestApp::sqlite_of(&fixture).await;
    TestApp::postgres_of(&fixture).await;
}
