//! What only SQLite has: group commit, one file, online backup.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex, mpsc};

use vestibule_db::{Db, Error, Options, params};

use crate::place::{Place, ids, insert, make_items, run, start};

#[tokio::test]
async fn queued_closures_share_one_commit() {
    let place = Place::sqlite().await;
    make_items(&place.db).await;
    let before = place.db.commits();
    let (go, wait) = mpsc::channel();
    let first = start(place.db.write(move |_| {
        wait.recv().unwrap();
        Ok::<_, Error>(())
    }));
    let writes: Vec<_> = (0..100_i64)
        .map(|id| start(place.db.write(move |tx| insert(tx, id, "x"))))
        .collect();
    go.send(()).unwrap();
    first.await.unwrap();
    for write in writes {
        write.await.unwrap();
    }
    let commits = place.db.commits() - before;
    assert!((1..=2).contains(&commits), "{commits} commits");
    assert_eq!(ids(&place.db).await.len(), 100);
    place.remove().await;
}

#[tokio::test]
async fn a_group_of_failures_commits_nothing() {
    let place = Place::sqlite().await;
    let result = place.db.write(|_| Err::<(), _>(Error::NoRow)).await;
    assert!(matches!(result, Err(Error::NoRow)), "{result:?}");
    assert_eq!(place.db.commits(), 0);
    place.remove().await;
}

#[tokio::test]
async fn a_full_queue_answers_busy() {
    let place = Place::sqlite().await;
    let (go, wait) = mpsc::channel();
    let (begun, running) = mpsc::channel();
    let first = start(place.db.write(move |_| {
        begun.send(()).unwrap();
        wait.recv().unwrap();
        Ok::<_, Error>(())
    }));
    running.recv().unwrap();
    let queued: Vec<_> = (0..1024)
        .map(|_| start(place.db.write(|_| Ok::<_, Error>(()))))
        .collect();
    let busy = place.db.write(|_| Ok::<_, Error>(())).await;
    assert!(matches!(busy, Err(Error::Busy)), "{busy:?}");
    go.send(()).unwrap();
    first.await.unwrap();
    for write in queued {
        write.await.unwrap();
    }
    place.remove().await;
}

#[tokio::test]
async fn a_failed_commit_fails_the_whole_group() {
    let place = Place::sqlite().await;
    make_items(&place.db).await;
    run(
        &place.db,
        "CREATE TABLE part (item_id BIGINT REFERENCES item DEFERRABLE INITIALLY DEFERRED)",
    )
    .await;
    let (go, wait) = mpsc::channel();
    let (begun, running) = mpsc::channel();
    let first = start(place.db.write(move |_| {
        begun.send(()).unwrap();
        wait.recv().unwrap();
        Ok::<_, Error>(())
    }));
    running.recv().unwrap();
    let good = start(place.db.write(|tx| insert(tx, 1, "x")));
    let bad = start(
        place
            .db
            .write(|tx| tx.exec("INSERT INTO part VALUES (99)", &[])),
    );
    go.send(()).unwrap();
    first.await.unwrap();
    for result in [good.await, bad.await] {
        assert!(
            matches!(result, Err(Error::Constraint { .. })),
            "{result:?}"
        );
    }
    assert_eq!(ids(&place.db).await, Vec::<i64>::new());
    place.db.write(|tx| insert(tx, 2, "y")).await.unwrap();
    assert_eq!(ids(&place.db).await, [2]);
    place.remove().await;
}

#[tokio::test]
async fn a_full_disk_is_named_and_survived() {
    let place = Place::sqlite().await;
    make_items(&place.db).await;
    run(&place.db, "PRAGMA max_page_count = 10").await;
    let name = "x".repeat(100_000);
    let result = place.db.write(move |tx| insert(tx, 1, &name)).await;
    assert!(matches!(result, Err(Error::Full)), "{result:?}");
    run(&place.db, "PRAGMA max_page_count = 100000").await;
    place.db.write(|tx| insert(tx, 2, "y")).await.unwrap();
    assert_eq!(ids(&place.db).await, [2]);
    place.remove().await;
}

