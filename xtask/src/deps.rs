//! `cargo xtask check-deps`: what may come in through Cargo.lock. Needs no network and no other tool.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use semver::{Version, VersionReq};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::licences;
use crate::runner::Runner;

#[derive(Debug, Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: Version,
    source: Option<String>,
}

/// The part of deny.toml that is read here; cargo-deny reads the rest too.
#[derive(Debug, Deserialize)]
struct Policy {
    graph: Graph,
    bans: Bans,
    licenses: Licences,
    sources: Sources,
}

#[derive(Debug, Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Debug, Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
struct Licences {
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advisories {
    advisory: Vec<Advisory>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advisory {
    #[serde(rename = "crate")]
    name: String,
    patched: Vec<VersionReq>,
    id: String,
    note: String,
}

/// Fails with one line for each dependency that breaks a rule.
pub(crate) fn check(runner: &Runner) -> Result<()> {
    let root = runner.root();
    let lock: Lock = read(&root.join("Cargo.lock"))?;
    let policy: Policy = read(&root.join("deny.toml"))?;
    let advisories: Advisories = read(&root.join("xtask/advisories.toml"))?;

    let mut faults = banned(&lock.package, &policy);
    faults.extend(outdated(&lock.package, &advisories.advisory));
    faults.extend(licences::check(
        runner,
        &policy.graph.targets,
        &policy.licenses.allow,
    )?);
    if !faults.is_empty() {
        bail!("{} faults:\n  {}", faults.len(), faults.join("\n  "));
    }
    println!(
        "{} packages: none banned, {} advisories heeded, licences allowed",
        lock.package.len(),
        advisories.advisory.len()
    );
    if runner
        .output(&mut runner.cargo(["deny", "--version"]))
        .is_ok()
    {
        let deny = "deny --offline check bans licenses sources";
        runner.run(&mut runner.cargo(deny.split(' ')))?;
    }
    Ok(())
}

fn banned(packages: &[Package], policy: &Policy) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages {
        let (name, version) = (&package.name, &package.version);
        if let Some(ban) = policy.bans.deny.iter().find(|ban| ban.name == *name) {
            faults.push(format!("{name} {version} is banned: {}", ban.reason));
        }
        let Some(source) = &package.source else {
            continue;
        };
        let registry = source.strip_prefix("registry+").unwrap_or_default();
        if !policy.sources.allow_registry.iter().any(|r| r == registry) {
            faults.push(format!("{name} {version} comes from {source}"));
        }
    }
    faults
}

fn outdated(packages: &[Package], advisories: &[Advisory]) -> Vec<String> {
    let mut faults = Vec::new();
    for advisory in advisories {
        let hit = packages.iter().filter(|p| {
            p.name == advisory.name && !advisory.patched.iter().any(|r| r.matches(&p.version))
        });
        for package in hit {
            let patched: Vec<String> = advisory.patched.iter().map(ToString::to_string).collect();
            faults.push(format!(
                "{} {}: {} ({}); mended in {}",
                package.name,
                package.version,
                advisory.note,
                advisory.id,
                patched.join(" or ")
            ));
        }
    }
    faults
}

/// Reads a TOML file into its type.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("in {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, source: Option<&str>) -> Package {
        Package {
            name: name.to_owned(),
            version: version.parse().unwrap(),
            source: source.map(str::to_owned),
        }
    }

    #[test]
    fn every_patched_range_counts() {
        let advisory = Advisory {
            name: "rand".to_owned(),
            patched: vec![
                ">=0.10.1".parse().unwrap(),
                ">=0.9.3, <0.10.0".parse().unwrap(),
            ],
            id: "X-1".to_owned(),
            note: "bad".to_owned(),
        };
        let packages = ["0.8.9", "0.9.2", "0.9.3", "0.10.0", "0.10.1"]
            .map(|version| package("rand", version, None));
        let faults = outdated(&packages, &[advisory]);
        let hit: Vec<&str> = faults
            .iter()
            .map(|f| f.split(':').next().unwrap())
            .collect();
        assert_eq!(hit, ["rand 0.8.9", "rand 0.9.2", "rand 0.10.0"]);
    }

    #[test]
    fn bans_and_foreign_sources_are_found() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let policy: Policy = read(&root.join("deny.toml")).unwrap();
        let crates_io = Some("registry+https://github.com/rust-lang/crates.io-index");
        let packages = [
            package("openssl-sys", "0.9.1", crates_io),
            package("serde", "1.0.0", crates_io),
            package("vestibule", "0.1.0", None),
            package("mine", "0.1.0", Some("git+https://example.test/mine")),
        ];
        let faults = banned(&packages, &policy);
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].starts_with("openssl-sys 0.9.1 is banned"));
        assert_eq!(
            faults[1],
            "mine 0.1.0 comes from git+https://example.test/mine"
        );
    }
}
