//! Copying everything from one engine to the other.

use vestibule_db::{CopyError, Db, Error, Migration, Options, copy, params};

use crate::place::{Place, run};
use crate::wire::{State, Wire};

static SCHEMA: &[Migration] = &[Migration {
    version: 1,
    name: "two tables, the child named before its parent",
    sql: "CREATE TABLE parent (id TEXT NOT NULL PRIMARY KEY, note BLOB) STRICT;
          CREATE TABLE child (parent TEXT NOT NULL REFERENCES parent (id), n INTEGER NOT NULL, note TEXT,
              PRIMARY KEY (parent, n)) STRICT;
          INSERT INTO parent (id) VALUES ('made by the migration');",
}];

const CHILDREN: i64 = 4_321;

async fn fill(db: &Db) {
    db.migrate(SCHEMA, 0).await.unwrap();
    db.write(|tx| {
        tx.exec("DELETE FROM parent", &[])?;
        for id in ["", "A", "a", "z", "Z", "\u{e9}", "\u{1f600}", "ab", "a b"] {
            tx.exec(
                "INSERT INTO parent VALUES ($1, $2)",
                &params![id, vec![0_u8, 255, 7]],
            )?;
        }
        for n in 0..CHILDREN {
            let note = (n % 3 > 0).then(|| format!("note {n} '\" \u{e4}"));
            let parent = ["A", "a", "z", "\u{1f600}"][usize::try_from(n % 4).unwrap()];
            tx.exec(
                "INSERT INTO child VALUES ($1, $2, $3)",
                &params![parent, n - 2_000, note],
            )?;
        }
        Ok::<_, Error>(())
    })
    .await
    .unwrap();
}

async fn sums(db: &Db) -> Vec<i64> {
    let sql = "SELECT count(*) FROM child UNION ALL SELECT CAST(sum(n) AS BIGINT) FROM child
        UNION ALL SELECT count(*) FROM child WHERE note IS NULL UNION ALL SELECT count(*) FROM parent
        UNION ALL SELECT count(*) FROM schema_migration";
    db.read(move |tx| tx.all(sql, &[], |row| row.get(0)))
        .await
        .unwrap()
}

async fn copied(from: &Db, to: &Db, source: &str) -> Result<Vec<(String, u64)>, CopyError> {
    copy((from, to), source, SCHEMA, 0, |_| ()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_goes_over_in_both_directions() {
    let (one, two, three) = (
        Place::sqlite().await,
        Place::postgres().await,
        Place::sqlite().await,
    );
    fill(&one.db).await;
    let expected = [("parent".to_owned(), 9), ("child".to_owned(), 4_321)];
    for (from, to) in [(&one, &two), (&two, &three)] {
        assert_eq!(copied(&from.db, &to.db, "s").await.unwrap(), expected);
        assert_eq!(sums(&to.db).await, sums(&one.db).await);
        let again = copied(&from.db, &to.db, "s").await.unwrap_err();
        assert!(again.to_string().contains("not empty"), "{again}");
    }
    for place in [one, two, three] {
        place.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_copy_goes_on_and_nothing_else_uses_it() {
    let (one, two, wire) = (
        Place::sqlite().await,
        Place::postgres().await,
        Wire::new().await,
    );
    fill(&one.db).await;
    let to = Db::open(&Options::new(wire.url(&two.options.url)))
        .await
        .unwrap();
    let mut steps = 0;
    let broken = copy((&one.db, &to), "s", SCHEMA, 0, |at| {
        steps += 1;
        if at.table == "child" && at.rows >= 2_000 {
            wire.set(State::Refuses);
        }
    })
    .await;
    assert!(matches!(broken, Err(CopyError::Database(_))), "{broken:?}");
    wire.set(State::Flows);
    let (other, newer) = (
        copied(&one.db, &two.db, "other").await,
        two.db.migrate(SCHEMA, 0).await,
    );
    assert!(other.unwrap_err().to_string().contains("another database"));
    assert!(newer.is_err(), "a server refuses it");
    let mut from = Vec::new();
    copy((&one.db, &two.db), "s", SCHEMA, 0, |at| {
        from.push((at.table.clone(), at.rows));
    })
    .await
    .unwrap();
    assert!(
        from.contains(&("child".to_owned(), 2_000)) && !from.contains(&("child".to_owned(), 0)),
        "{from:?}"
    );
    assert_eq!(sums(&two.db).await, sums(&one.db).await);
    to.close().await;
    one.remove().await;
    two.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_difference_is_told_and_strangers_are_left_alone() {
    let (one, two) = (Place::sqlite().await, Place::postgres().await);
    fill(&one.db).await;
    let (source, mut changed) = (one.another().await, false);
    let differs = copy((&one.db, &two.db), "s", SCHEMA, 0, |at| {
        // Behind the copier's back, as a server would.
        if at.table == "child" && at.rows >= 4_000 && !changed {
            changed = true;
            let sql = "UPDATE child SET note = 'changed' WHERE n = -1999";
            tokio::task::block_in_place(|| {
                let handle = tokio::runtime::Handle::current();
                handle.block_on(async { run(&source, sql).await })
            });
        }
    })
    .await;
    assert!(
        matches!(&differs, Err(CopyError::Differs { table, .. }) if table == "child"),
        "{differs:?}"
    );
    source.close().await;
    let (strange, before) = (Place::postgres().await, "CREATE TABLE theirs (id BIGINT)");
    run(&strange.db, before).await;
    let refused = copied(&one.db, &strange.db, "s").await.unwrap_err();
    assert!(refused.to_string().contains("not empty"), "{refused}");
    assert_eq!(strange.db.schema_version().await.unwrap(), None);
    for place in [one, two, strange] {
        place.remove().await;
    }
}