/// Overwrites every page but the first with what no page holds.
fn spoil(file: &std::path::Path) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[4096..].fill(0xa5);
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn damage_is_told_with_the_file_and_stops_all_writing() {
    let place = Place::sqlite().await;
    make_items(&place.db).await;
    place.db.write(|tx| insert(tx, 1, "x")).await.unwrap();
    let raw = rusqlite::Connection::open(place.folder().join("test.db")).unwrap();
    raw.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    drop(raw);
    spoil(&place.folder().join("test.db"));
    let damaged = |result: Result<(), Error>| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Damaged(_)), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains("test.db is damaged (") && text.ends_with("; restore a backup"),
            "{text}"
        );
    };
    let read = |db: Db| async move {
        db.read(|tx| tx.all("SELECT name FROM item", &[], |_| Ok(())))
            .await
            .map(drop)
    };
    // A reader finds it; from then on not even what touches no spoilt page is written.
    damaged(read(place.another().await).await);
    damaged(place.db.write(|tx| insert(tx, 2, "y")).await.map(drop));
    let mark = |tx: &mut vestibule_db::Tx<'_>| tx.exec("PRAGMA application_id = 1448301634", &[]);
    damaged(place.db.write(mark).await.map(drop));
    damaged(place.db.ping().await);
    place.remove().await;
}

#[tokio::test]
async fn a_closure_cannot_end_the_shared_transaction() {
    let place = Place::sqlite().await;
    make_items(&place.db).await;
    let result = place
        .db
        .write(|tx| {
            insert(tx, 1, "x")?;
            tx.exec("ROLLBACK", &[])
        })
        .await;
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    place.db.write(|tx| insert(tx, 2, "y")).await.unwrap();
    assert_eq!(ids(&place.db).await, [2]);
    place.remove().await;
}

