//! A server that cannot be reached, answers no more, or is one of several.

use std::time::{Duration, Instant};

use vestibule_db::{Db, Error, Options};

use crate::place::{Place, ids, insert, make_items};
use crate::wire::{State, Wire, server};

/// The same database by way of a wire, with short limits.
async fn through(place: &Place, wire: &Wire) -> Db {
    let options = Options {
        limit: Some(Duration::from_millis(200)),
        wait: Duration::from_millis(500),
        url: format!("{}&connect_timeout=1", wire.url(&place.options.url)),
        ..place.options.clone()
    };
    Db::open(&options).await.unwrap()
}

/// Tries until it works; the pauses between tries are the code's own.
async fn comes_back(db: &Db) {
    let start = Instant::now();
    while db.ping().await.is_err() {
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "does not come back"
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_connection_is_given_up() {
    let (place, wire) = (Place::postgres().await, Wire::new().await);
    make_items(&place.db).await;
    let db = through(&place, &wire).await;
    wire.set(State::Stalls);
    let start = Instant::now();
    let result = db.write(|tx| insert(tx, 1, "x")).await;
    assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    wire.set(State::Flows);
    comes_back(&db).await;
    assert_eq!(ids(&db).await, Vec::<i64>::new(), "nothing was done");
    db.close().await;
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_commit_that_does_not_come_leaves_the_outcome_open() {
    let (place, wire) = (Place::postgres().await, Wire::new().await);
    make_items(&place.db).await;
    let db = through(&place, &wire).await;
    for (id, end) in [(1, State::Flows), (2, State::Refuses)] {
        db.ping().await.unwrap();
        wire.set(State::StallsAtCommit);
        let cut = async {
            // Once the limit is near: the answer is lost, or the connection is.
            if end == State::Refuses {
                while wire.state() != State::Stalls {
                    tokio::task::yield_now().await;
                }
                wire.set(end);
            }
        };
        let (result, ()) = tokio::join!(db.write(move |tx| insert(tx, id, "x")), cut);
        assert!(matches!(result, Err(Error::OutcomeUnknown)), "{result:?}");
        wire.set(State::Flows);
        comes_back(&db).await;
    }
    db.close().await;
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_down_is_not_run_down() {
    let (place, wire) = (Place::postgres().await, Wire::new().await);
    let db = through(&place, &wire).await;
    wire.set(State::Refuses);
    let before = wire.arrived();
    let start = Instant::now();
    let all: Vec<_> = (0..300)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.ping().await })
        })
        .collect();
    for one in all {
        let result = one.await.unwrap();
        assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    }
    // Four at once, and at least 25 ms between one failure and the next try.
    let rounds = start.elapsed().as_millis() / 25 + 1;
    let tries = wire.arrived() - before;
    assert!(
        tries as u128 <= 4 * rounds && tries < 100,
        "{tries} tries in {rounds} rounds"
    );
    wire.set(State::Flows);
    comes_back(&db).await;
    db.close().await;
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_hosts_the_next_one_is_tried() {
    let (place, silent, gone) = (
        Place::postgres().await,
        Wire::new().await,
        Wire::new().await,
    );
    silent.set(State::Stalls);
    gone.set(State::Refuses);
    let (server, dead) = (
        server(),
        format!("127.0.0.1:{},127.0.0.1:{}", silent.port, gone.port),
    );
    let url = place
        .options
        .url
        .replace(&server, &format!("{dead},{server}"));
    let options = Options {
        url: format!("{url}&connect_timeout=1"),
        ..place.options.clone()
    };
    let db = Db::open(&options).await.unwrap();
    db.ping().await.unwrap();
    // The one that answered comes first from then on.
    let tried = silent.arrived();
    let both = tokio::join!(db.ping(), db.ping());
    assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
    assert_eq!(silent.arrived(), tried);
    db.close().await;
    let url = place.options.url.replace(&server, &dead);
    let error = Db::open(&Options::new(format!("{url}&connect_timeout=1"))).await;
    assert!(
        matches!(&error, Err(Error::Unavailable(text)) if text.contains("in time; ")),
        "{error:?}"
    );
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_in_a_transaction_frees_its_locks() {
    let (place, wire) = (Place::postgres().await, Wire::new().await);
    make_items(&place.db).await;
    place.db.write(|tx| insert(tx, 1, "x")).await.unwrap();
    let db = through(&place, &wire).await;
    let stopped = wire.sender();
    let result = db.write(move |tx| {
        tx.exec("UPDATE item SET name = 'y'", &[])?;
        stopped.send_replace(State::Stalls);
        tx.exec("UPDATE item SET name = 'z'", &[])
    });
    assert!(result.await.is_err());
    // Waits for the row until the server ends the stopped node's transaction.
    let changed = place
        .db
        .write(|tx| tx.exec("UPDATE item SET name = 'w' WHERE name = 'x'", &[]));
    assert_eq!(changed.await.unwrap(), 1);
    db.close().await;
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_announced_is_heard_also_after_a_cut() {
    let (place, wire) = (Place::postgres().await, Wire::new().await);
    let db = through(&place, &wire).await;
    let mut listener = db.listener();
    let soon = async |listener: &mut vestibule_db::Listener| {
        tokio::time::timeout(Duration::from_secs(5), listener.heard())
            .await
            .expect("heard in time");
    };
    // That it listens from now on.
    soon(&mut listener).await;
    for _ in 0..2 {
        place.db.write(|tx| tx.announce()).await.unwrap();
        soon(&mut listener).await;
        wire.set(State::Refuses);
        // That the connection is gone.
        soon(&mut listener).await;
        wire.set(State::Flows);
        soon(&mut listener).await;
    }
    let rolled_back = place.db.write(|tx| {
        tx.announce()?;
        Err::<(), _>(Error::NoRow)
    });
    assert!(rolled_back.await.is_err());
    let nothing = tokio::time::timeout(Duration::from_millis(50), listener.heard()).await;
    assert!(nothing.is_err(), "what was not committed is not told");
    db.close().await;
    place.remove().await;
}
