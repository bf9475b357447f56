//! What is tried on the finished release program, after the tests.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::runner::Runner;
use crate::torture;

type Check = fn(&Runner) -> Result<()>;

const CHECKS: &[(&str, Check)] = &[
    ("--version names the version", version),
    (
        "the demo's printed lines sign in through each dialect",
        demo,
    ),
    ("each dialect answers its recorded exchanges", examples),
    (
        "what was acknowledged survives kill -9 and power cuts",
        torture,
    ),
    (
        "two servers lose nothing when the primary dies",
        torture_nodes,
    ),
    ("faults put in on purpose are found", prove_torture),
];

/// Runs each check, with a line for it.
pub(crate) fn run(runner: &Runner) -> Result<()> {
    for (name, check) in CHECKS {
        println!("release: {name}");
        check(runner)?;
    }
    Ok(())
}

fn version(runner: &Runner) -> Result<()> {
    let said = runner.output(release(runner).arg("--version"))?;
    let expected = concat!("vestibule ", env!("CARGO_PKG_VERSION"));
    ensure!(
        said.starts_with(expected),
        "--version said {said:?}, not {expected:?}"
    );
    Ok(())
}

fn demo(runner: &Runner) -> Result<()> {
    let program = release(runner).get_program().to_owned();
    let mut bash = Command::new("bash");
    bash.args(["-c", include_str!("demo.sh"), "demo.sh"]);
    runner.run(bash.arg(program).current_dir(runner.root()))
}

fn examples(runner: &Runner) -> Result<()> {
    for dialect in ["rezi", "enclaive", "alphalearn"] {
        let folder = format!("dialects/{dialect}");
        runner.run(release(runner).args(["dialect", "test", &folder]))?;
    }
    Ok(())
}

fn torture(runner: &Runner) -> Result<()> {
    let program = release(runner).get_program().into();
    torture::run(runner, &torture::Options::short(program))
}

fn torture_nodes(runner: &Runner) -> Result<()> {
    let program = release(runner).get_program().into();
    torture::run(runner, &torture::Options::short_of_nodes(program))
}

fn prove_torture(runner: &Runner) -> Result<()> {
    let program = || release(runner).get_program().into();
    torture::run(runner, &torture::Options::short(program()).proving())?;
    torture::run(
        runner,
        &torture::Options::short_of_nodes(program()).proving(),
    )
}

fn release(runner: &Runner) -> Command {
    let mut command = Command::new(runner.target_dir().join("release/vestibule"));
    command.current_dir(runner.root());
    command
}
