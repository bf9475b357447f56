//! What the tests need on the machine, and how it gets there on Debian.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::runner::{Runner, shown};

/// A program that must be found, and the Debian packages that bring it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    program: &'static str,
    packages: &'static [&'static str],
    purpose: &'static str,
}

pub(crate) const POSTGRES: Need = Need {
    program: "initdb",
    packages: &["postgresql"],
    purpose: "PostgreSQL server, the second database engine",
};

pub(crate) const CHROMIUM: Need = Need {
    program: "chromium",
    packages: &["chromium"],
    purpose: "browser for the hosted pages' tests",
};

pub(crate) const CHROMEDRIVER: Need = Need {
    program: "chromedriver",
    packages: &["chromium-driver"],
    purpose: "drives the browser",
};

pub(crate) const ALL: &[Need] = &[
    POSTGRES,
    Need {
        program: "pgbouncer",
        packages: &["pgbouncer"],
        purpose: "pooler between the server and PostgreSQL",
    },
    Need {
        program: "nginx",
        packages: &["nginx"],
        purpose: "proxy in front of the server",
    },
    Need {
        program: "haproxy",
        packages: &["haproxy"],
        purpose: "another proxy in front of the server",
    },
    CHROMIUM,
    CHROMEDRIVER,
    Need {
        program: "curl",
        packages: &["curl"],
        purpose: "tries the documented examples",
    },
];

/// Finds a program on PATH, where Debian keeps what only root starts, or PostgreSQL's server programs (the newest version).
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let mut on_path = folders.map(|dir| dir.join(program));
    if let Some(found) = on_path.find(|file| file.is_file()) {
        return Some(found);
    }
    let version = |dir: &PathBuf| -> Option<u32> { dir.file_name()?.to_str()?.parse().ok() };
    fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|dir| dir.join("bin").join(program).is_file())
        .max_by_key(version)
        .map(|dir| dir.join("bin").join(program))
}

/// Makes sure that all of `needs` are there: installs what is missing on Debian, says what is missing elsewhere.
pub(crate) fn prepare(runner: &Runner, needs: &[Need], install: bool) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|n| find(n.program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !install || !is_debian() {
        bail!("{}", wanted(&missing));
    }
    let mut packages: Vec<&str> = Vec::new();
    for need in &missing {
        println!("installing {} ({})", need.packages.join(" "), need.purpose);
        packages.extend(need.packages);
    }
    apt_install(runner, &packages).with_context(|| wanted(&missing))?;
    let still: Vec<&Need> = needs.iter().filter(|n| find(n.program).is_none()).collect();
    if !still.is_empty() {
        bail!("after installing: {}", wanted(&still));
    }
    Ok(())
}

/// Makes sure that cargo has a subcommand that rustup offers as a component.
pub(crate) fn rustup_component(
    runner: &Runner,
    subcommand: &str,
    component: &str,
    install: bool,
) -> Result<()> {
    if runner
        .output(&mut runner.cargo([subcommand, "--version"]))
        .is_ok()
    {
        return Ok(());
    }
    if !install || find("rustup").is_none() {
        bail!("cargo {subcommand} is missing: install the toolchain component {component}");
    }
    println!("installing {component} (toolchain component)");
    let mut rustup = Command::new("rustup");
    rustup.args(["component", "add", component]);
    runner.run(rustup.current_dir(runner.root()))
}

/// Whether this process is root; PostgreSQL refuses to run as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn is_debian() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    release.lines().any(|line| {
        let value = line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE="));
        value.is_some_and(|v| v.trim_matches('"').split(' ').any(|id| id == "debian"))
    })
}

fn wanted(missing: &[&Need]) -> String {
    let programs: Vec<String> = missing
        .iter()
        .map(|need| format!("{} ({})", need.program, need.purpose))
        .collect();
    format!("these programs must be on PATH: {}", programs.join(", "))
}

/// Keeps Debian from also setting up and starting a database server of its own, which nobody asked for.
const NO_MAIN_CLUSTER: &str = "/etc/postgresql-common/createcluster.d/vestibule.conf";

/// Keeps Debian from starting what it installs (exit status 101: forbidden by policy).
const POLICY: &str = "/usr/sbin/policy-rc.d";

fn apt_install(runner: &Runner, packages: &[&str]) -> Result<()> {
    let quiet = !Path::new(POLICY).exists();
    if quiet {
        let script = format!("printf '#!/bin/sh\\nexit 101\\n' > {POLICY} && chmod 755 {POLICY}");
        as_root(runner, ["sh", "-c", &script])?;
    }
    let installed = apt_get(runner, packages);
    if quiet {
        as_root(runner, ["rm", "-f", POLICY])?;
    }
    installed
}

fn apt_get(runner: &Runner, packages: &[&str]) -> Result<()> {
    let server = packages
        .iter()
        .any(|package| package.starts_with("postgresql"));
    if server {
        let set = format!(
            "mkdir -p {} && echo 'create_main_cluster = false' > {NO_MAIN_CLUSTER}",
            Path::new(NO_MAIN_CLUSTER)
                .parent()
                .unwrap_or(Path::new("/"))
                .display()
        );
        as_root(runner, ["sh", "-c", &set])?;
    }
    let apt = [
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-q",
        "-y",
    ];
    let update = apt.into_iter().chain(["update"]);
    let install = apt
        .into_iter()
        .chain(["install", "--no-install-recommends"])
        .chain(packages.iter().copied());
    // A stale list is no reason to stop: what it names may still be there.
    if let Err(error) = as_root(runner, update) {
        eprintln!("warning: {error:#}");
    }
    let installed = as_root(runner, install);
    if server {
        as_root(runner, ["rm", "-f", NO_MAIN_CLUSTER])?;
    }
    installed
}

/// Runs a command as root, in the terminal's own process group so that sudo may ask for the password.
fn as_root<S: AsRef<OsStr>>(runner: &Runner, args: impl IntoIterator<Item = S>) -> Result<()> {
    let mut command = if is_root() {
        Command::new("env")
    } else if find("sudo").is_some() {
        let mut sudo = Command::new("sudo");
        sudo.arg("--");
        sudo
    } else {
        bail!("installing needs root or sudo");
    };
    command.args(args).current_dir(runner.root());
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", shown(&command)))?;
    if runner.interrupted() {
        bail!("interrupted");
    }
    crate::runner::succeeded(&command, status)
}
