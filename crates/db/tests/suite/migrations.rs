//! `Db::migrate`.

use vestibule_db::{Error, MigrateError, Migration, params};

use crate::place::Place;

const FIRST: Migration = Migration {
    version: 1,
    name: "account",
    sql: "CREATE TABLE account (
        id BLOB NOT NULL PRIMARY KEY,
        email TEXT NOT NULL UNIQUE, -- TEXT, in any case
        created_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX account_created ON account (created_at);",
};
const SECOND: Migration = Migration {
    version: 2,
    name: "account_name",
    sql: "ALTER TABLE account ADD COLUMN name TEXT NOT NULL DEFAULT 'a BLOB';",
};
const BROKEN: Migration = Migration {
    version: 2,
    name: "broken",
    sql: "CREATE TABLE half (id INTEGER NOT NULL) STRICT; INSERT INTO nowhere VALUES (1);",
};

static ONE: [Migration; 1] = [FIRST];
static TWO: [Migration; 2] = [FIRST, SECOND];
static ONLY_SECOND: [Migration; 1] = [SECOND];
static WITH_BROKEN: [Migration; 2] = [FIRST, BROKEN];
static DESCENDING: [Migration; 2] = [SECOND, FIRST];
static EDITED: [Migration; 2] = [
    Migration {
        sql: "CREATE TABLE account (id BLOB NOT NULL PRIMARY KEY) STRICT;",
        ..FIRST
    },
    SECOND,
];

on_both! {
    async fn migrations_are_applied_once(place: &Place) {
        assert_eq!(place.db.schema_version().await.unwrap(), None);
        assert_eq!(place.db.migrate(&ONE, 5).await.unwrap(), [1]);
        assert_eq!(place.db.schema_version().await.unwrap(), Some(1));
        assert_eq!(place.db.migrate(&TWO, 6).await.unwrap(), [2]);
        assert_eq!(place.db.migrate(&TWO, 7).await.unwrap(), Vec::<u32>::new());
        let kept = place.db.read(|tx| {
            tx.all("SELECT version, name, applied_at FROM schema_migration ORDER BY version", &[], |row| {
                Ok((row.get::<u32>(0)?, row.get::<String>(1)?, row.get::<i64>(2)?))
            })
        });
        assert_eq!(
            kept.await.unwrap(),
            [(1, "account".to_owned(), 5), (2, "account_name".to_owned(), 6)]
        );
    }

    async fn the_tables_take_the_same_values(place: &Place) {
        place.db.migrate(&TWO, 0).await.unwrap();
        let emails = ["Zoe", "anna", "Émile", "Anna", "zoe", "émile", "a-b", "ab"];
        place.db.write(move |tx| {
            for (at, email) in (i64::MAX - 100..).zip(emails) {
                tx.exec(
                    "INSERT INTO account (id, email, created_at) VALUES ($1, $2, $3)",
                    &params![email.as_bytes(), email, at],
                )?;
            }
            Ok::<_, Error>(())
        }).await.unwrap();
        let sorted = place.db.read(|tx| {
            tx.all("SELECT email, name FROM account ORDER BY email", &[], |row| {
                assert_eq!(row.get::<String>(1)?, "a BLOB");
                row.get::<String>(0)
            })
        }).await.unwrap();
        let mut bytewise = emails;
        bytewise.sort_unstable();
        assert_eq!(sorted, bytewise);
    }

    async fn a_wrong_type_is_refused(place: &Place) {
        place.db.migrate(&TWO, 0).await.unwrap();
        let result = place.db.write(|tx| {
            tx.exec("INSERT INTO account (id, email, created_at) VALUES ($1, $2, $3)", &params![b"a", "a", "now"])
        });
        let error = result.await.unwrap_err();
        assert!(matches!(error, Error::Constraint { .. } | Error::Parameter { number: 3, .. }), "{error:?}");
    }

    async fn an_edited_migration_is_refused(place: &Place) {
        place.db.migrate(&TWO, 0).await.unwrap();
        let error = place.db.migrate(&EDITED, 0).await.unwrap_err();
        assert!(matches!(error, MigrateError::Edited { version: 1, .. }), "{error:?}");
    }

    async fn a_newer_schema_is_refused(place: &Place) {
        place.db.migrate(&TWO, 0).await.unwrap();
        let error = place.db.migrate(&ONE, 0).await.unwrap_err().to_string();
        assert!(error.contains("this binary knows 1, the database has 2"), "{error}");
    }

    async fn a_migration_in_between_is_refused(place: &Place) {
        place.db.write(|tx| tx.exec("CREATE TABLE account (id BIGINT)", &[])).await.unwrap();
        place.db.migrate(&ONLY_SECOND, 0).await.unwrap();
        let error = place.db.migrate(&TWO, 0).await.unwrap_err();
        assert!(matches!(error, MigrateError::Skipped { version: 1, found: 2, .. }), "{error:?}");
    }

    async fn a_list_out_of_order_is_refused(place: &Place) {
        let error = place.db.migrate(&DESCENDING, 0).await.unwrap_err();
        assert!(matches!(error, MigrateError::Order { version: 1, .. }), "{error:?}");
        assert_eq!(place.db.schema_version().await.unwrap(), None);
    }

    async fn a_broken_migration_leaves_nothing_half_done(place: &Place) {
        let error = place.db.migrate(&WITH_BROKEN, 0).await.unwrap_err();
        assert!(matches!(error, MigrateError::Failed { version: 2, .. }), "{error:?}");
        // One line for an operator, with the whole chain of causes: no statement in it.
        assert!(std::error::Error::source(&error).is_none() && !error.to_string().contains("CREATE"), "{error}");
        assert_eq!(place.db.schema_version().await.unwrap(), Some(1));
        let half = place.db.read(|tx| tx.prepare_only("SELECT id FROM half")).await;
        assert!(half.is_err());
        assert_eq!(place.db.migrate(&TWO, 0).await.unwrap(), [2]);
    }

    async fn processes_that_migrate_at_once_share_the_work(place: &Place) {
        let mut tasks = Vec::new();
        for _ in 0..4 {
            let db = place.another().await;
            tasks.push(tokio::spawn(async move { db.migrate(&TWO, 0).await }));
        }
        let mut applied = Vec::new();
        for task in tasks {
            applied.extend(task.await.unwrap().unwrap());
        }
        applied.sort_unstable();
        assert_eq!(applied, [1, 2]);
    }
}
