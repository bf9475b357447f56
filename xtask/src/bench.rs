//! `cargo xtask bench`: builds the release server and the tool of `bench/`, and lets it measure.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::machine;
use crate::postgres::Postgres;
use crate::runner::Runner;

/// What `cargo xtask bench` can be told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// In a minute: fewer and shorter rounds; writes nothing
    #[arg(long)]
    quick: bool,
    /// Measure these paths only, and write nothing (may be given several times, or separated by commas)
    #[arg(long, value_name = "PATH", value_delimiter = ',')]
    only: Vec<String>,
    /// Also with so many accounts, such as 100k or 10M, in a thousandth as many tenants
    #[arg(long, value_name = "ACCOUNTS")]
    scale: Option<String>,
    /// Also on a private PostgreSQL with fsync on
    #[arg(long)]
    postgres: bool,
    /// Rounds of each path
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of each measurement
    #[arg(long)]
    seconds: Option<f64>,
    /// Folder on the disk to measure on; the system's temporary folder without it
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Write docs/benchmarks.md although only a part was measured
    #[arg(long)]
    write: bool,
    /// Measure this program instead of a release build of the repository
    #[arg(long)]
    program: Option<PathBuf>,
    /// List the paths
    #[arg(long)]
    list: bool,
    /// Never install PostgreSQL
    #[arg(long)]
    no_install: bool,
}

/// Measures; the table goes to standard output, and after a whole run into docs/benchmarks.md.
pub(crate) fn run(runner: &Runner, options: &Options) -> Result<()> {
    let tool = build(runner)?;
    if options.list {
        return runner.run(std::process::Command::new(tool).arg("list"));
    }
    let program = match &options.program {
        Some(program) => program.canonicalize()?,
        None => {
            runner.run(&mut runner.cargo(["build", "--release", "--locked", "-p", "vestibule"]))?;
            runner.target_dir().join("release/vestibule")
        }
    };
    let mut command = std::process::Command::new(tool);
    command.arg("run").arg("--program").arg(program);
    command.arg("--docs").arg(runner.root().join("docs"));
    for (flag, given) in [("--quick", options.quick), ("--write", options.write)] {
        if given {
            command.arg(flag);
        }
    }
    for path in &options.only {
        command.arg("--only").arg(path);
    }
    let values = [
        ("--scale", options.scale.clone()),
        ("--rounds", options.rounds.map(|rounds| rounds.to_string())),
        (
            "--seconds",
            options.seconds.map(|seconds| seconds.to_string()),
        ),
    ];
    for (flag, value) in values {
        if let Some(value) = value {
            command.arg(flag).arg(value);
        }
    }
    if let Some(folder) = &options.folder {
        command.arg("--folder").arg(folder);
    }
    let postgres = match options.postgres {
        true => {
            machine::prepare(runner, &[machine::POSTGRES], !options.no_install)?;
            Some(Postgres::start(runner, true)?)
        }
        false => None,
    };
    if let Some(postgres) = &postgres {
        command.arg("--postgres").arg(postgres.url());
    }
    runner.run(&mut command)
}

/// The tool has a workspace of its own, so that no other command builds what it needs.
fn build(runner: &Runner) -> Result<PathBuf> {
    let manifest = runner.root().join("bench/Cargo.toml");
    let mut build = runner.cargo(["build", "--release", "--locked", "--manifest-path"]);
    build.arg(manifest);
    build.arg("--target-dir").arg(runner.target_dir());
    runner.run(&mut build)?;
    Ok(runner.target_dir().join("release/vestibule-bench"))
}
