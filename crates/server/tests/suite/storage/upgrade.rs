//! Older schemas: every one becomes the newest, with all that was in it.

use std::collections::BTreeMap;

use serde_json::json;
use vestibule_db::{Db, Engine, Error};

use super::fixture::{ADA, Fixture};
use crate::alphalearn::{self, PASSWORD, is_bearer, refresh, sign_in};
use crate::app::TestApp;
use crate::browser::is_live;
use crate::rezi::{EMAIL, HOST, UID, exchange, open};

/// Everything that defines the schema, one line each.
async fn schema(db: &Db) -> Vec<String> {
    let sql = match db.engine() {
        Engine::Sqlite => {
            "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || coalesce(sql, '') AS line FROM sqlite_schema ORDER BY line"
        }
        Engine::Postgres => {
            "SELECT line COLLATE \"C\" FROM (
               SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default, collation_name) AS line
                 FROM information_schema.columns WHERE table_schema = current_schema()
               UNION ALL SELECT replace(indexdef, schemaname || '.', '') FROM pg_indexes WHERE schemaname = current_schema()
               UNION ALL SELECT concat_ws(' ', conrelid::regclass::text, pg_get_constraintdef(oid)) FROM pg_constraint
                 WHERE connamespace = current_schema()::regnamespace
             ) AS lines ORDER BY 1"
        }
    };
    db.read(move |tx| tx.all(sql, &[], |row| row.get(0)))
        .await
        .unwrap()
}

async fn counts(db: &Db, tables: Vec<String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for table in tables {
        let sql: &'static str = format!("SELECT count(*) FROM {table}").leak();
        let rows: i64 = db
            .read(move |tx| Ok::<_, Error>(tx.one(sql, &[], |row| row.get(0))?))
            .await
            .unwrap();
        counts.insert(table, usize::try_from(rows).unwrap());
    }
    counts
}

/// The rows are all there, and everything that was handed out still does what it did.
async fn assert_whole(app: &TestApp, old: &Fixture, fresh: &TestApp) {
    let db = app.identity.db();
    assert_eq!(schema(db).await, schema(fresh.identity.db()).await);
    let tables = old.counts().into_keys().collect();
    assert_eq!(counts(db, tables).await, old.counts());
    sign_in(app, HOST, ADA, PASSWORD).await.status(200);
    assert!(is_bearer(app, HOST, old.secret("access")).await);
    assert!(is_live(app, old.secret("cookie")).await);
    let next = refresh(app, HOST, old.secret("refresh")).await;
    assert!(!alphalearn::data(&next)["token"].is_null());
    open(app, old.secret("unused login token"), &[])
        .await
        .status(303);
    exchange(app, old.secret("key"), EMAIL, UID)
        .await
        .status(200);
    let body = json!({"token": old.secret("reset"), "password": "copper-meadow-77-bridges"});
    let reset = app.post(HOST, "/authorize/reset-password", &[], body.clone());
    reset.await.status(200);
    let again = app.post(HOST, "/authorize/reset-password", &[], body);
    again.await.status(400);
    assert_eq!(app.mails().await.len(), 2);
    app.pass(std::time::Duration::from_secs(61));
    open(app, old.secret("used login token"), &[])
        .await
        .status(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_older_schema_becomes_the_newest_with_all_that_was_in_it() {
    let (sqlite, postgres) = (TestApp::sqlite().await, TestApp::postgres().await);
    let all = Fixture::all();
    assert_eq!(all.first().map(|old| old.version), Some(1));
    for old in all {
        assert_whole(&TestApp::sqlite_of(&old).await, &old, &sqlite).await;
        assert_whole(&TestApp::postgres_of(&old).await, &old, &postgres).await;
    }
}