#[tokio::test]
async fn two_processes_may_write_one_file() {
    let place = Place::sqlite().await;
    make_items(&place.db).await;
    let other = place.another().await;
    let writes = (0..40_i64).map(|id| {
        let db = if id % 2 == 0 { &place.db } else { &other };
        start(db.write(move |tx| insert(tx, id, "x")))
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap();
    }
    assert_eq!(ids(&other).await.len(), 40);
    place.remove().await;
}

#[tokio::test]
async fn the_file_is_its_owners_alone_and_tidy_after_closing() {
    let place = Place::sqlite().await;
    make_items(&place.db).await;
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let file = place.folder().join("test.db");
    let wal = place.folder().join("test.db-wal");
    assert_eq!(mode(place.folder()), 0o700);
    assert_eq!((mode(&file), mode(&wal)), (0o600, 0o600));
    place.db.close().await;
    assert!(!wal.exists());
    place.remove().await;
}

#[tokio::test]
async fn urls_that_cannot_be_used_say_why() {
    for (url, expected) in [
        ("sqlite::memory:", "memory"),
        ("sqlite:", "names no file"),
        ("sqlite:/tmp/a.db?mode=ro", "options"),
        ("mysql://h/d", "must start with"),
        ("/tmp/a.db", "must start with"),
    ] {
        let error = Db::open(&Options::new(url)).await.unwrap_err();
        assert!(
            matches!(&error, Error::Config(text) if text.contains(expected)),
            "{url}: {error}"
        );
    }
}

#[tokio::test]
async fn a_missing_file_is_refused_unless_it_may_be_created() {
    let place = Place::sqlite().await;
    let missing = place.folder().join("missing.db");
    let options = Options {
        create: false,
        ..Options::new(format!("sqlite:{}", missing.display()))
    };
    let error = Db::open(&options).await.unwrap_err();
    assert!(
        error.to_string().contains("there is no database at"),
        "{error}"
    );
    assert!(!missing.exists());
    place.remove().await;
}

#[tokio::test]
async fn a_file_that_is_no_database_of_ours_is_refused_and_left_alone() {
    let place = Place::sqlite().await;
    let text = place.folder().join("text.db");
    std::fs::write(&text, "no database at all, just text".repeat(100)).unwrap();
    let empty = place.folder().join("empty.db");
    std::fs::write(&empty, "").unwrap();
    let foreign = place.folder().join("foreign.db");
    let raw = rusqlite::Connection::open(&foreign).unwrap();
    raw.execute_batch("CREATE TABLE bookmark (url TEXT)")
        .unwrap();
    drop(raw);
    for (file, said) in [
        (text, "text.db: file is not a database; restore a backup"),
        (
            empty,
            "empty.db is empty (0 bytes); restore a backup, or delete",
        ),
        (foreign, "foreign.db is a database of another program"),
    ] {
        let before = std::fs::read(&file).unwrap();
        let error = Db::open(&Options::new(format!("sqlite:{}", file.display())))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert!(std::fs::read(&file).unwrap() == before, "{said}");
    }
    place.remove().await;
}

#[tokio::test]
async fn a_database_from_before_the_mark_is_known_by_its_bookkeeping() {
    let place = Place::sqlite().await;
    let file = place.folder().join("old.db");
    let raw = rusqlite::Connection::open(&file).unwrap();
    raw.execute_batch("CREATE TABLE schema_migration (version INTEGER)")
        .unwrap();
    drop(raw);
    let db = Db::open(&Options::new(format!("sqlite:{}", file.display()))).await;
    db.unwrap().close().await;
    place.remove().await;
}

#[tokio::test]
async fn many_may_open_a_new_file_at_once() {
    let place = Place::sqlite().await;
    let url = format!("sqlite:{}", place.folder().join("deep/new.db").display());
    let opening: Vec<_> = (0..8)
        .map(|_| {
            let options = Options::new(&url);
            tokio::spawn(async move { Db::open(&options).await.map(drop) })
        })
        .collect();
    for open in opening {
        open.await.unwrap().unwrap();
    }
    let left = std::fs::read_dir(place.folder().join("deep")).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let drafts: Vec<String> = names.filter(|name| name.contains(".new-")).collect();
    assert_eq!(drafts, Vec::<String>::new());
    place.remove().await;
}

#[tokio::test]
async fn a_backup_is_whole_and_readable() {
    let place = Place::sqlite().await;
    make_items(&place.db).await;
    let name = "x".repeat(3000);
    place
        .db
        .write(move |tx| (0..1000).try_for_each(|id| insert(tx, id, &name).map(drop)))
        .await
        .unwrap();
    let to = place.folder().join("copy.db");
    let reports = Arc::new(Mutex::new(Vec::new()));
    let seen = reports.clone();
    let db = place.db.clone();
    place
        .db
        .backup(&to, move |done, total| {
            // A commit in the middle neither stops the copy nor starts it anew.
            let id = 5000 + i64::try_from(done).unwrap();
            let db = db.clone();
            drop(tokio::spawn(async move {
                db.write(move |tx| insert(tx, id, "late")).await
            }));
            seen.lock().unwrap().push((done, total));
        })
        .await
        .unwrap();
    let reports = reports.lock().unwrap().clone();
    assert!(reports.len() > 2, "{reports:?}");
    assert!(
        reports.windows(2).all(|pair| pair[0].0 < pair[1].0),
        "{reports:?}"
    );
    assert!(
        reports.last().is_some_and(|(done, total)| done == total),
        "{reports:?}"
    );
    assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let copy = Db::open(&Options {
        create: false,
        ..Options::new(format!("sqlite:{}", to.display()))
    })
    .await
    .unwrap();
    assert_eq!(ids(&copy).await, (0..1000).collect::<Vec<i64>>());
    copy.close().await;
    place.remove().await;
}

#[tokio::test]
async fn a_backup_overwrites_nothing() {
    let place = Place::sqlite().await;
    let to = place.folder().join("copy.db");
    std::fs::write(&to, "precious").unwrap();
    let error = place.db.backup(&to, |_, _| ()).await.unwrap_err();
    assert!(error.to_string().contains("already exists"), "{error}");
    assert_eq!(std::fs::read(&to).unwrap(), b"precious");
    let nowhere = place.folder().join("no/such/folder/copy.db");
    assert!(matches!(
        place.db.backup(&nowhere, |_, _| ()).await,
        Err(Error::File(_))
    ));
    place.remove().await;
}

#[tokio::test]
async fn check_finds_orphans() {
    let place = Place::sqlite().await;
    make_items(&place.db).await;
    run(
        &place.db,
        "CREATE TABLE part (item_id BIGINT REFERENCES item)",
    )
    .await;
    let raw = rusqlite::Connection::open(place.folder().join("test.db")).unwrap();
    raw.execute_batch("PRAGMA foreign_keys = OFF; INSERT INTO part VALUES (99)")
        .unwrap();
    let problems = place.db.check().await.unwrap();
    assert_eq!(problems, ["a row of part refers to a missing row of item"]);
    place.remove().await;
}

#[tokio::test]
async fn parameters_must_be_dollar_numbers() {
    let place = Place::sqlite().await;
    for sql in [
        "SELECT ?",
        "SELECT :a",
        "SELECT $a",
        "SELECT ?1",
        "SELECT $0",
    ] {
        let result = place
            .db
            .read(move |tx| tx.one(sql, &params![1_i64], |row| row.get::<i64>(0)))
            .await;
        assert!(
            matches!(result, Err(Error::Parameter { .. })),
            "{sql}: {result:?}"
        );
    }
    place.remove().await;
}
