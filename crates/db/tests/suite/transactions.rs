//! What a closure's transaction promises.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use vestibule_db::{ConstraintKind, Db, Error, Options, Tx, params};

use crate::place::{Place, ids, insert, make_items, run, start};

on_both! {
    async fn an_error_or_a_panic_undoes_only_its_own_closure(place: &Place) {
        make_items(&place.db).await;
        let writes: Vec<_> = (0..30_i64)
            .map(|id| {
                place.db.write(move |tx| {
                    insert(tx, id, "x")?;
                    match id % 3 {
                        0 => Ok(id),
                        1 => Err(Error::NoRow),
                        _ => panic!("expected by the test"),
                    }
                })
            })
            .map(start)
            .collect();
        for (id, write) in (0..30_i64).zip(writes) {
            let result = write.await;
            match id % 3 {
                0 => assert!(matches!(result, Ok(got) if got == id), "{result:?}"),
                1 => assert!(matches!(result, Err(Error::NoRow)), "{result:?}"),
                _ => assert!(matches!(result, Err(Error::Panicked)), "{result:?}"),
            }
        }
        let expected: Vec<i64> = (0..30).filter(|id| id % 3 == 0).collect();
        assert_eq!(ids(&place.db).await, expected);
    }

    async fn a_panic_in_read_is_an_error(place: &Place) {
        let result = place.db.read(|_| -> Result<(), Error> { panic!("expected by the test") }).await;
        assert!(matches!(result, Err(Error::Panicked)), "{result:?}");
        place.db.ping().await.unwrap();
    }

    async fn a_dropped_future_still_commits(place: &Place) {
        make_items(&place.db).await;
        let (go, wait) = mpsc::channel();
        drop(start(place.db.write(move |tx| {
            wait.recv().unwrap();
            insert(tx, 1, "x")
        })));
        go.send(()).unwrap();
        place.db.close().await;
        assert_eq!(ids(&place.another().await).await, [1]);
    }

    async fn constraints_are_told_apart(place: &Place) {
        make_items(&place.db).await;
        run(&place.db, "CREATE UNIQUE INDEX item_by_name ON item (name)").await;
        run(&place.db, "CREATE TABLE part (item_id BIGINT REFERENCES item, n BIGINT CHECK (n > 0))").await;
        place.db.write(|tx| insert(tx, 1, "a")).await.unwrap();
        let cases = [
            ("INSERT INTO item (id, name) VALUES (1, 'b')", ConstraintKind::Unique),
            ("INSERT INTO item (id, name) VALUES (2, 'a')", ConstraintKind::Unique),
            ("INSERT INTO item (id) VALUES (2)", ConstraintKind::NotNull),
            ("INSERT INTO part (item_id) VALUES (7)", ConstraintKind::ForeignKey),
            ("INSERT INTO part (n) VALUES (0)", ConstraintKind::Check),
        ];
        for (sql, expected) in cases {
            let error = place.db.write(move |tx| tx.exec(sql, &[])).await.unwrap_err();
            assert_eq!(error.is_unique_violation(), expected == ConstraintKind::Unique);
            let Error::Constraint { kind, name } = &error else {
                panic!("{sql}: {error:?}");
            };
            assert_eq!(*kind, expected, "{sql}");
            assert!(name.is_some() || expected == ConstraintKind::ForeignKey, "{sql}");
        }
    }

    async fn a_failed_statement_spoils_the_transaction(place: &Place) {
        make_items(&place.db).await;
        place.db.write(|tx| insert(tx, 1, "a")).await.unwrap();
        let result = place.db.write(|tx| {
            insert(tx, 2, "b")?;
            let first = insert(tx, 1, "again").unwrap_err();
            let second = insert(tx, 3, "c").unwrap_err();
            assert!(first.is_unique_violation() && second.is_unique_violation());
            Ok::<_, Error>(())
        });
        let error = result.await.unwrap_err();
        assert!(error.is_unique_violation(), "{error:?}");
        assert_eq!(ids(&place.db).await, [1]);
    }

    async fn a_code_is_consumed_once_by_sixteen(place: &Place) {
        make_items(&place.db).await;
        place.db.write(|tx| insert(tx, 1, "code")).await.unwrap();
        let tasks: Vec<_> = (1..=16_i64)
            .map(|now| {
                let db = place.db.clone();
                tokio::spawn(async move {
                    db.write(move |tx| {
                        tx.opt(
                            "UPDATE item SET used_at = $1 WHERE id = $2 AND used_at IS NULL RETURNING id",
                            &params![now, 1_i64],
                            |row| row.get::<i64>(0),
                        )
                    })
                    .await
                })
            })
            .collect();
        let mut winners = 0;
        for task in tasks {
            winners += u32::from(task.await.unwrap().unwrap().is_some());
        }
        assert_eq!(winners, 1);
    }

    async fn a_read_cannot_write(place: &Place) {
        make_items(&place.db).await;
        let result = place.db.read(|tx| insert(tx, 1, "a")).await;
        assert!(matches!(result, Err(Error::ReadOnly)), "{result:?}");
        place.db.write(|tx| insert(tx, 2, "b")).await.unwrap();
        assert_eq!(ids(&place.db).await, [2]);
    }

    async fn a_read_of_one_runs_one_and_writes_nothing(place: &Place) {
        make_items(&place.db).await;
        place.db.write(|tx| insert(tx, 1, "a")).await.unwrap();
        let names = |tx: &mut Tx<'_>| tx.all("SELECT name FROM item", &[], |row| row.get::<String>(0));
        let twice = place.db.read_one(move |tx| names(tx).and_then(|_| names(tx))).await;
        assert!(matches!(twice, Err(Error::Unsupported(_))), "{twice:?}");
        let written = place.db.read_one(|tx| insert(tx, 2, "b")).await;
        assert!(matches!(written, Err(Error::ReadOnly)), "{written:?}");
        let failed = place.db.read_one(|tx| tx.one("SELECT * FROM nothing", &[], |_| Ok(()))).await;
        assert!(matches!(failed, Err(Error::Sql { .. })), "{failed:?}");
        assert_eq!(place.db.read_one(names).await.unwrap(), ["a"]);
    }

    async fn a_read_sees_one_snapshot(place: &Place) {
        make_items(&place.db).await;
        let (seen, first_seen) = mpsc::channel();
        let (go, wait) = mpsc::channel();
        let reading = start(place.db.read(move |tx| {
            let count = "SELECT count(*) FROM item";
            let first: i64 = tx.one(count, &[], |row| row.get(0))?;
            seen.send(()).unwrap();
            wait.recv().unwrap();
            let second: i64 = tx.one(count, &[], |row| row.get(0))?;
            Ok::<_, Error>((first, second))
        }));
        tokio::task::spawn_blocking(move || first_seen.recv().unwrap()).await.unwrap();
        place.db.write(|tx| insert(tx, 1, "a")).await.unwrap();
        go.send(()).unwrap();
        assert_eq!(reading.await.unwrap(), (0, 0));
        assert_eq!(ids(&place.db).await, [1]);
    }

    async fn a_full_pool_answers_busy(place: &Place) {
        let options = Options { pool: 1, wait: Duration::from_millis(5), ..place.options.clone() };
        let db = Db::open(&options).await.unwrap();
        let (go, wait) = mpsc::channel();
        let reading = start(db.read(move |_| {
            wait.recv().unwrap();
            Ok::<_, Error>(())
        }));
        let busy = db.ping().await;
        assert!(matches!(busy, Err(Error::Busy)), "{busy:?}");
        go.send(()).unwrap();
        reading.await.unwrap();
        db.ping().await.unwrap();
    }

    async fn closing_finishes_what_was_queued(place: &Place) {
        make_items(&place.db).await;
        let writes: Vec<_> = (0..10_i64)
            .map(|id| start(place.db.write(move |tx| insert(tx, id, "x"))))
            .collect();
        place.db.close().await;
        for write in writes {
            let result = write.await;
            assert!(matches!(result, Ok(1)), "{result:?}");
        }
        for result in [place.db.ping().await, place.db.write(|tx| insert(tx, 99, "x")).await.map(drop)] {
            assert!(matches!(result, Err(Error::Closed)), "{result:?}");
        }
        place.db.close().await;
        assert_eq!(ids(&place.another().await).await.len(), 10);
    }

    async fn an_undisturbed_closure_runs_once(place: &Place) {
        let runs = Arc::new(AtomicU32::new(0));
        let counter = runs.clone();
        place.db.write(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Error>(())
        }).await.unwrap();
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        assert_eq!(place.db.commits(), 1);
    }

    async fn a_sound_database_has_no_problems(place: &Place) {
        make_items(&place.db).await;
        assert_eq!(place.db.check().await.unwrap(), Vec::<String>::new());
    }
}
