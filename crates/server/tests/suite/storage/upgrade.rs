//! Older schemas: every one becomes the newest, with all that was in it.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;
use vestibule_db::{Db, Engine, Options};
use vestibule_identity::MIGRATIONS;

use super::fixture::{ADA, Fixture};
use crate::alphalearn::{self, PASSWORD, is_bearer, refresh, sign_in};
use crate::app::{TestApp, postgres_schema};
use crate::browser::is_live;
use crate::commands::Place;
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

/// What there must be of each table. Audit entries from before the chain are kept apart from it.
fn kept(old: &Fixture) -> BTreeMap<String, usize> {
    let mut kept = old.counts();
    if old.version < 3 {
        let entries = kept.remove("audit").unwrap_or_default();
        kept.insert("audit_before".to_owned(), entries);
    }
    kept
}

async fn counts(db: &Db, tables: BTreeMap<String, usize>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for table in tables.into_keys() {
        let sql: &'static str = format!("SELECT count(*) FROM {table}").leak();
        let rows: i64 = db
            .read(move |tx| tx.one(sql, &[], |row| row.get(0)))
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
    assert_eq!(counts(db, kept(old)).await, kept(old));
    if old.version >= 3 {
        let acme = app.cx("acme").await.tenant;
        let report = app.identity.verify_audit(&acme).await.unwrap();
        assert_eq!((report.fault, report.last > 3), (None, true));
    }
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
    app.pass(Duration::from_secs(61));
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

fn url(place: &Place) -> String {
    format!("sqlite:{}", place.path("data/vestibule.db").display())
}

/// A working directory with the database of an old program in it.
async fn old_place(old: &Fixture) -> Place {
    let place = Place::new();
    let db = Db::open(&Options::new(url(&place))).await.unwrap();
    old.load(&db).await;
    db.close().await;
    place
}

async fn version(place: &Place) -> Option<u32> {
    let db = Db::open(&Options::new(url(place))).await.unwrap();
    assert_eq!(db.check().await.unwrap(), Vec::<String>::new());
    let version = db.schema_version().await.unwrap();
    db.close().await;
    version
}

fn snapshots(place: &Place) -> Vec<String> {
    let names = std::fs::read_dir(place.path("data")).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".schema-") && !name.contains(".partial"))
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_leaves_the_old_schema_or_the_new_one() {
    const ROUNDS: u32 = 8;
    let newest = MIGRATIONS.last().unwrap().version;
    let migrate = "db migrate --data data --log off";
    for old in Fixture::all().iter().filter(|old| old.version < newest) {
        let since = Instant::now();
        old_place(old).await.run(migrate).done();
        let whole = since.elapsed();
        for round in 0..ROUNDS {
            let place = old_place(old).await;
            let mut command = place.command(migrate);
            let mut child = command.stdout(Stdio::null()).spawn().unwrap();
            tokio::time::sleep(whole * round / ROUNDS).await;
            child.kill().unwrap();
            child.wait().unwrap();
            let (found, schemas) = (version(&place).await.unwrap(), old.version..=newest);
            assert!(schemas.contains(&found), "{found}");
            place.run(migrate).done();
            let db = Db::open(&Options::new(url(&place))).await.unwrap();
            assert_eq!(db.schema_version().await.unwrap(), Some(newest));
            assert_eq!(counts(&db, kept(old)).await, kept(old));
            db.close().await;
            let unfinished = std::fs::read_dir(place.path("data")).unwrap();
            let unfinished = unfinished.filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                name.to_str().unwrap().contains(".partial")
            });
            assert!(found == newest || unfinished.count() == 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_from_before_is_kept_beside() {
    let all = Fixture::all();
    let place = old_place(&all[0]).await;
    for day in 1..=4 {
        place.write(
            &format!("data/vestibule.db.schema-0-2020010{day}T000000Z"),
            "old",
        );
    }
    place.run("db migrate --data data").done();
    let left = snapshots(&place);
    assert_eq!(left.len(), 3, "{left:?}");
    let made = left.last().unwrap();
    assert!(made.starts_with("vestibule.db.schema-1-2"), "{made}");
    place.run("db migrate --data data").done();
    assert_eq!(snapshots(&place).len(), 3);
    let url = format!("sqlite:{}", place.path("data").join(made).display());
    let db = Db::open(&Options::new(url)).await.unwrap();
    assert_eq!(db.schema_version().await.unwrap(), Some(1));
    assert_eq!(counts(&db, all[0].counts()).await, all[0].counts());
    let place = old_place(&all[0]).await;
    place.run("db migrate --data data --no-snapshot").done();
    assert_eq!(snapshots(&place), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_waits_while_one_migrates() {
    let (place, url) = (Place::new(), postgres_schema().await);
    let (mut client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let migrating = client.transaction().await.unwrap();
    let hash = "hashtextextended(current_schema(), 7165028391)";
    let held = format!("SELECT pg_advisory_xact_lock({hash})");
    migrating.execute(&held, &[]).await.unwrap();
    let line = format!("db migrate --data data --database {url}");
    let mut second = place.command(&line).stdout(Stdio::null()).spawn().unwrap();
    let waiting = format!(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'
         AND (classid::bigint << 32 | objid::bigint) = {hash}"
    );
    for _ in 0..200 {
        let count: i64 = migrating.query_one(&waiting, &[]).await.unwrap().get(0);
        if count == 1 {
            break;
        }
        assert!(second.try_wait().unwrap().is_none(), "it did not wait");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let count: i64 = migrating.query_one(&waiting, &[]).await.unwrap().get(0);
    assert_eq!(count, 1);
    migrating.commit().await.unwrap();
    assert!(second.wait().unwrap().success());
}
