//! People of another system, from the file to their sign-in.

mod command;
mod people;
mod sign_in;

use serde_json::Value;
use vestibule_identity::{
    Cx, ImportDone, ImportFields, ImportMode, ImportNote, ImportPerson, Refusal,
};

use crate::app::TestApp;

/// "correct horse battery" as bcrypt of the lowest cost.
const BCRYPT: &str = "$2b$04$qf7hAhbKx8qAJhpMsWCGO.W//PZmi/aMBPtSP2rWYmeqGzreouY8a";
const PASSWORD: &str = "correct horse battery";

const UPDATE: ImportMode = ImportMode {
    update: true,
    dry_run: false,
};

fn read(app: &TestApp, line: &Value) -> Result<ImportPerson, Refusal> {
    let fields = line.as_object().unwrap().iter();
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let fields: Vec<_> = fields
        .map(|(name, value)| (name.clone().into(), text(value).into()))
        .collect();
    let fields: &ImportFields<'_> = &fields;
    ImportPerson::read(fields, &[], app.identity.now())
}

/// Imports these lines, numbered from 1.
pub(crate) async fn import(
    app: &TestApp,
    cx: &Cx,
    lines: &[Value],
    mode: ImportMode,
) -> ImportDone {
    let people = lines.iter().map(|line| read(app, line).unwrap());
    let batch = (1..).zip(people).collect();
    app.identity.import(cx, batch, mode).await.unwrap()
}

fn created(count: u64) -> ImportDone {
    ImportDone {
        created: count,
        ..ImportDone::default()
    }
}

fn updated(count: u64) -> ImportDone {
    ImportDone {
        updated: count,
        ..ImportDone::default()
    }
}

fn refused(line: u64, field: &str, reason: &str) -> (u64, ImportNote) {
    let (field, reason) = (field.to_owned(), reason.to_owned());
    (line, ImportNote::Refused(Refusal { field, reason }))
}

/// The person's stored hash.
async fn stored(app: &TestApp, cx: &Cx, email: &str) -> Option<String> {
    let id = app.identity.user(cx, email).await.unwrap().id;
    let found = app.identity.db().read(move |tx| {
        tx.opt(
            "SELECT phc FROM password WHERE account_id = $1",
            &vestibule_db::params![&id],
            |row| row.get(0),
        )
    });
    found.await.unwrap()
}

/// How many rows a table has.
async fn count(app: &TestApp, sql: &'static str) -> i64 {
    let counted = app
        .identity
        .db()
        .read(move |tx| tx.one(sql, &[], |row| row.get(0)));
    counted.await.unwrap()
}
