//! `vestibule db …`

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::cli::{DbCommand, Output};
use crate::node::{Create, Schema, open_and_migrate, open_database};
use crate::settings::Settings;

pub(super) async fn run(
    command: DbCommand,
    settings: &Settings,
    output: Output,
) -> anyhow::Result<ExitCode> {
    match command {
        DbCommand::Migrate => {
            let (db, applied) = open_and_migrate(settings, Create::Always, false).await?;
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
        DbCommand::Backup { file } => backup(settings, &file, output).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn backup(settings: &Settings, file: &Path, output: Output) -> anyhow::Result<()> {
    let db = open_database(settings, Schema::MustBeCurrent).await?;
    let target = if output.json {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {percent}% of {len} pages, {eta} left",
    )?);
    let shown = bar.clone();
    let progress = move |done, all| {
        shown.set_length(all);
        shown.set_position(done);
    };
    let copied = db.backup(file, progress).await;
    bar.finish_and_clear();
    copied.with_context(|| format!("cannot back up to {}", file.display()))?;
    let bytes = std::fs::metadata(file)?.len();
    let text = || {
        format!(
            "backed up to {} ({bytes} bytes); keep a copy of the secret key file as well",
            file.display()
        )
    };
    output.answer(&json!({ "file": file, "bytes": bytes }), text)
}
