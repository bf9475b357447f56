//! The audit log: what is in it, and that nobody changes it unseen.

mod chain;
mod entries;
mod keeping;

use vestibule_db::{Value, params};
use vestibule_identity::{AuditQuery, AuditReport, Cx};

use crate::app::TestApp;
use crate::browser::{HOST, PASSWORD, sign_in, submit};

const EMAIL: &str = "ada@example.com";

/// Acme with Ada, who signed in, and a stranger, who did not; sealed.
async fn lively(app: &TestApp) -> Cx {
    let cx = app.acme().await;
    app.person(&cx, EMAIL, PASSWORD, "Trainee").await;
    app.api_key(&cx).await;
    for _ in 0..2 {
        sign_in(app, EMAIL, PASSWORD).await;
        let wrong = [("email", EMAIL), ("password", "wrong-wrong-wrong")];
        submit(app, "/sign-in", "", &wrong).await.status(401);
    }
    app.identity.seal_audit().await.unwrap();
    cx
}

async fn verify(app: &TestApp, slug: &str) -> AuditReport {
    let cx = app.cx(slug).await;
    app.identity.verify_audit(&cx.tenant).await.unwrap()
}

/// What is wrong: the place, and how it is told.
async fn fault(app: &TestApp, slug: &str) -> Option<(Option<i64>, String)> {
    let fault = verify(app, slug).await.fault;
    fault.map(|fault| (fault.seq, fault.message))
}

/// What somebody does who has the database and nothing else.
async fn tamper(app: &TestApp, sql: &str, values: &[Value]) -> u64 {
    let (sql, values): (&'static str, _) = (Box::leak(sql.to_owned().into()), values.to_vec());
    let db = app.identity.db();
    db.write(move |tx| tx.exec(sql, &values)).await.unwrap()
}

/// Entries of one request, as `event outcome reason`.
async fn of_request(app: &TestApp, cx: &Cx, request: &str) -> Vec<String> {
    let query = AuditQuery {
        request: Some(request.to_owned()),
        limit: 10,
        ..AuditQuery::default()
    };
    let found = app.identity.audit_query(cx, query).await.unwrap();
    let line = |entry: vestibule_identity::AuditEntry| {
        format!(
            "{} {} {}",
            entry.event,
            entry.outcome,
            entry.reason.unwrap_or_default()
        )
    };
    found.into_iter().map(line).collect()
}

/// A copy of the log, to go back to.
async fn keep(app: &TestApp) {
    for table in ["audit", "audit_chain"] {
        tamper(
            app,
            &format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}"),
            &params![],
        )
        .await;
    }
}

async fn put_back(app: &TestApp) {
    for table in ["audit", "audit_chain"] {
        tamper(app, &format!("DELETE FROM {table}"), &params![]).await;
        tamper(
            app,
            &format!("INSERT INTO {table} SELECT * FROM kept_{table}"),
            &params![],
        )
        .await;
    }
}
