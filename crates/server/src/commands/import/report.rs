//! What is told of an import: counts, and the lines that made no account.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};
use vestibule_identity::{ImportDone, ImportNote, Refusal};

use crate::cli::{Output, complain};

/// So many refused lines are shown; a report file has all.
const SHOWN: usize = 20;

#[derive(Default)]
pub(super) struct Report {
    created: u64,
    updated: u64,
    known: u64,
    pub(super) refused: u64,
    shown: Vec<Value>,
    file: Option<BufWriter<File>>,
}

impl Report {
    /// A report file begins anew and is its owner's alone: addresses can be told from it.
    pub(super) fn new(path: Option<&Path>) -> anyhow::Result<Report> {
        let open = |path: &Path| {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let file = options.open(path);
            file.with_context(|| format!("cannot write {}", path.display()))
        };
        Ok(Report {
            file: path.map(open).transpose()?.map(BufWriter::new),
            ..Report::default()
        })
    }

    /// Takes in what came of a batch.
    pub(super) fn add(&mut self, done: ImportDone) -> anyhow::Result<()> {
        self.created += done.created;
        self.updated += done.updated;
        for (line, note) in done.notes {
            match note {
                ImportNote::Known => self.known(line)?,
                ImportNote::Refused(refusal) => self.refuse(line, &refusal)?,
            }
        }
        Ok(())
    }

    /// A later line of the same file about somebody.
    pub(super) fn again(&mut self) {
        self.updated += 1;
    }

    pub(super) fn known(&mut self, line: u64) -> anyhow::Result<()> {
        self.known += 1;
        self.write(&json!({ "line": line, "outcome": "known" }))
    }

    pub(super) fn refuse(&mut self, line: u64, refusal: &Refusal) -> anyhow::Result<()> {
        let Refusal { field, reason } = refusal;
        self.refused += 1;
        let entry = json!({ "line": line, "outcome": "refused", "field": field, "reason": reason });
        self.write(&entry)?;
        if self.shown.len() < SHOWN {
            self.shown.push(entry);
        }
        Ok(())
    }

    fn write(&mut self, entry: &Value) -> anyhow::Result<()> {
        match &mut self.file {
            Some(file) => writeln!(file, "{entry}").context("cannot write the report"),
            None => Ok(()),
        }
    }

    /// Says how it went.
    pub(super) fn tell(mut self, dry_run: bool, output: Output) -> anyhow::Result<()> {
        if let Some(file) = &mut self.file {
            file.flush().context("cannot write the report")?;
        }
        if !output.json {
            for entry in &self.shown {
                let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
                let (field, reason) = (text("field"), text("reason"));
                let of = if field.is_empty() { "the line" } else { &field };
                complain(&format!("line {}: {of} {reason}", entry["line"]));
            }
            let more = self.refused - self.shown.len() as u64;
            if more > 0 {
                complain(&format!("… and {more} more; --report FILE names them all"));
            }
        }
        let Report {
            created,
            updated,
            known,
            refused,
            shown,
            ..
        } = &self;
        let document = json!({
            "dry_run": dry_run,
            "created": created,
            "updated": updated,
            "known": known,
            "refused": refused,
            "refusals": shown,
        });
        output.answer(&document, || {
            let would = if dry_run { "would be " } else { "" };
            format!("{created} {would}created, {updated} {would}updated, {known} known already, {refused} refused")
        })
    }
}
