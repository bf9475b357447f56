//! Reads of one statement on the connections that they share: PostgreSQL only.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use vestibule_db::{Db, Error, Options, Tx};

use crate::place::{Place, insert, make_items, run};
use crate::wire::{State, Wire};

fn process(tx: &mut Tx<'_>) -> Result<i64, Error> {
    tx.one("SELECT pg_backend_pid()", &[], |row| row.get(0))
}

/// Asks until looks have their connections, all of them: the first ones are answered on others. Names their processes.
async fn looking(db: &Db, lines: usize) -> BTreeSet<i64> {
    let all_there = async {
        loop {
            let mut asked = JoinSet::new();
            for _ in 0..20 {
                let db = db.clone();
                asked.spawn(async move { db.read_one(process).await.unwrap() });
            }
            let found: BTreeSet<i64> = asked.join_all().await.into_iter().collect();
            // Nobody else's: a transaction of ours runs elsewhere.
            let other = db.read(process).await.unwrap();
            if found.len() == lines && !found.contains(&other) {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all_there)
        .await
        .expect("looks never had their connections")
}

async fn place_of(pool: usize) -> (Place, Db) {
    let place = Place::postgres().await;
    make_items(&place.db).await;
    let options = Options {
        pool,
        ..place.options.clone()
    };
    let db = Db::open(&options).await.unwrap();
    (place, db)
}

#[tokio::test]
async fn looks_share_a_quarter_of_the_connections() {
    let (place, db) = place_of(8).await;
    let lines = looking(&db, 2).await;
    assert_eq!(looking(&db, 2).await, lines, "they are kept");
    db.close().await;
    let late = db.read_one(process).await;
    assert!(matches!(late, Err(Error::Closed)), "{late:?}");
    place.remove().await;
}

#[tokio::test]
async fn too_few_connections_are_not_shared() {
    let (place, db) = place_of(2).await;
    for _ in 0..50 {
        let one = db.read_one(process).await.unwrap();
        assert_eq!(db.read(process).await.unwrap(), one);
    }
    db.close().await;
    place.remove().await;
}

#[tokio::test]
async fn each_look_has_its_own_answer() {
    let (place, db) = place_of(8).await;
    looking(&db, 2).await;
    for id in 0..50_i64 {
        db.write(move |tx| insert(tx, id, &format!("name {id}")))
            .await
            .unwrap();
    }
    let before = db.statements();
    let mut asked = JoinSet::new();
    for id in 0..100_i64 {
        let db = db.clone();
        asked.spawn(async move {
            let sql = "SELECT name FROM item WHERE id = $1";
            let name = move |tx: &mut Tx<'_>| tx.opt(sql, &[id.into()], |row| row.get::<String>(0));
            (id, db.read_one(name).await.unwrap())
        });
    }
    for (id, name) in asked.join_all().await {
        assert_eq!(name, (id < 50).then(|| format!("name {id}")));
    }
    assert_eq!(db.statements() - before, 100, "each is counted once");
    db.close().await;
    place.remove().await;
}

#[tokio::test]
async fn a_look_is_refused_as_any_read_is() {
    let (place, db) = place_of(8).await;
    looking(&db, 2).await;
    let names = |tx: &mut Tx<'_>| tx.all("SELECT name FROM item", &[], |row| row.get::<String>(0));
    let twice = db
        .read_one(move |tx| names(tx).and_then(|_| names(tx)))
        .await;
    assert!(matches!(twice, Err(Error::Unsupported(_))), "{twice:?}");
    let written = db.read_one(|tx| insert(tx, 2, "b")).await;
    assert!(matches!(written, Err(Error::ReadOnly)), "{written:?}");
    let one = |tx: &mut Tx<'_>| tx.one("SELECT * FROM nothing", &[], |_| Ok(()));
    let failed = db.read_one(one).await;
    assert!(matches!(failed, Err(Error::Sql { .. })), "{failed:?}");
    let by_id = |tx: &mut Tx<'_>| {
        let sql = "SELECT 1 FROM item WHERE id = $1";
        tx.opt(sql, &["x".into()], |_| Ok(()))
    };
    let unfit = db.read_one(by_id).await;
    assert!(matches!(unfit, Err(Error::Parameter { .. })), "{unfit:?}");
    let nothing = db.read_one(|_| Ok::<_, Error>("no question")).await;
    assert_eq!(nothing.unwrap(), "no question");
    let panics = move |tx: &mut Tx<'_>| match names(tx)?.len() {
        0 => panic!("on purpose"),
        some => Ok::<_, Error>(some),
    };
    let panicked = db.read_one(panics).await;
    assert!(matches!(panicked, Err(Error::Panicked)), "{panicked:?}");
    let mut turns = 0..;
    let other_each_time = db
        .read_one(move |tx| {
            let turn = turns.next().unwrap_or_default();
            tx.one("SELECT CAST($1 AS BIGINT)", &[turn.into()], |row| {
                row.get::<i64>(0)
            })
        })
        .await;
    assert!(
        matches!(other_each_time, Err(Error::Unsupported(_))),
        "{other_each_time:?}"
    );
    assert_eq!(db.read_one(names).await.unwrap(), Vec::<String>::new());
    db.close().await;
    place.remove().await;
}

