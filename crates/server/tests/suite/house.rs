//! What must hold of the whole: every statement prepares on both engines, and both schemas are one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use vestibule_db::{Error, params};
use vestibule_identity::{ExchangePartnerToken, SessionKind, SignInPassword};

use crate::app::TestApp;

/// The files under a crate's folder that are wanted.
fn files(folder: &Path, wanted: fn(&Path) -> bool, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, wanted, found),
            false if wanted(&path) => found.push(path),
            false => {}
        }
    }
}

#[test]
fn the_threat_model_names_tests_that_exist() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = Vec::new();
    let rust = |path: &Path| path.extension().is_some_and(|extension| extension == "rs");
    files(&crates, rust, &mut sources);
    let sources: String = sources
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let page = include_str!("../../../../docs/src/inside/threats.md");
    let named: Vec<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|text| text.rsplit_once("::"))
        .map(|(_, name)| name)
        .collect();
    assert!(named.len() > 40, "the search is broken: {named:?}");
    for name in named {
        assert!(sources.contains(&format!("fn {name}(")), "{name} is gone");
    }
}

/// The string literals of a source file that are SQL.
fn statements(source: &str) -> Vec<String> {
    let parts = source.split('"').skip(1).step_by(2);
    let sql = parts.filter(|text| {
        ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "]
            .iter()
            .any(|verb| text.starts_with(verb))
    });
    sql.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_prepares_on_both_engines() {
    let mut found = Vec::new();
    files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../identity/src"),
        |path| path.ends_with("store.rs"),
        &mut found,
    );
    let all: Vec<(PathBuf, String)> = found
        .into_iter()
        .flat_map(|file| {
            statements(&std::fs::read_to_string(&file).unwrap())
                .into_iter()
                .map(move |sql| (file.clone(), sql))
        })
        .collect();
    assert!(
        all.len() > 60,
        "only {} statements found: the search is broken",
        all.len()
    );
    for app in [TestApp::sqlite().await, TestApp::postgres().await] {
        for (file, sql) in all.clone() {
            let prepared = app
                .identity
                .db()
                .read({
                    let sql = sql.clone();
                    move |tx| tx.prepare_only(&sql)
                })
                .await;
            assert!(
                prepared.is_ok(),
                "{} on {:?}: {prepared:?}\n{sql}",
                file.display(),
                app.identity.db().engine()
            );
        }
    }
}

type Columns = BTreeMap<(String, String), (String, bool)>;

async fn columns(app: &TestApp, sql: &'static str) -> Columns {
    let rows = app
        .identity
        .db()
        .read(move |tx| {
            tx.all(sql, &params![], |row| {
                let (table, column, kind, nullable): (String, String, String, i64) =
                    (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                Ok(((table, column), (kind, nullable == 1)))
            })
        })
        .await;
    let rows: Vec<_> = rows.map_err(|error: Error| error).unwrap();
    rows.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_schemas_are_one() {
    let sqlite = columns(
        &TestApp::sqlite().await,
        "SELECT m.name, c.name, c.type, CASE c.\"notnull\" WHEN 1 THEN 0 ELSE 1 END FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'",
    )
    .await;
    let postgres = columns(
        &TestApp::postgres().await,
        "SELECT table_name::text, column_name::text, CASE data_type WHEN 'bigint' THEN 'INTEGER' WHEN 'text' THEN 'TEXT' WHEN 'bytea' THEN 'BLOB' ELSE data_type::text END,
             CASE is_nullable WHEN 'YES' THEN 1 ELSE 0 END
         FROM information_schema.columns WHERE table_schema = current_schema()",
    )
    .await;
    assert!(sqlite.len() > 100, "{sqlite:?}");
    assert_eq!(sqlite, postgres);
}

async fn indexes(app: &TestApp, sql: &'static str) -> Vec<(String, i64)> {
    app.identity
        .db()
        .read(move |tx| {
            tx.all(sql, &params![], |row| {
                Ok::<_, Error>((row.get(0)?, row.get(1)?))
            })
        })
        .await
        .map_err(|error: Error| error)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_schemas_have_the_same_indexes() {
    let sqlite = indexes(
        &TestApp::sqlite().await,
        "SELECT i.name, i.\"unique\" FROM sqlite_schema AS m JOIN pragma_index_list(m.name) AS i WHERE m.type = 'table' AND i.origin = 'c' ORDER BY i.name",
    )
    .await;
    let postgres = indexes(
        &TestApp::postgres().await,
        "SELECT c.relname::text, CASE WHEN i.indisunique THEN 1 ELSE 0 END FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
         JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE n.nspname = current_schema() AND NOT EXISTS (SELECT 1 FROM pg_constraint AS k WHERE k.conindid = i.indexrelid) ORDER BY c.relname COLLATE \"C\"",
    )
    .await;
    assert!(sqlite.len() > 10, "{sqlite:?}");
    assert_eq!(sqlite, postgres);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_secret_key_is_refused_even_before_anything_was_sealed() {
    for app in [TestApp::sqlite().await, TestApp::postgres().await] {
        app.acme().await;
        let refused = app.under_another_secret_key().await.unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("the secret key is not the one"),
            "{refused}"
        );
        app.second_node().await;
    }
}

/// The stored hashes, passwords first.
async fn hashes(app: &TestApp) -> Vec<String> {
    let found = app
        .identity
        .db()
        .read(|tx| {
            let mut all = tx.all("SELECT phc FROM password", &params![], |row| row.get(0))?;
            all.extend(tx.all("SELECT phc FROM partner_secret", &params![], |row| {
                row.get::<String>(0)
            })?);
            Ok::<_, Error>(all)
        })
        .await;
    found.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_move_to_the_parameters_of_the_day_when_they_are_used() {
    for app in [TestApp::sqlite().await, TestApp::postgres().await] {
        let cx = app.acme().await;
        app.person(&cx, "ada@example.com", "violet-harbour-42", "Trainee")
            .await;
        let uid = || SecretString::from("uid of bob");
        let key = SecretString::from(app.api_key(&cx).await);
        let exchange = || ExchangePartnerToken {
            key: key.clone(),
            email: "bob@example.com".into(),
            uid: uid(),
        };
        app.identity
            .exchange_partner_token(&cx, exchange())
            .await
            .unwrap();
        let of = |cost: &'static str| move |phc: &String| phc.contains(cost);
        assert_eq!(
            hashes(&app)
                .await
                .iter()
                .filter(|phc| of(",t=1,")(phc))
                .count(),
            2
        );
        let dearer = app.dearer_core().await;
        for _ in 0..2 {
            let command = SignInPassword {
                email: "ada@example.com".into(),
                password: SecretString::from("violet-harbour-42"),
                captcha: None,
                kind: SessionKind::Api,
            };
            dearer.sign_in_password(&cx, command).await.unwrap();
            dearer
                .exchange_partner_token(&cx, exchange())
                .await
                .unwrap();
            assert_eq!(
                hashes(&app)
                    .await
                    .iter()
                    .filter(|phc| of(",t=2,")(phc))
                    .count(),
                2
            );
        }
    }
}
