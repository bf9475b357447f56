//! `vestibule dialect …`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use vestibule_dialect::{Dialect, Dialects, Problems, RouteInfo, check_file, examples};

use crate::cli::{DialectCommand, Output, complain};
use crate::node::{dialects, own_paths};
use crate::replay::{Outcome, replay};
use crate::settings::Settings;

pub(super) async fn run(
    command: DialectCommand,
    settings: &Settings,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let known = || dialects(settings);
    match command {
        DialectCommand::List => list(&known()?, output)?,
        DialectCommand::Routes => routes(&known()?, output)?,
        DialectCommand::Check { file } => return check(&dialect_file(&file)?, output),
        DialectCommand::Test { dir } => return test(&dir, output).await,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(dialects: &Dialects, output: Output) -> anyhow::Result<()> {
    let found: Vec<&Dialect> = dialects
        .names()
        .into_iter()
        .filter_map(|name| dialects.get(name))
        .collect();
    let document = |dialect: &&Dialect| json!({ "name": dialect.name(), "title": dialect.title() });
    let row = |dialect: &&Dialect| vec![dialect.name().to_owned(), dialect.title().to_owned()];
    let documents: Vec<Value> = found.iter().map(document).collect();
    let rows: Vec<_> = found.iter().map(row).collect();
    output.table(
        &json!({ "dialects": documents }),
        &["NAME", "WHAT IT IS"],
        &rows,
    )
}

fn routes(dialects: &Dialects, output: Output) -> anyhow::Result<()> {
    let routes = dialects.routes();
    let document = |route: &RouteInfo| json!({ "dialect": route.dialect, "method": route.method, "path": route.path, "operation": route.operation });
    let row = |route: &RouteInfo| {
        vec![
            route.dialect.clone(),
            route.method.clone(),
            route.path.clone(),
            route.operation.to_owned(),
        ]
    };
    let documents: Vec<Value> = routes.iter().map(document).collect();
    let rows: Vec<_> = routes.iter().map(row).collect();
    output.table(
        &json!({ "routes": documents }),
        &["DIALECT", "METHOD", "PATH", "OPERATION"],
        &rows,
    )
}

/// The file itself, or the one in that folder.
fn dialect_file(path: &Path) -> anyhow::Result<PathBuf> {
    let file = match path.is_dir() {
        true => path.join("dialect.toml"),
        false => path.to_owned(),
    };
    let shown = file.display();
    ensure!(
        file.is_file(),
        "there is no file {shown}; give the folder of one dialect, where its dialect.toml is"
    );
    Ok(file)
}

fn check(file: &Path, output: Output) -> anyhow::Result<ExitCode> {
    match check_file(file, &own_paths()) {
        Ok(dialect) => {
            let document = json!({ "name": dialect.name(), "problems": [] });
            output.answer(&document, || {
                format!("{}: {} is sound", file.display(), dialect.name())
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Err(Problems(problems)) => {
            let document = |problem: &vestibule_dialect::Problem| json!({ "file": problem.file, "line": problem.line, "message": problem.message });
            let documents: Vec<Value> = problems.iter().map(document).collect();
            if output.json {
                output.answer(&json!({ "problems": documents }), String::new)?;
            }
            problems
                .iter()
                .for_each(|problem| complain(&problem.to_string()));
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn test(dir: &Path, output: Output) -> anyhow::Result<ExitCode> {
    let file = dialect_file(dir)?;
    let dialect = check_file(&file, &own_paths())?;
    let folder = file.parent().context("the dialect's folder")?;
    let examples = examples::load(folder)?;
    let name = dialect.name().to_owned();
    // This one alone, so that faults of its neighbours do not matter and one that is built in can be worked on.
    let outcomes = replay(&Dialects::of(vec![dialect]), &name, &examples).await?;
    let failed: Vec<&Outcome> = outcomes
        .iter()
        .filter(|outcome| outcome.failure.is_some())
        .collect();
    let line = |outcome: &Outcome| match &outcome.failure {
        None => format!("ok      {} ({} steps)\n", outcome.title, outcome.passed),
        Some(failure) => format!(
            "FAILED  {}\n        {}: {failure}\n",
            outcome.title, outcome.file
        ),
    };
    output.answer(&json!({ "dialect": name, "examples": outcomes }), || {
        let sum = format!(
            "{name}: {} examples, {} failed\n",
            outcomes.len(),
            failed.len()
        );
        outcomes.iter().map(line).collect::<String>() + &sum
    })?;
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    complain(&format!(
        "{} of {} examples failed",
        failed.len(),
        outcomes.len()
    ));
    Ok(ExitCode::FAILURE)
}