#[tokio::test]
async fn a_look_goes_elsewhere_when_its_connection_died() {
    let (place, db) = place_of(8).await;
    for _ in 0..3 {
        let lines = looking(&db, 2).await;
        for process in &lines {
            // The second argument waits until the process is gone.
            run(
                &place.db,
                format!("SELECT pg_terminate_backend({process}, 5000)"),
            )
            .await;
        }
        for _ in 0..10 {
            let one = db.read_one(process).await.unwrap();
            assert!(!lines.contains(&one), "{one} is gone");
        }
    }
    db.close().await;
    place.remove().await;
}

#[tokio::test]
async fn a_look_whose_plan_went_stale_is_made_anew() {
    let (place, db) = place_of(8).await;
    looking(&db, 2).await;
    place.db.write(|tx| insert(tx, 1, "x")).await.unwrap();
    let columns = |tx: &mut Tx<'_>| tx.one("SELECT * FROM item", &[], |row| Ok(format!("{row:?}")));
    let mut before = 0;
    for column in ["first", "second", "third"] {
        for _ in 0..4 {
            before = db.read_one(columns).await.unwrap().len();
        }
        let added = format!("ALTER TABLE item ADD COLUMN {column} BIGINT");
        run(&place.db, added).await;
        let now = db.read_one(columns).await.unwrap().len();
        assert!(now > before, "{now} after {before}");
    }
    db.close().await;
    place.remove().await;
}

#[tokio::test]
async fn a_look_that_takes_too_long_is_given_up_and_keeps_nobody() {
    let place = Place::postgres().await;
    let options = Options {
        pool: 8,
        limit: Some(Duration::from_millis(100)),
        ..place.options.clone()
    };
    let db = Db::open(&options).await.unwrap();
    looking(&db, 2).await;
    let long = |tx: &mut Tx<'_>| tx.one("SELECT pg_sleep(0.5)", &[], |_| Ok(()));
    let given_up = db.read_one(long).await;
    assert!(
        matches!(&given_up, Err(Error::Unavailable(text)) if text.contains("timeout")),
        "{given_up:?}"
    );
    looking(&db, 2).await;
    db.close().await;
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looks_on_connections_that_stall_are_given_up_and_come_back() {
    let (place, wire) = (Place::postgres().await, Wire::new().await);
    let options = Options {
        pool: 8,
        wait: Duration::from_millis(500),
        limit: Some(Duration::from_millis(200)),
        url: format!("{}&connect_timeout=1", wire.url(&place.options.url)),
        ..place.options.clone()
    };
    let db = Db::open(&options).await.unwrap();
    let before = looking(&db, 2).await;
    wire.set(State::Stalls);
    let start = Instant::now();
    let stalled = db.read_one(process).await;
    assert!(matches!(stalled, Err(Error::Unavailable(_))), "{stalled:?}");
    let took = start.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    wire.set(State::Flows);
    while db.read_one(process).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert!(looking(&db, 2).await.is_disjoint(&before));
    db.close().await;
    place.remove().await;
}

/// A server that has become a standby answers what it knew then.
#[tokio::test]
async fn looks_leave_a_server_that_takes_no_changes() {
    let (place, db) = place_of(8).await;
    let before = looking(&db, 2).await;
    let refused = db
        .write(|tx| {
            tx.exec("SET TRANSACTION READ ONLY", &[])?;
            insert(tx, 1, "x")
        })
        .await;
    assert!(matches!(refused, Err(Error::ReadOnly)), "{refused:?}");
    for _ in 0..10 {
        let one = db.read_one(process).await.unwrap();
        assert!(!before.contains(&one), "{one} is of the old server");
    }
    db.close().await;
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_stays_open_when_it_is_closed_at_once() {
    let place = Place::postgres().await;
    let name = format!("looks_{}", std::process::id());
    let options = Options {
        url: format!("{}&application_name={name}", place.options.url),
        ..place.options.clone()
    };
    for _ in 0..10 {
        let db = Db::open(&options).await.unwrap();
        // The first ones only make the connections that later ones share.
        for _ in 0..5 {
            db.read_one(process).await.unwrap();
        }
        db.close().await;
        let late = db.read_one(process).await;
        assert!(matches!(late, Err(Error::Closed)), "{late:?}");
    }
    let none_left = async {
        let sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = $1";
        let count =
            move |tx: &mut Tx<'_>| tx.one(sql, &[name.clone().into()], |row| row.get::<i64>(0));
        while place.db.read(count.clone()).await.unwrap() > 0 {}
    };
    tokio::time::timeout(Duration::from_secs(60), none_left)
        .await
        .expect("a connection stayed open");
    place.remove().await;
}
