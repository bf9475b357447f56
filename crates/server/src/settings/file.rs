//! `vestibule.toml`: each setting with the line it stands on.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use toml::{Spanned, Value};

use super::names;

/// A setting as the file gives it.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) line: usize,
}

/// Reads a file's text; `path` is for messages only.
pub(super) fn read(path: &Path, text: &str) -> anyhow::Result<Vec<Line>> {
    let table: BTreeMap<Spanned<String>, Value> = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        anyhow::anyhow!(
            "{}:{line}: {}",
            path.display(),
            error.message().replace('\n', ", ")
        )
    })?;
    let mut lines = Vec::with_capacity(table.len());
    for (key, value) in table {
        let line = line_of(text, key.span().start);
        let at = || format!("{}:{line}", path.display());
        let key = key.into_inner();
        let Some(name) = names::known(&key) else {
            bail!(
                "{}: unknown setting `{key}`{}",
                at(),
                names::suggestion(&key, names::NAMES.iter().copied())
            );
        };
        let value = scalar(&value).with_context(|| format!("{}: `{name}`", at()))?;
        lines.push(Line { name, value, line });
    }
    lines.sort_by_key(|line| line.line);
    Ok(lines)
}

/// 1 for the first line.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}

fn scalar(value: &Value) -> anyhow::Result<String> {
    Ok(match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Array(items) => items
            .iter()
            .map(scalar)
            .collect::<anyhow::Result<Vec<_>>>()?
            .join(","),
        other => bail!(
            "must be text, a number or a list, not a {}",
            other.type_str()
        ),
    })
}
