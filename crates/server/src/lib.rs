//! The `vestibule` server: settings, command line, effects on the machine, workers, the demo.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod backups;
pub mod cli;
mod commands;
mod copies;
mod database;
pub mod demo;
pub mod effects;
mod logs;
pub mod mail;
mod mounts;
pub mod node;
pub mod replay;
mod secret_key;
pub mod serve;
pub mod settings;
mod templates;
pub mod temporary;
pub mod tenant_file;
mod workers;

use std::process::ExitCode;

use clap::Parser;

/// Does what the command line says. 0: done; 1: failed, with one line on standard error; 2: wrong usage.
pub fn run() -> ExitCode {
    let cli = cli::Cli::parse();
    match start(cli) {
        Ok(code) => code,
        Err(error) => {
            cli::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn start(cli: cli::Cli) -> anyhow::Result<ExitCode> {
    let settings = settings::Settings::load(&cli.inputs()?)?;
    let _rest_of_the_log = logs::start(&settings, cli.is_node())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let code = runtime.block_on(commands::run(cli, settings))?;
    // Whatever still runs has been given its time to finish.
    runtime.shutdown_background();
    Ok(code)
}
