//! Texts that a tenant puts in place of ours.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A text, or a table of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Words {
    Text(String),
    Table(BTreeMap<String, Words>),
}

impl Words {
    /// The text of a dotted key.
    pub fn text(&self, key: &str) -> Option<&str> {
        match (self, key) {
            (Words::Text(text), "") => Some(text),
            (Words::Table(table), key) => {
                let (first, rest) = key.split_once('.').unwrap_or((key, ""));
                table.get(first)?.text(rest)
            }
            _ => None,
        }
    }

    /// Every dotted key with its text.
    pub fn all(&self) -> Vec<(String, &str)> {
        match self {
            Words::Text(text) => vec![(String::new(), text)],
            Words::Table(table) => {
                let mut all = Vec::new();
                for (name, words) in table {
                    for (rest, text) in words.all() {
                        let dot = if rest.is_empty() { "" } else { "." };
                        all.push((format!("{name}{dot}{rest}"), text));
                    }
                }
                all
            }
        }
    }
}
