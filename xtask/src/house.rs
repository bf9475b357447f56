//! `cargo xtask check-house`: the repository's own rules, those that no linter knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::deps::read;
use crate::literals;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    max_lines: usize,
    #[serde(default)]
    long_file: Vec<LongFile>,
    vague_modules: Vec<String>,
    words: Vec<String>,
    unsafe_code: PathBuf,
    arrows: BTreeMap<String, Vec<String>>,
    only: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LongFile {
    path: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    package: Package,
    #[serde(default)]
    dependencies: toml::Table,
    #[serde(default, rename = "build-dependencies")]
    build_dependencies: toml::Table,
    #[serde(default)]
    target: BTreeMap<String, TargetTables>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
}

#[derive(Debug, Deserialize)]
struct TargetTables {
    #[serde(default)]
    dependencies: toml::Table,
}

/// Folders that hold what is ours, and the kinds of file in them that the words are looked for in.
const FOLDERS: [&str; 6] = [
    "browser/src",
    "browser/tests",
    "crates",
    "dialects",
    "pages",
    "xtask",
];
const TEXT: [&str; 7] = ["rs", "toml", "sql", "html", "css", "js", "ftl"];

/// Literals that contain both parts are SQL. Upper case, as it is written everywhere here.
const SQL: [(&str, &str); 13] = [
    ("SELECT ", " FROM "),
    ("INSERT INTO ", ""),
    ("UPDATE ", " SET "),
    ("DELETE FROM ", ""),
    ("CREATE TABLE ", ""),
    ("CREATE INDEX ", ""),
    ("CREATE UNIQUE INDEX ", ""),
    ("ALTER TABLE ", ""),
    ("DROP TABLE ", ""),
    ("ON CONFLICT", ""),
    ("PRAGMA ", ""),
    ("BEGIN IMMEDIATE", ""),
    ("WHERE ", " = $"),
];

/// Fails with one line for each breach.
pub(crate) fn check(root: &Path) -> Result<()> {
    let rules: Rules = read(&root.join("xtask/house.toml"))?;
    let mut faults = Vec::new();
    let files = files(root)?;
    for (path, text) in &files {
        if path.starts_with("crates") && path.extension().is_some_and(|e| e == "rs") {
            faults.extend(misplaced_sql(path, text));
            faults.extend(misplaced_unsafe(path, text, &rules));
        }
        faults.extend(vague_name(path, &rules));
        // The list of the words is itself no breach.
        if !path.starts_with("xtask") {
            faults.extend(unfinished(path, text, &rules));
        }
    }
    faults.extend(long_files(&files, &rules));
    for (path, text) in &files {
        if path.ends_with("Cargo.toml") && path.starts_with("crates") {
            let manifest: Manifest =
                toml::from_str(text).with_context(|| format!("in {}", path.display()))?;
            faults.extend(arrows(&manifest, &rules));
        }
    }
    if !faults.is_empty() {
        bail!("{} faults:\n  {}", faults.len(), faults.join("\n  "));
    }
    println!("{} files keep the house rules", files.len());
    Ok(())
}

/// Every text file of ours, by its path from the root.
fn files(root: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = FOLDERS.map(|folder| root.join(folder)).into();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry?.path();
            let extension = path
                .extension()
                .and_then(|e| e.to_str())
                .unwrap_or_default();
            if path.is_dir() {
                folders.push(path);
            } else if TEXT.contains(&extension) {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                found.insert(path.strip_prefix(root)?.to_path_buf(), text);
            }
        }
    }
    Ok(found)
}

fn is_test(path: &Path) -> bool {
    path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests")
}

fn may_hold_sql(path: &Path) -> bool {
    let places = ["store", "migrations"];
    let inside = |part: &str| {
        path.components()
            .any(|component| component.as_os_str() == part)
    };
    path.starts_with("crates/db")
        || path.ends_with("store.rs")
        || is_test(path)
        || places.into_iter().any(inside)
}

fn misplaced_sql(path: &Path, text: &str) -> Vec<String> {
    if may_hold_sql(path) {
        return Vec::new();
    }
    literals::find(text)
        .into_iter()
        .filter(|literal| is_sql(&literal.text))
        .map(|literal| {
            let place = format!("{}:{}", path.display(), literal.line);
            format!("{place}: SQL belongs into a store.rs, a migration or crates/db")
        })
        .collect()
}

fn is_sql(text: &str) -> bool {
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ") + " ";
    SQL.iter()
        .any(|(first, second)| plain.contains(first) && plain.contains(second))
}

/// The linter refuses unsafe code unless a file says that it wants some; one may.
fn misplaced_unsafe(path: &Path, text: &str, rules: &Rules) -> Option<String> {
    let misplaced = has_word(text, "unsafe_code") && path != rules.unsafe_code;
    misplaced.then(|| {
        let place = rules.unsafe_code.display();
        format!("{}: unsafe code belongs into {place}", path.display())
    })
}

fn vague_name(path: &Path, rules: &Rules) -> Option<String> {
    let vague = path.extension().is_some_and(|e| e == "rs")
        && path.components().any(|part| {
            let name = part.as_os_str().to_string_lossy();
            let name = name.strip_suffix(".rs").unwrap_or(&name);
            rules.vague_modules.iter().any(|vague| vague == name)
        });
    vague.then(|| format!("{}: the name says nothing", path.display()))
}

fn unfinished(path: &Path, text: &str, rules: &Rules) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for word in rules.words.iter().filter(|word| has_word(line, word)) {
            faults.push(format!("{}:{}: {word}", path.display(), number + 1));
        }
    }
    faults
}

