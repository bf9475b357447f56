//! `vestibule db …`

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::{copy, restore};
use crate::cli::{DbCommand, Output};
use crate::database::{Create, Opening, Schema, open_and_migrate, open_database};
use crate::settings::Settings;

pub(super) async fn run(
    command: DbCommand,
    settings: &Settings,
    output: Output,
) -> anyhow::Result<ExitCode> {
    match command {
        DbCommand::Migrate { no_snapshot } => {
            let opening = Opening {
                create: Create::Always,
                sole: false,
                snapshot: !no_snapshot,
            };
            let (db, applied) = open_and_migrate(settings, opening).await?;
            let version = db.schema_version().await?;
            db.close().await;
            let text = || match applied.last() {
                None => "the schema is up to date".to_owned(),
                Some(last) => format!("the schema is now at version {last}"),
            };
            output.answer(&json!({ "applied": applied, "version": version }), text)?;
        }
        DbCommand::Check => {
            let db = open_database(settings, Schema::MustBeCurrent).await?;
            let problems = db.check().await.context("cannot check the database")?;
            output.answer(
                &json!({ "ok": problems.is_empty(), "problems": problems }),
                || match problems.is_empty() {
                    true => format!("no damage found ({})", db.engine()),
                    false => problems.join("\n"),
                },
            )?;
            if !problems.is_empty() {
                crate::cli::complain(&format!(
                    "the database is damaged: {} problems",
                    problems.len()
                ));
                return Ok(ExitCode::FAILURE);
            }
        }
        DbCommand::Copy { from, to } => copy::run(settings, (from, to), output).await?,
        DbCommand::Backup { file } => restore::backup(settings, &file, output).await?,
        DbCommand::Restore { file, keys } => {
            restore::restore(settings, &file, keys, output).await?;
        }
        DbCommand::Restored(keys) => restore::restored(settings, keys, output).await?,
    }
    Ok(ExitCode::SUCCESS)
}
