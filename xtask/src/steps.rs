//! `cargo xtask test`: the steps, their order and the closing lines.

use std::io::Write;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::postgres::Postgres;
use crate::runner::{Runner, shown, succeeded};
use crate::tally::Tally;
use crate::{deps, e2e, house, machine};

/// What `cargo xtask test` can be told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run only these steps (may be given several times, or separated by commas)
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Step>,
    /// Run the tests against a PostgreSQL with fsync on
    #[arg(long)]
    durable: bool,
    /// Never install anything; fail when something is missing
    #[arg(long)]
    no_install: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// cargo fmt --check
    Format,
    /// banned, outdated or wrongly licensed dependencies
    Deps,
    /// the rules of xtask/house.toml
    House,
    /// cargo clippy, no warning allowed
    Lint,
    /// cargo test on SQLite and a private PostgreSQL
    Test,
    /// the release build, and what is tried on the finished program
    Release,
}

impl Step {
    /// Cheap steps first: a slip should show before the long ones start.
    const ALL: [Self; 6] = [
        Self::Format,
        Self::Deps,
        Self::House,
        Self::Lint,
        Self::Test,
        Self::Release,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Deps => "deps",
            Self::House => "house",
            Self::Lint => "lint",
            Self::Test => "test",
            Self::Release => "release",
        }
    }
}

/// Runs the chosen steps up to the first that fails, then prints a line a step and, last, the count of tests.
pub(crate) fn run(runner: &Runner, options: &Options) -> Result<ExitCode> {
    let chosen: Vec<Step> = Step::ALL
        .into_iter()
        .filter(|step| options.only.is_empty() || options.only.contains(step))
        .collect();
    prepare(runner, &chosen, !options.no_install)?;

    let mut tally = Tally::default();
    let mut done: Vec<(Step, Duration, bool)> = Vec::new();
    for step in &chosen {
        println!("\n== {} ==", step.name());
        let start = Instant::now();
        let result = run_step(runner, *step, (&chosen, options), &mut tally);
        done.push((*step, start.elapsed(), result.is_ok()));
        if let Err(error) = result {
            eprintln!("error: {}: {error:#}", step.name());
            break;
        }
    }
    let good = done.len() == chosen.len() && done.iter().all(|(_, _, good)| *good);
    let mut out = std::io::stdout().lock();
    writeln!(out)?;
    for step in &chosen {
        match done.iter().find(|(ran, _, _)| ran == step) {
            Some((_, time, good)) => {
                let word = if *good { "ok" } else { "FAILED" };
                writeln!(
                    out,
                    "{:8} {word:7} {:>7.1} s",
                    step.name(),
                    time.as_secs_f64()
                )?;
            }
            None => writeln!(out, "{:8} not run", step.name())?,
        }
    }
    if chosen.contains(&Step::Test) {
        writeln!(out, "{tally}")?;
    }
    out.flush()?;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn prepare(runner: &Runner, chosen: &[Step], install: bool) -> Result<()> {
    if chosen.contains(&Step::Format) {
        machine::rustup_component(runner, "fmt", "rustfmt", install)?;
    }
    if chosen.contains(&Step::Lint) {
        machine::rustup_component(runner, "clippy", "clippy", install)?;
    }
    if chosen.contains(&Step::Test) {
        machine::prepare(runner, machine::ALL, install)?;
    } else if chosen.contains(&Step::Release) {
        machine::prepare(runner, &[machine::POSTGRES], install)?;
    }
    Ok(())
}

fn run_step(
    runner: &Runner,
    step: Step,
    (chosen, options): (&[Step], &Options),
    tally: &mut Tally,
) -> Result<()> {
    let both = chosen.contains(&Step::Lint) && chosen.contains(&Step::Test);
    let tests = if both { linted_tests } else { tests };
    match step {
        Step::Format => runner.run(&mut runner.cargo(["fmt", "--all", "--check"])),
        Step::Deps => deps::check(runner),
        Step::House => house::check(runner.root()),
        Step::Lint if both => runner.run(tests(runner).arg("--no-run")),
        Step::Lint => {
            let lint = "clippy --workspace --all-targets --locked -- -D warnings";
            runner.run(&mut runner.cargo(lint.split(' ')))
        }
        Step::Test => test(runner, tests, options.durable, tally),
        Step::Release => {
            let build = "build --release --locked -p vestibule";
            runner.run(&mut runner.cargo(build.split(' ')))?;
            e2e::run(runner)
        }
    }
}

fn tests(runner: &Runner) -> Command {
    runner.cargo("test --workspace --locked".split(' '))
}

/// The same, our crates compiled by Clippy. `cargo clippy` only checks, so that tests after it compile every dependency a
/// second time: four minutes of a run from nothing. What Clippy is told here, it is told by `cargo clippy` in the same way.
fn linted_tests(runner: &Runner) -> Command {
    let mut command = tests(runner);
    let deny = "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__";
    command.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver");
    command.env("CLIPPY_ARGS", deny);
    command
}

fn test(
    runner: &Runner,
    tests: fn(&Runner) -> Command,
    durable: bool,
    tally: &mut Tally,
) -> Result<()> {
    // Built before the database starts, so that a failing build does not wait for one.
    runner.run(tests(runner).arg("--no-run"))?;
    let postgres = Postgres::start(runner, durable)?;
    let mut command = tests(runner);
    command.arg("--no-fail-fast");
    command.env("VESTIBULE_TEST_POSTGRES", postgres.url());
    println!("{} on {}", shown(&command), postgres.url());
    let status = runner.run_reading(&mut command, |line| {
        println!("{line}");
        tally.add_line(line);
    })?;
    if !status.success() && tally.failed == 0 {
        // A test program that was killed or crashed reports no count of its own.
        tally.failed = 1;
    }
    succeeded(&command, status)?;
    if tally.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}