/// Whether `word` stands in `line` on its own, not as a part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(joins) && !after.is_some_and(joins)
    })
}

fn long_files(files: &BTreeMap<PathBuf, String>, rules: &Rules) -> Vec<String> {
    let mut faults = Vec::new();
    let mut long = BTreeSet::new();
    for (path, text) in files {
        let lines = text.lines().count();
        let counts = path.extension().is_some_and(|e| e == "rs") && !is_test(path);
        if !counts || lines <= rules.max_lines {
            continue;
        }
        long.insert(path.as_path());
        let max = rules.max_lines;
        if !rules.long_file.iter().any(|f| Path::new(&f.path) == path) {
            faults.push(format!(
                "{}: {lines} lines, more than {max}",
                path.display()
            ));
        }
    }
    for entry in &rules.long_file {
        if !long.contains(Path::new(&entry.path)) {
            faults.push(format!(
                "xtask/house.toml: {} is not long any more",
                entry.path
            ));
        }
        if entry.reason.trim().is_empty() {
            faults.push(format!("xtask/house.toml: {} has no reason", entry.path));
        }
    }
    faults
}

fn arrows(manifest: &Manifest, rules: &Rules) -> Vec<String> {
    let name = &manifest.package.name;
    let Some(may) = rules.arrows.get(name) else {
        return vec![format!(
            "xtask/house.toml: [arrows] does not know the crate {name}"
        )];
    };
    let mut tables = vec![&manifest.dependencies, &manifest.build_dependencies];
    tables.extend(manifest.target.values().map(|target| &target.dependencies));
    let mut faults = Vec::new();
    for dependency in tables.into_iter().flat_map(toml::Table::keys) {
        if rules.arrows.contains_key(dependency) && !may.contains(dependency) {
            faults.push(format!("{name} must not depend on {dependency}"));
        }
        if rules
            .only
            .get(dependency)
            .is_some_and(|only| !only.contains(name))
        {
            faults.push(format!(
                "{name} must not use {dependency}; see [only] in xtask/house.toml"
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("house.toml")).unwrap()
    }

    #[test]
    fn sql_is_told_from_prose_and_from_its_place() {
        let code = "fn f() { q(\"SELECT id\n FROM account\"); say(\"Select one from the list\") }";
        let outside = Path::new("crates/http/src/page.rs");
        assert_eq!(misplaced_sql(outside, code).len(), 1);
        for inside in [
            "crates/identity/src/account/store.rs",
            "crates/identity/src/account/tests.rs",
            "crates/server/tests/all/main.rs",
            "crates/db/src/sqlite.rs",
        ] {
            assert!(
                misplaced_sql(Path::new(inside), code).is_empty(),
                "{inside}"
            );
        }
    }

    #[test]
    fn one_file_may_hold_unsafe_code() {
        let (rules, code) = (rules(), "#![expect(unsafe_code, reason = \"fast\")]");
        let elsewhere = Path::new("crates/crypto/src/lib.rs");
        assert!(misplaced_unsafe(&rules.unsafe_code, code, &rules).is_none());
        assert!(misplaced_unsafe(elsewhere, code, &rules).is_some());
        assert!(misplaced_unsafe(elsewhere, "// an unsafe_coder", &rules).is_none());
    }

    #[test]
    fn words_and_names() {
        let path = Path::new("crates/http/src/page.rs");
        let text = "// FIXME later\nlet TODOS = 1;\n#[ignore]\n";
        let faults = unfinished(path, text, &rules());
        assert_eq!(
            faults,
            [
                "crates/http/src/page.rs:1: FIXME",
                "crates/http/src/page.rs:3: #[ignore"
            ]
        );
        assert!(vague_name(Path::new("crates/http/src/utils.rs"), &rules()).is_some());
        assert!(vague_name(Path::new("crates/http/src/helpers/a.rs"), &rules()).is_some());
        assert!(vague_name(path, &rules()).is_none());
    }

    #[test]
    fn long_files_need_a_reason_and_a_reason_needs_a_long_file() {
        let mut rules = rules();
        rules.max_lines = 2;
        rules.long_file.clear();
        let mut files = BTreeMap::new();
        files.insert(PathBuf::from("crates/a/src/lib.rs"), "a\nb\nc\n".to_owned());
        files.insert(
            PathBuf::from("crates/a/src/tests.rs"),
            "a\nb\nc\n".to_owned(),
        );
        assert_eq!(
            long_files(&files, &rules),
            ["crates/a/src/lib.rs: 3 lines, more than 2"]
        );
        rules.long_file.push(LongFile {
            path: "crates/a/src/lib.rs".to_owned(),
            reason: "one table".to_owned(),
        });
        assert!(long_files(&files, &rules).is_empty());
        files.clear();
        assert_eq!(long_files(&files, &rules).len(), 1);
    }

    #[test]
    fn dependencies_point_downwards() {
        let text = "[package]\nname = \"vestibule-identity\"\n[dependencies]\nvestibule-db.workspace = true\n\
                    vestibule-http.workspace = true\naxum = \"1\"\n[target.'cfg(unix)'.dependencies]\nrusqlite = \"1\"\n\
                    [dev-dependencies]\nvestibule.workspace = true\n";
        let manifest: Manifest = toml::from_str(text).unwrap();
        let faults: BTreeSet<String> = arrows(&manifest, &rules()).into_iter().collect();
        let expected = [
            "vestibule-identity must not depend on vestibule-http",
            "vestibule-identity must not use axum; see [only] in xtask/house.toml",
            "vestibule-identity must not use rusqlite; see [only] in xtask/house.toml",
        ];
        assert_eq!(faults, expected.map(str::to_owned).into());
    }
}
