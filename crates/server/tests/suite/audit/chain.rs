//! Every way to change the log from outside is told, and at which entry.

use std::time::Duration;

use vestibule_db::{Engine, Value, params};

use super::*;
use crate::app::{at_once, on_both};

/// The columns of a table and their types.
async fn columns(app: &TestApp, table: &str) -> Vec<(String, String)> {
    let sql: &'static str = match app.identity.db().engine() {
        Engine::Sqlite => "SELECT name, lower(type) FROM pragma_table_info($1)",
        Engine::Postgres => {
            "SELECT column_name::text, CASE data_type WHEN 'bigint' THEN 'integer' WHEN 'bytea' THEN 'blob' ELSE data_type::text END
             FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1"
        }
    };
    let table = table.to_owned();
    let read = move |tx: &mut vestibule_db::Tx<'_>| {
        tx.all(sql, &params![&table], |row| {
            Ok::<_, vestibule_db::Error>((row.get(0)?, row.get(1)?))
        })
    };
    app.identity.db().read(read).await.unwrap()
}

fn another(kind: &str) -> Value {
    match kind {
        "integer" => Value::Int(1_003),
        "blob" => Value::Blob(vec![7; 32]),
        _ => Value::Text("something else".to_owned()),
    }
}

on_both! {
    async fn each_column_of_an_entry_counts(app: TestApp) {
        lively(&app).await;
        let zeta = app.zeta().await.tenant.id.clone();
        app.identity.seal_audit().await.unwrap();
        assert_eq!((fault(&app, "acme").await, fault(&app, "zeta").await), (None, None));
        keep(&app).await;
        let columns = columns(&app, "audit").await;
        assert_eq!(columns.len(), 19, "{columns:?}");
        for (column, kind) in columns {
            let value = if column == "tenant_id" { Value::Text(zeta.clone()) } else { another(&kind) };
            let sql = format!("UPDATE audit SET {column} = $1 WHERE seq = 3 AND tenant_id <> '{zeta}'");
            assert_eq!(tamper(&app, &sql, &[value]).await, 1);
            let (seq, message) = fault(&app, "acme").await.unwrap_or_else(|| panic!("{column} does not count"));
            assert_eq!(seq, Some(3), "{column}: {message}");
            if column == "tenant_id" {
                assert!(fault(&app, "zeta").await.is_some());
            }
            put_back(&app).await;
        }
        assert_eq!((fault(&app, "acme").await, fault(&app, "zeta").await), (None, None));
    }

    async fn each_column_of_the_chains_ends_counts(app: TestApp) {
        lively(&app).await;
        keep(&app).await;
        for (column, kind) in columns(&app, "audit_chain").await {
            if column != "tenant_id" {
                tamper(&app, &format!("UPDATE audit_chain SET {column} = $1"), &[another(&kind)]).await;
                let told = fault(&app, "acme").await;
                assert_eq!(told, Some((None, "the record of where the log begins and ends was changed".to_owned())), "{column}");
                // Nor does anybody go on from there.
                app.api_key(&app.cx("acme").await).await;
                assert!(app.identity.seal_audit().await.is_err());
                put_back(&app).await;
            }
        }
    }

    async fn removed_added_moved(app: TestApp) {
        lively(&app).await;
        keep(&app).await;
        let last = verify(&app, "acme").await.last;
        assert!(last >= 7, "{last}");
        let copy = "INSERT INTO audit (tenant_id, id, at, turn, event, outcome, actor, surface, request_id, times, seq, hash, mac)
                    SELECT tenant_id, 'copied', at, turn, event, outcome, actor, surface, request_id, times, $1, hash, mac FROM audit WHERE seq = 4";
        let cut = "DELETE FROM audit WHERE seq > $1";
        let set_back = "UPDATE audit_chain SET last_seq = $1, last_hash = (SELECT hash FROM audit WHERE seq = $1)";
        type Step<'a> = (&'a str, Value);
        let cases: &[(&str, &[Step<'_>], Option<i64>, &str)] = &[
            ("removed", &[("DELETE FROM audit WHERE seq = $1", Value::Int(3))], Some(3), "entry 3 was removed"),
            ("the first removed", &[("DELETE FROM audit WHERE seq = $1", Value::Int(1))], Some(1), "entry 1 was removed"),
            ("removed and closed up", &[("DELETE FROM audit WHERE seq = $1", Value::Int(3)), ("UPDATE audit SET seq = -seq WHERE seq > $1", Value::Int(3)), ("UPDATE audit SET seq = -seq - 1 WHERE seq < $1", Value::Int(0))], Some(3), "entry 3 (request"),
            ("copied to the end", &[(copy, Value::Int(last + 1))], Some(last + 1), "was put in"),
            ("copied to before the beginning", &[(copy, Value::Int(0))], Some(0), "was put in"),
            ("exchanged", &[("UPDATE audit SET seq = 1003 WHERE seq = $1", Value::Int(3)), ("UPDATE audit SET seq = 3 WHERE seq = $1", Value::Int(5)), ("UPDATE audit SET seq = 5 WHERE seq = $1", Value::Int(1_003))], Some(3), "exchanged"),
            ("the end removed", &[(cut, Value::Int(last - 2))], Some(last - 1), "removed from the end"),
            ("the end removed, the ends adjusted", &[(cut, Value::Int(last - 2)), (set_back, Value::Int(last - 2))], None, "begins and ends was changed"),
            ("the ends removed", &[("DELETE FROM audit_chain WHERE last_seq > $1", Value::Int(0))], None, "begins and ends was removed"),
            ("all removed", &[("DELETE FROM audit WHERE seq > $1", Value::Int(0))], Some(1), "removed from the end"),
            ("all removed, the ends too", &[("DELETE FROM audit WHERE seq > $1", Value::Int(0)), ("DELETE FROM audit_chain WHERE last_seq > $1", Value::Int(0))], None, "the log is empty"),
        ];
        for (name, steps, seq, words) in cases {
            for (sql, value) in *steps {
                assert!(tamper(&app, sql, std::slice::from_ref(value)).await > 0, "{name}");
            }
            let (told, message) = fault(&app, "acme").await.unwrap_or_else(|| panic!("{name}: not told"));
            assert_eq!(told, *seq, "{name}: {message}");
            assert!(message.contains(words), "{name}: {message}");
            put_back(&app).await;
            assert_eq!(fault(&app, "acme").await, None, "{name}");
        }
    }

    async fn a_log_begun_anew_is_told(app: TestApp) {
        let cx = lively(&app).await;
        for table in ["audit", "audit_chain"] {
            tamper(&app, &format!("DELETE FROM {table}"), &params![]).await;
        }
        app.api_key(&cx).await;
        app.identity.seal_audit().await.unwrap();
        let (seq, message) = fault(&app, "acme").await.unwrap();
        assert_eq!(seq, Some(1), "{message}");
        assert!(message.contains("does not begin with the tenant's creation"), "{message}");
    }

    async fn entries_on_their_way_count_too(app: TestApp) {
        let cx = lively(&app).await;
        app.api_key(&cx).await;
        assert_eq!((verify(&app, "acme").await.unsealed, fault(&app, "acme").await), (1, None));
        keep(&app).await;
        let forged = "INSERT INTO audit (tenant_id, id, at, turn, event, outcome, actor, surface, request_id, times, mac)
                      SELECT tenant_id, 'forged', at, turn, 'sign_in.password', 'done', 'person', 'native', 'forged', 1, mac FROM audit WHERE seq IS NULL";
        for sql in ["UPDATE audit SET event = 'nothing' WHERE seq IS NULL", forged] {
            tamper(&app, sql, &params![]).await;
            let (_, message) = fault(&app, "acme").await.unwrap();
            assert!(message.contains("not sealed yet"), "{message}");
            app.identity.seal_audit().await.unwrap();
            let (seq, message) = fault(&app, "acme").await.unwrap();
            assert!(seq.is_some() && message.contains("before it was sealed"), "{message}");
            put_back(&app).await;
        }
        app.identity.seal_audit().await.unwrap();
        assert_eq!((verify(&app, "acme").await.unsealed, fault(&app, "acme").await), (0, None));
    }

    async fn many_at_once_make_one_chain(app: TestApp) {
        lively(&app).await;
        let other = app.second_node().await;
        let before = verify(&app, "acme").await.last;
        at_once(24, |turn| {
            let node = if turn % 2 == 0 { app.clone() } else { other.clone() };
            async move {
                if turn % 3 == 0 {
                    node.identity.seal_audit().await.unwrap();
                } else {
                    sign_in(&node, EMAIL, PASSWORD).await;
                }
            }
        })
        .await;
        app.identity.seal_audit().await.unwrap();
        let report = verify(&app, "acme").await;
        assert_eq!((report.fault, report.unsealed, report.last), (None, 0, before + 16));
        app.pass(Duration::from_secs(1));
        assert_eq!(app.identity.seal_audit().await.unwrap(), 0);
    }
}
