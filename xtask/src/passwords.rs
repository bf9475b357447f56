//! The embedded list of common passwords: fingerprints of words, sorted, one after the other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

#[path = "../../crates/identity/src/password/fingerprint.rs"]
mod fingerprint;

const LIST: &str = "crates/identity/data/common-passwords.bin";

/// Shorter words are parts of too many good passwords; longer ones nobody types.
const LENGTHS: std::ops::RangeInclusive<usize> = 4..=64;

/// Reads the sources and writes the list.
pub(crate) fn write_list(root: &Path, sources: &[PathBuf]) -> anyhow::Result<()> {
    let mut entries = BTreeSet::new();
    for source in sources {
        let text =
            fs::read_to_string(source).with_context(|| format!("reading {}", source.display()))?;
        let words =
            words(source, &text).with_context(|| format!("reading {}", source.display()))?;
        let before = entries.len();
        entries.extend(words.iter().map(|word| fingerprint::fingerprint(word)));
        println!(
            "{}: {} words, {} new",
            source.display(),
            words.len(),
            entries.len() - before
        );
    }
    let bytes: Vec<u8> = entries.iter().flatten().copied().collect();
    fs::write(root.join(LIST), &bytes).with_context(|| format!("writing {LIST}"))?;
    println!(
        "{LIST}: {} entries of {} bytes",
        entries.len(),
        fingerprint::WIDTH
    );
    Ok(())
}

fn words(source: &Path, text: &str) -> anyhow::Result<BTreeSet<String>> {
    let raw: Vec<String> = match source
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        true => serde_json::from_str(text)?,
        false => text.lines().map(str::to_owned).collect(),
    };
    let words = raw.iter().map(|word| word.trim().to_lowercase());
    Ok(words
        .filter(|word| LENGTHS.contains(&word.chars().count()))
        .collect())
}
