//! `vestibule db copy`

use anyhow::{Context, bail, ensure};
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use vestibule_db::{Db, Engine, Options};
use vestibule_identity::{Clock, Identity, MIGRATIONS};

use crate::cli::Output;
use crate::database::check_version;
use crate::effects::SystemClock;
use crate::node::{core_error, resolve};
use crate::settings::Settings;

/// Moves everything from one database to another.
pub(super) async fn run(
    settings: &Settings,
    (from, to): (String, String),
    output: Output,
) -> anyhow::Result<()> {
    let (from, to) = (SecretString::from(from), SecretString::from(to));
    let from = open(&resolve(settings, &from, "--from")?, false)
        .await
        .context("--from")?;
    check_version(&from).await.context("--from")?;
    let Some(source) = Identity::installation(&from).await.map_err(core_error)? else {
        bail!("--from: no server has used this database yet; there is nothing to copy");
    };
    let to = open(&resolve(settings, &to, "--to")?, true)
        .await
        .context("--to")?;
    let bar = ProgressBar::with_draw_target(None, target(output));
    let copied = vestibule_db::copy(
        (&from, &to),
        &source,
        MIGRATIONS,
        SystemClock.now().0,
        |at| {
            let doing = if at.comparing { "comparing" } else { "copying" };
            let (table, rows) = (&at.table, HumanCount(at.rows));
            bar.set_message(format!("{doing} {table}: {rows} rows"));
            bar.tick();
        },
    )
    .await;
    bar.finish_and_clear();
    let engine = to.engine();
    from.close().await;
    to.close().await;
    let copied = copied?;
    let rows: u64 = copied.iter().map(|(_, rows)| rows).sum();
    let tables: Map<String, Value> = copied
        .into_iter()
        .map(|(table, rows)| (table, rows.into()))
        .collect();
    let count = tables.len();
    output.answer(&json!({ "rows": rows, "tables": tables }), || {
        format!(
            "copied {rows} rows of {count} tables to {engine}, and compared them\n\
             start the server with the new database_url and the same secret key; keep the old database unused"
        )
    })
}

async fn open(url: &SecretString, create: bool) -> anyhow::Result<Db> {
    let options = Options {
        create,
        // No server may use a SQLite file meanwhile.
        sole: true,
        limit: None,
        pool: 2,
        ..Options::new(url.expose_secret())
    };
    match Db::open(&options).await {
        Ok(db) => {
            ensure!(
                db.engine() == Engine::Sqlite || create || db.schema_version().await?.is_some(),
                "there is nothing in the database yet"
            );
            Ok(db)
        }
        Err(error) => bail!("{}", error.cause()),
    }
}

fn target(output: Output) -> ProgressDrawTarget {
    match output.json {
        true => ProgressDrawTarget::hidden(),
        false => ProgressDrawTarget::stderr(),
    }
}
