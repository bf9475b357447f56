//! Licences of the dependencies, against the list in deny.toml.

use std::iter::Peekable;
use std::str::SplitWhitespace;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::runner::Runner;

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
}

/// One line for each package, of those that the server's targets use, without an allowed licence.
pub(crate) fn check(runner: &Runner, targets: &[String], allow: &[String]) -> Result<Vec<String>> {
    let mut command = runner.cargo(["metadata", "--format-version=1", "--locked"]);
    for target in targets {
        command.arg("--filter-platform").arg(target);
    }
    let metadata: Metadata = serde_json::from_str(&runner.output(&mut command)?)
        .context("cargo metadata answered something unexpected")?;
    let refused = metadata.packages.iter().filter(|package| {
        let licence = package.license.as_deref().unwrap_or_default();
        !allowed(licence, allow)
    });
    let line = |p: &Package| {
        let licence = p.license.as_deref().unwrap_or("none");
        format!("{} {}: licence not allowed: {licence}", p.name, p.version)
    };
    Ok(refused.map(line).collect())
}

/// Whether an SPDX expression (or the old form `A/B`, which means OR) can be met with the allowed licences.
fn allowed(expression: &str, allow: &[String]) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let met = any(&mut words, allow);
    met && words.next().is_none()
}

type Words<'a> = Peekable<SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>, allow: &[String]) -> bool {
    let mut met = all(words, allow);
    while words.next_if_eq(&"OR").is_some() {
        met |= all(words, allow);
    }
    met
}

fn all(words: &mut Words<'_>, allow: &[String]) -> bool {
    let mut met = one(words, allow);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allow);
    }
    met
}

fn one(words: &mut Words<'_>, allow: &[String]) -> bool {
    match words.next() {
        Some("(") => {
            let met = any(words, allow);
            words.next_if_eq(&")").is_some() && met
        }
        Some(name) => match words.next_if_eq(&"WITH").and_then(|_| words.next()) {
            Some(exception) => allow.contains(&format!("{name} WITH {exception}")),
            None => allow.iter().any(|licence| licence == name),
        },
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_weighed() {
        let allow = ["MIT", "ISC", "Apache-2.0"].map(str::to_owned);
        for good in [
            "MIT",
            "GPL-3.0/MIT",
            "GPL-3.0 OR MIT",
            "ISC AND (Apache-2.0 OR OpenSSL)",
            "Apache-2.0 WITH LLVM-exception OR MIT",
            "GPL-3.0 AND MIT OR ISC",
        ] {
            assert!(allowed(good, &allow), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "ISC AND (GPL-3.0 OR OpenSSL)",
            "Apache-2.0 WITH LLVM-exception",
            "(MIT",
            "MIT ISC",
        ] {
            assert!(!allowed(bad, &allow), "{bad}");
        }
    }
}
