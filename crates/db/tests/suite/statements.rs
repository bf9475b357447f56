//! Parameters, columns and single statements.

use vestibule_db::{Error, Row, Value, params};

use crate::place::{Place, ids, insert, make_items, run};

on_both! {
    async fn parameters_are_bound_by_name(place: &Place) {
        let got = place.db.read(|tx| {
            tx.one(
                "SELECT CAST($2 AS TEXT), CAST($1 AS BIGINT), CAST($2 AS TEXT), CAST($3 AS TEXT)",
                &params![7_i64, "two", "three"],
                |row| Ok((row.get::<String>(0)?, row.get::<i64>(1)?, row.get::<String>(2)?, row.get::<String>(3)?)),
            )
        });
        assert_eq!(
            got.await.unwrap(),
            ("two".to_owned(), 7, "two".to_owned(), "three".to_owned())
        );
    }

    async fn too_few_or_too_many_parameters_are_refused(place: &Place) {
        const SQL: &str = "SELECT CAST($1 AS BIGINT) + CAST($2 AS BIGINT)";
        for given in [vec![], params![1_i64].to_vec(), params![1_i64, 2_i64, 3_i64].to_vec()] {
            let count = given.len();
            let result = place.db.read(move |tx| tx.one(SQL, &given, |row| row.get::<i64>(0))).await;
            assert!(matches!(result, Err(Error::Parameter { .. })), "{count}: {result:?}");
        }
    }

    async fn one_statement_for_many_rows_answers_each_and_stops_at_a_fault(place: &Place) {
        run(&place.db, "CREATE TABLE t (n BIGINT NOT NULL PRIMARY KEY)".to_owned()).await;
        const ADD: &str = "INSERT INTO t (n) VALUES ($1) ON CONFLICT (n) DO NOTHING";
        let many = || (0..1_000_i64).map(|n| params![n / 2].to_vec()).collect::<Vec<_>>();
        let added = place.db.write(move |tx| tx.exec_each(ADD, &many())).await.unwrap();
        assert_eq!(added, [1, 0].repeat(500));
        let found = place.db.read(|tx| {
            let wanted = [3_i64, 900, 4].map(|n| params![n].to_vec());
            tx.exec_each("SELECT 1 FROM t WHERE n = $1", &wanted)
        });
        assert_eq!(found.await.unwrap(), [1, 0, 1]);
        let faulty = place.db.write(|tx| {
            let rows = [params![1_000_i64].to_vec(), params![None::<i64>].to_vec(), params![1_001_i64].to_vec()];
            // Whatever the closure makes of the fault, nothing stays.
            let _ = tx.exec_each(ADD, &rows);
            Ok::<_, Error>(())
        });
        assert!(faulty.await.is_err());
        let count = place.db.read(|tx| tx.one("SELECT count(*) FROM t", &[], |row| row.get::<i64>(0)));
        assert_eq!(count.await.unwrap(), 500);
    }

    async fn a_gap_in_the_parameters_is_refused(place: &Place) {
        let result = place
            .db
            .read(|tx| tx.one("SELECT CAST($2 AS BIGINT)", &params![1_i64, 2_i64], |row| row.get::<i64>(0)))
            .await;
        assert!(matches!(result, Err(Error::Parameter { .. } | Error::Sql { .. })), "{result:?}");
    }

    async fn text_with_nul_is_refused(place: &Place) {
        let result = place
            .db
            .read(|tx| tx.one("SELECT CAST($1 AS TEXT)", &params!["a\0b"], |row| row.get::<String>(0)))
            .await;
        assert!(matches!(result, Err(Error::Parameter { number: 1, .. })), "{result:?}");
    }

    async fn values_round_trip(place: &Place) {
        let blob = if place.db.engine() == vestibule_db::Engine::Sqlite { "BLOB" } else { "BYTEA" };
        run(&place.db, format!("CREATE TABLE t (n BIGINT NOT NULL, i BIGINT, t TEXT, b {blob})")).await;
        let rows = [
            params![1_i64, i64::MIN, "", Vec::<u8>::new()],
            params![2_i64, i64::MAX, "Grüße, 日本 🦀 '\"$1", [0_u8, 255, 39]],
            params![3_i64, None::<i64>, None::<&str>, None::<&[u8]>],
            params![4_i64, true, "x".repeat(100_000), vec![7_u8; 100_000]],
        ];
        let written = rows.clone();
        place.db.write(move |tx| {
            for row in &written {
                tx.exec("INSERT INTO t (n, i, t, b) VALUES ($1, $2, $3, $4)", row)?;
            }
            Ok::<_, Error>(())
        }).await.unwrap();
        let read = place.db.read(|tx| {
            tx.all("SELECT n, i, t, b FROM t ORDER BY n", &[], |row| {
                Ok([row.get::<Value>(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
            })
        });
        assert!(read.await.unwrap() == rows, "differs");
    }

    async fn columns_are_read_as_rust_types(place: &Place) {
        let got = place.db.read(|tx| {
            tx.one(
                "SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT), EXISTS (SELECT 1), CAST(NULL AS TEXT)",
                &params![5_u32, "t"],
                |row| Ok((row.get::<u32>(0)?, row.get::<Option<String>>(1)?, row.get::<bool>(2)?, row.get::<Option<String>>(3)?)),
            )
        });
        assert_eq!(got.await.unwrap(), (5, Some("t".to_owned()), true, None));
    }

    async fn a_wrong_column_type_is_named(place: &Place) {
        async fn error<T: std::fmt::Debug + Send + 'static>(
            place: &Place,
            map: fn(&Row) -> Result<T, Error>,
        ) -> String {
            place
                .db
                .read(move |tx| tx.one("SELECT CAST(-1 AS BIGINT), CAST('secret' AS TEXT), NULL", &[], map))
                .await
                .unwrap_err()
                .to_string()
        }
        assert_eq!(error(place, |row| row.get::<i64>(1)).await, "column 1: wanted INTEGER, found TEXT");
        assert_eq!(error(place, |row| row.get::<String>(2)).await, "column 2: wanted TEXT, found NULL");
        assert_eq!(error(place, |row| row.get::<Vec<u8>>(3)).await, "column 3: wanted BLOB, found 3 columns");
        let out_of_range = error(place, |row| row.get::<u32>(0)).await;
        assert!(out_of_range.contains("out of range"), "{out_of_range}");
    }

    async fn fractions_are_not_supported(place: &Place) {
        let result = place.db.read(|tx| tx.one("SELECT 1.5", &[], |row| row.get::<Value>(0))).await;
        assert!(matches!(result, Err(Error::Column { index: 0, .. })), "{result:?}");
    }

    async fn one_and_opt_want_at_most_one_row(place: &Place) {
        make_items(&place.db).await;
        let none = place.db.read(|tx| tx.one("SELECT id FROM item", &[], |row| row.get::<i64>(0))).await;
        assert!(matches!(none, Err(Error::NoRow)), "{none:?}");
        let none = place.db.read(|tx| tx.opt("SELECT id FROM item", &[], |row| row.get::<i64>(0))).await;
        assert!(matches!(none, Ok(None)), "{none:?}");
        place.db.write(|tx| { insert(tx, 1, "a")?; insert(tx, 2, "b") }).await.unwrap();
        let many = place.db.read(|tx| tx.opt("SELECT id FROM item", &[], |row| row.get::<i64>(0))).await;
        assert!(matches!(many, Err(Error::ManyRows { .. })), "{many:?}");
    }

    async fn exec_counts_changed_rows(place: &Place) {
        make_items(&place.db).await;
        let db = &place.db;
        assert_eq!(run(db, "INSERT INTO item (id, name) VALUES (1, 'a'), (2, 'b')").await, 2);
        assert_eq!(run(db, "CREATE INDEX item_name ON item (name)").await, 0);
        assert_eq!(run(db, "UPDATE item SET used_at = 1 WHERE id = 3").await, 0);
        assert_eq!(run(db, "UPDATE item SET used_at = 1 RETURNING id").await, 2);
        assert_eq!(run(db, "INSERT INTO item (id, name) VALUES (1, 'c') ON CONFLICT DO NOTHING").await, 0);
        assert_eq!(run(db, "SELECT id FROM item").await, 2);
        assert_eq!(run(db, "DELETE FROM item").await, 2);
    }

    async fn several_statements_in_one_are_refused(place: &Place) {
        make_items(&place.db).await;
        let result = place.db.write(|tx| tx.exec("DELETE FROM item; DELETE FROM item", &[])).await;
        assert!(matches!(result, Err(Error::Sql { .. })), "{result:?}");
    }

    async fn unknown_columns_are_refused_even_in_double_quotes(place: &Place) {
        make_items(&place.db).await;
        for sql in ["SELECT nothing FROM item", "SELECT \"nothing\" FROM item"] {
            let result = place.db.read(move |tx| tx.prepare_only(sql)).await;
            assert!(matches!(&result, Err(Error::Sql { sql: at, .. }) if at == sql), "{result:?}");
        }
        place.db.read(|tx| tx.prepare_only("DELETE FROM item WHERE id = $1")).await.unwrap();
    }

    async fn all_rows_of_returning_take_effect(place: &Place) {
        make_items(&place.db).await;
        let result = place.db.write(|tx| {
            tx.all(
                "INSERT INTO item (id, name) VALUES (1, 'a'), (2, 'b'), (3, 'c') RETURNING id",
                &[],
                |_| Err::<(), _>(Error::NoRow),
            )
            .or_else(|error| if matches!(error, Error::NoRow) { Ok(vec![]) } else { Err(error) })
        });
        result.await.unwrap();
        assert_eq!(ids(&place.db).await, [1, 2, 3]);
    }
}

#[test]
fn debug_shows_no_content() {
    let shown = format!("{:?}", params!["secret", b"secret", 7_i64, None::<&str>]);
    assert_eq!(shown, "[Text(6 bytes), Blob(6 bytes), Int(7), Null]");
}
