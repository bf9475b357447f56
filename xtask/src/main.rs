//! Developer commands: `cargo xtask test` runs everything that must pass, from a machine with nothing but Rust on it.
#![allow(clippy::print_stdout, clippy::print_stderr)]
#![allow(
    clippy::disallowed_methods,
    reason = "a tool for the terminal: reads the environment and waits for the programs it starts"
)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod bench;
mod deps;
mod e2e;
mod house;
mod licences;
mod literals;
mod machine;
mod passwords;
mod postgres;
mod runner;
mod steps;
mod tally;
mod torture;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::runner::Runner;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Developer commands of this repository")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every check and test, on both database engines; install what they need
    Test(steps::Options),
    /// Start a private PostgreSQL, print its URL and keep it until Ctrl-C
    Postgres {
        /// Keep fsync on, as a real server does
        #[arg(long)]
        durable: bool,
        /// Only look for PostgreSQL, never install it
        #[arg(long)]
        no_install: bool,
    },
    /// Kill the server and cut its power at random moments; nothing acknowledged may be lost
    Torture(torture::Options),
    /// Take the book's pictures of the hosted pages in Chromium
    Screenshots {
        /// Where they go
        #[arg(default_value = "docs/images")]
        folder: std::path::PathBuf,
        /// Every page in every look
        #[arg(long)]
        all: bool,
        /// Only look for Chromium, never install it
        #[arg(long)]
        no_install: bool,
    },
    /// Measure the release server against the bounds of its work; docs/benchmarks.md says how
    Bench(bench::Options),
    /// Check Cargo.lock against deny.toml and xtask/advisories.toml
    CheckDeps,
    /// Write the list of common passwords anew; crates/identity/data/README.md tells from what
    PasswordList {
        /// Files with one password a line, or JSON lists of them
        #[arg(required = true)]
        sources: Vec<std::path::PathBuf>,
    },
    /// Check the repository against xtask/house.toml
    CheckHouse,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let runner = Runner::new()?;
    match cli.command {
        Command::Test(options) => return steps::run(&runner, &options),
        Command::Postgres {
            durable,
            no_install,
        } => {
            machine::prepare(&runner, &[machine::POSTGRES], !no_install)?;
            postgres::stay(&runner, durable)?;
        }
        Command::Screenshots {
            folder,
            all,
            no_install,
        } => {
            machine::prepare(
                &runner,
                &[machine::CHROMIUM, machine::CHROMEDRIVER],
                !no_install,
            )?;
            let mut pictures = runner.cargo("run -q -p browser --bin screenshots --".split(' '));
            pictures.arg(folder).args(all.then_some("--all"));
            runner.run(&mut pictures)?;
        }
        Command::Torture(options) => torture::run(&runner, &options)?,
        Command::Bench(options) => bench::run(&runner, &options)?,
        Command::CheckDeps => deps::check(&runner)?,
        Command::PasswordList { sources } => passwords::write_list(runner.root(), &sources)?,
        Command::CheckHouse => house::check(runner.root())?,
    }
    Ok(ExitCode::SUCCESS)
}
