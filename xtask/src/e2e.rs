//! What is tried on the finished release program, after the tests.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::runner::Runner;

type Check = fn(&Runner) -> Result<()>;

const CHECKS: &[(&str, Check)] = &[("--version names the version", version)];

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

fn release(runner: &Runner) -> Command {
    let mut command = Command::new(runner.target_dir().join("release/vestibule"));
    command.current_dir(runner.root());
    command
}
