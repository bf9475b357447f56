//! What only PostgreSQL has: retries, lost connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Barrier;
use vestibule_db::{Db, Error, Options, Tx, params};

use crate::place::{Place, ids, insert, make_items, run};

const CONFLICT: &str = "DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$";
const KILL_ME: &str = "SELECT pg_terminate_backend(pg_backend_pid())";

#[tokio::test]
async fn a_serialization_failure_is_retried() {
    let place = Place::postgres().await;
    make_items(&place.db).await;
    let mut runs = 0;
    let result = place
        .db
        .write(move |tx| {
            runs += 1;
            insert(tx, runs, "x")?;
            if runs < 3 {
                tx.exec(CONFLICT, &[])?;
            }
            Ok::<_, Error>(runs)
        })
        .await;
    assert_eq!(result.unwrap(), 3);
    assert_eq!(ids(&place.db).await, [3]);
    place.remove().await;
}

#[tokio::test]
async fn retries_end() {
    let place = Place::postgres().await;
    let runs = Arc::new(AtomicU32::new(0));
    let counter = runs.clone();
    let result = place
        .db
        .write(move |tx| {
            counter.fetch_add(1, Ordering::Relaxed);
            // Even if the closure hides the error.
            let _ = tx.exec(CONFLICT, &[]);
            Ok::<_, Error>(())
        })
        .await;
    assert!(matches!(result, Err(Error::Busy)), "{result:?}");
    assert_eq!(runs.load(Ordering::Relaxed), 8);
    place.db.ping().await.unwrap();
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_resolved() {
    let place = Place::postgres().await;
    make_items(&place.db).await;
    place
        .db
        .write(|tx| insert(tx, 1, "a").and_then(|_| insert(tx, 2, "b")))
        .await
        .unwrap();
    let both_hold_one = Arc::new(Barrier::new(2));
    let tasks = [(1_i64, 2_i64), (2, 1)].map(|(first, second)| {
        let (db, barrier) = (place.db.clone(), both_hold_one.clone());
        tokio::spawn(async move {
            let runtime = tokio::runtime::Handle::current();
            let mut runs = 0;
            db.write(move |tx| {
                const TOUCH: &str =
                    "UPDATE item SET used_at = coalesce(used_at, 0) + 1 WHERE id = $1";
                runs += 1;
                tx.exec(TOUCH, &params![first])?;
                if runs == 1 {
                    runtime.block_on(barrier.wait());
                }
                tx.exec(TOUCH, &params![second])?;
                Ok::<_, Error>(runs)
            })
            .await
        })
    });
    let mut runs = 0;
    for task in tasks {
        runs += task.await.unwrap().unwrap();
    }
    assert_eq!(runs, 3, "one of the two ran twice");
    let touched = place
        .db
        .read(|tx| tx.all("SELECT used_at FROM item", &[], |row| row.get::<i64>(0)))
        .await;
    assert_eq!(touched.unwrap(), [2, 2]);
    place.remove().await;
}

#[tokio::test]
async fn a_connection_killed_in_the_middle_is_a_clean_error() {
    let place = Place::postgres().await;
    make_items(&place.db).await;
    let result = place
        .db
        .write(|tx| {
            insert(tx, 1, "x")?;
            tx.exec(KILL_ME, &[])?;
            insert(tx, 2, "y")
        })
        .await;
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    place.db.write(|tx| insert(tx, 3, "z")).await.unwrap();
    assert_eq!(ids(&place.db).await, [3]);
    place.remove().await;
}

#[tokio::test]
async fn idle_connections_that_died_go_unnoticed() {
    let place = Place::postgres().await;
    make_items(&place.db).await;
    let other = place.another().await;
    let end_it = async || {
        let pid = |tx: &mut Tx<'_>| tx.one("SELECT pg_backend_pid()", &[], |row| row.get::<i64>(0));
        let pid = place.db.read(pid).await.unwrap();
        // The second argument waits until the process is gone.
        run(&other, format!("SELECT pg_terminate_backend({pid}, 5000)")).await;
    };
    end_it().await;
    place.db.write(|tx| insert(tx, 1, "x")).await.unwrap();
    end_it().await;
    assert_eq!(ids(&place.db).await, [1]);
    // Which is another one; had it been the same, nothing would have ended.
    end_it().await;
    end_it().await;
    place.remove().await;
}

/// Makes COMMIT run `statements` for each transaction that inserts an item.
async fn at_commit(db: &Db, statements: &str) {
    run(
        db,
        format!(
            "CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN {statements} RETURN NULL; END $$"
        ),
    )
    .await;
    run(
        db,
        "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON item
         DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()",
    )
    .await;
}

#[tokio::test]
async fn a_connection_lost_during_commit_leaves_the_outcome_open() {
    let place = Place::postgres().await;
    make_items(&place.db).await;
    at_commit(&place.db, "PERFORM pg_terminate_backend(pg_backend_pid());").await;
    let result = place.db.write(|tx| insert(tx, 1, "x")).await;
    assert!(matches!(result, Err(Error::OutcomeUnknown)), "{result:?}");
    place.db.ping().await.unwrap();
    place.remove().await;
}

/// So a server says that it gave up waiting for its synchronous standby: the change is here, and may be nowhere else.
#[tokio::test]
async fn a_commit_that_is_warned_of_leaves_the_outcome_open() {
    let cases = [
        (
            "RAISE WARNING 'canceling wait for synchronous replication';",
            false,
        ),
        ("RAISE WARNING 'any other' USING ERRCODE = '57P01';", false),
        ("RAISE NOTICE 'by the way';", true),
        ("RAISE INFO 'by the way';", true),
    ];
    for (statement, sure) in cases {
        let place = Place::postgres().await;
        make_items(&place.db).await;
        at_commit(&place.db, statement).await;
        // What is warned of before COMMIT says nothing about it.
        let result = place.db.write(|tx| {
            tx.exec("DO $$ BEGIN RAISE WARNING 'early'; END $$", &[])?;
            insert(tx, 1, "x")
        });
        match (result.await, sure) {
            (Ok(1), true) | (Err(Error::OutcomeUnknown), false) => {}
            (other, _) => panic!("{statement}: {other:?}"),
        }
        place.db.ping().await.unwrap();
        place.remove().await;
    }
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_given_up() {
    let place = Place::postgres().await;
    let db = Db::open(&Options {
        limit: Some(Duration::from_millis(100)),
        ..place.options.clone()
    })
    .await
    .unwrap();
    const LONG: &str = "SELECT pg_sleep(0.3)";
    let given_up = db.read(|tx| tx.exec(LONG, &[])).await;
    assert!(
        matches!(&given_up, Err(Error::Unavailable(text)) if text.contains("timeout")),
        "{given_up:?}"
    );
    db.write_patiently(|tx| tx.exec(LONG, &[])).await.unwrap();
    db.close().await;
    place.remove().await;
}

#[tokio::test]
async fn a_conflict_found_by_commit_is_retried() {
    let place = Place::postgres().await;
    make_items(&place.db).await;
    run(&place.db, "CREATE SEQUENCE tries").await;
    let conflict = "IF nextval('tries') < 3 THEN RAISE 'conflict' USING ERRCODE = '40001'; END IF;";
    at_commit(&place.db, conflict).await;
    let mut runs = 0;
    let result = place
        .db
        .write(move |tx| {
            runs += 1;
            insert(tx, runs, "x")?;
            Ok::<_, Error>(runs)
        })
        .await;
    assert_eq!(result.unwrap(), 3);
    assert_eq!(ids(&place.db).await, [3]);
    place.remove().await;
}

#[tokio::test]
async fn a_refused_commit_is_an_error_and_leaves_nothing() {
    let place = Place::postgres().await;
    make_items(&place.db).await;
    at_commit(&place.db, "RAISE 'no' USING ERRCODE = '23514';").await;
    let result = place.db.write(|tx| insert(tx, 1, "x")).await;
    assert!(
        matches!(result, Err(Error::Constraint { .. })),
        "{result:?}"
    );
    assert_eq!(ids(&place.db).await, Vec::<i64>::new());
    place.remove().await;
}

#[tokio::test]
async fn a_plan_that_went_stale_is_made_anew() {
    let place = Place::postgres().await;
    make_items(&place.db).await;
    place.db.write(|tx| insert(tx, 1, "x")).await.unwrap();
    let columns = |tx: &mut Tx<'_>| tx.one("SELECT * FROM item", &[], |row| Ok(format!("{row:?}")));
    let mut before = place.db.read(columns).await.unwrap();
    for column in ["extra", "more"] {
        let added = format!("ALTER TABLE item ADD COLUMN {column} BIGINT");
        run(&place.another().await, added).await;
        let now = match column {
            "extra" => place.db.read(columns).await.unwrap(),
            _ => place.db.read_one(columns).await.unwrap(),
        };
        assert!(now.len() > before.len(), "{now}");
        before = now;
    }
    place.remove().await;
}

#[tokio::test]
async fn a_refused_login_or_missing_tls_shows_when_opening() {
    let place = Place::postgres().await;
    let base = &place.options.url;
    let error = Db::open(&Options::new(format!("{base}&sslmode=require"))).await;
    let text = error.unwrap_err().to_string();
    assert!(text.contains("TLS"), "{text}");
    let error = Db::open(&Options::new(format!("{base}&dbname=no_such_database"))).await;
    assert!(matches!(error, Err(Error::Unavailable(_))), "{error:?}");
    let error = Db::open(&Options::new("postgres://u:hunter2@127.0.0.1:1/d")).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    place.remove().await;
}

#[tokio::test]
async fn backup_names_pg_dump() {
    let place = Place::postgres().await;
    let error = place.db.backup("/tmp/x".as_ref(), |_, _| ()).await;
    assert!(
        matches!(&error, Err(Error::Unsupported(text)) if text.contains("pg_dump")),
        "{error:?}"
    );
    place.remove().await;
}

#[tokio::test]
async fn works_on_a_runtime_of_one_thread() {
    let place = Place::postgres().await;
    make_items(&place.db).await;
    let tasks: Vec<_> = (0..40_i64)
        .map(|id| {
            let db = place.db.clone();
            tokio::spawn(async move { db.write(move |tx| insert(tx, id, "x")).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(ids(&place.db).await.len(), 40);
    place.remove().await;
}
