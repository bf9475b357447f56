//! A real PgBouncer in transaction mode between us and PostgreSQL.

use std::time::Duration;

use vestibule_db::{Db, Error, Migration, Options, params};

use crate::pgbouncer::PgBouncer;
use crate::place::{ids, insert, make_items, postgres_url, run, unique};

async fn pooler(settings: &str) -> (PgBouncer, Options) {
    let pooler = PgBouncer::start(&postgres_url(), unique(), settings).await;
    let options = Options::new(pooler.url());
    (pooler, options)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_work_through_a_transaction_pooler() {
    // With and without the setting that makes it swallow what it does not know.
    for settings in ["", "ignore_startup_parameters = options,extra_float_digits"] {
        let (pooler, options) = pooler(settings).await;
        let (one, two) = (
            Db::open(&options).await.unwrap(),
            Db::open(&options).await.unwrap(),
        );
        static SCHEMA: &[Migration] = &[Migration {
            version: 1,
            name: "all types",
            sql: "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, k BLOB, n TEXT) STRICT;",
        }];
        let both = tokio::join!(one.migrate(SCHEMA, 0), two.migrate(SCHEMA, 0));
        assert_eq!(both.0.unwrap().len() + both.1.unwrap().len(), 1);
        make_items(&one).await;
        let tasks: Vec<_> = (0..60_i64)
            .map(|id| {
                let db = [&one, &two][usize::try_from(id % 2).unwrap()].clone();
                tokio::spawn(async move {
                    // Different texts in a different order at each client: a name left behind would be met again.
                    if id % 3 == 0 {
                        db.read(|tx| {
                            tx.all("SELECT name FROM item", &[], |row| row.get::<String>(0))
                        })
                        .await?;
                    }
                    db.write(move |tx| {
                        insert(tx, id, "x")?;
                        tx.exec(
                            "INSERT INTO t VALUES ($1, $2, $3)",
                            &params![id, vec![1_u8, 0], None::<String>],
                        )
                    })
                    .await
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(ids(&two).await.len(), 60);
        let missing = "SELECT count(*) FROM t WHERE n IS NULL AND k = $1 AND id < $2";
        let count = two
            .read(move |tx| {
                tx.one(missing, &params![vec![1_u8, 0], 30], |row| {
                    row.get::<i64>(0)
                })
            })
            .await;
        assert_eq!(count.unwrap(), 30);
        one.close().await;
        two.close().await;
        pooler.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_and_unknown_outcomes_hold_through_a_transaction_pooler() {
    let (pooler, options) = pooler("").await;
    let db = Db::open(&Options {
        limit: Some(Duration::from_millis(100)),
        ..options
    })
    .await
    .unwrap();
    make_items(&db).await;
    let given_up = db.read(|tx| tx.exec("SELECT pg_sleep(0.3)", &[])).await;
    assert!(
        matches!(&given_up, Err(Error::Unavailable(text)) if text.contains("timeout")),
        "{given_up:?}"
    );
    // The setting went with its transaction.
    run(&db, "CREATE FUNCTION w() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'w'; RETURN NULL; END $$").await;
    run(&db, "CREATE CONSTRAINT TRIGGER w AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION w()").await;
    let result = db.write(|tx| insert(tx, 1, "x")).await;
    assert!(matches!(result, Err(Error::OutcomeUnknown)), "{result:?}");
    db.close().await;
    pooler.stop().await;
}
