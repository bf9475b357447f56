//! The lines of a file, JSON objects or CSV records, one at a time: no line is held longer than it is looked at, and none
//! may be longer than 64 KiB.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail, ensure};
use vestibule_identity::{ImportPerson, Refusal};

use super::record::Record;
use crate::cli::ImportFormat;
use crate::settings::suggestion;

/// Of one line of JSON or, with what has been read ahead, one CSV record.
const LONGEST: u64 = 64 << 10;
const READ_AHEAD: u64 = 64 << 10;

pub(super) type Fields = Vec<(Cow<'static, str>, Cow<'static, str>)>;

/// A line's number, and its fields or what is wrong with the line as a whole.
pub(super) type Line = (u64, Result<Fields, Refusal>);

/// A file being read.
pub(super) enum Lines {
    Json {
        reader: BufReader<Counted>,
        number: u64,
    },
    Csv {
        reader: Box<csv::Reader<Counted>>,
        names: Vec<Cow<'static, str>>,
        counts: Arc<Counts>,
    },
}

/// How far the file has been read.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) bytes: AtomicU64,
    /// Where the record that is being read began, at the latest.
    begun: AtomicU64,
}

/// Refuses to go on where a record does not end.
pub(super) struct Counted {
    file: File,
    counts: Arc<Counts>,
    bounded: bool,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read(into)?;
        let all = self.counts.bytes.fetch_add(got as u64, Ordering::Relaxed) + got as u64;
        let since = all - self.counts.begun.load(Ordering::Relaxed);
        match self.bounded && since > LONGEST + READ_AHEAD {
            true => Err(io::Error::other(
                "a record is longer than 64 KiB; is a quote not closed?",
            )),
            false => Ok(got),
        }
    }
}

/// What the file's name says, where nobody says more.
pub(super) fn format_of(path: &Path, told: Option<ImportFormat>) -> anyhow::Result<ImportFormat> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match (told, extension.map(str::to_ascii_lowercase).as_deref()) {
        (Some(format), _) => Ok(format),
        (None, Some("csv")) => Ok(ImportFormat::Csv),
        (None, Some("jsonl" | "ndjson" | "json")) => Ok(ImportFormat::Jsonl),
        _ => bail!(
            "{}: say what it is with --format jsonl or --format csv",
            path.display()
        ),
    }
}

impl Lines {
    /// Opens the file; of CSV it reads the heading, which must name fields that an import knows.
    pub(super) fn open(
        path: &Path,
        format: ImportFormat,
        counts: &Arc<Counts>,
    ) -> anyhow::Result<Lines> {
        let shown = path.display();
        let file = File::open(path).with_context(|| format!("cannot read {shown}"))?;
        let counted = Counted {
            file,
            counts: counts.clone(),
            bounded: format == ImportFormat::Csv,
        };
        if format == ImportFormat::Jsonl {
            return Ok(Lines::Json {
                reader: BufReader::with_capacity(READ_AHEAD as usize, counted),
                number: 0,
            });
        }
        let mut reader = csv::ReaderBuilder::new()
            .buffer_capacity(READ_AHEAD as usize)
            .from_reader(counted);
        let heading = reader
            .headers()
            .with_context(|| format!("cannot read {shown}"))?;
        let names: Vec<Cow<'static, str>> = heading
            .iter()
            .map(|name| Cow::Owned(name.trim().to_owned()))
            .collect();
        ensure!(
            !names.is_empty(),
            "{shown}: the first line must name the fields"
        );
        for (at, name) in names.iter().enumerate() {
            check_name(name).with_context(|| format!("{shown}: line 1"))?;
            ensure!(
                !names[..at].contains(name),
                "{shown}: line 1: `{name}` stands there twice"
            );
        }
        Ok(Lines::Csv {
            reader: Box::new(reader),
            names,
            counts: counts.clone(),
        })
    }

    /// The next line that is not empty. An error is one after which nothing more can be read.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Line>> {
        match self {
            Lines::Json { reader, number } => loop {
                let mut line = Vec::new();
                if reader.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
                    return Ok(None);
                }
                *number += 1;
                if line.len() as u64 == LONGEST && !line.ends_with(b"\n") {
                    reader.skip_until(b'\n')?;
                    return Ok(Some((*number, Err(whole("is longer than 64 KiB")))));
                }
                let text = match *number {
                    1 => line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&line),
                    _ => &line,
                };
                if !text.trim_ascii().is_empty() {
                    return Ok(Some((*number, object(text))));
                }
            },
            Lines::Csv {
                reader,
                names,
                counts,
            } => {
                counts.begun.store(
                    counts
                        .bytes
                        .load(Ordering::Relaxed)
                        .saturating_sub(READ_AHEAD),
                    Ordering::Relaxed,
                );
                let mut record = csv::ByteRecord::new();
                let read = reader.read_byte_record(&mut record);
                let number = record.position().map_or(0, csv::Position::line);
                match read {
                    Ok(false) => Ok(None),
                    Ok(true) => Ok(Some((number, fields(names, &record)))),
                    Err(error) => match error.kind() {
                        csv::ErrorKind::UnequalLengths {
                            expected_len,
                            len,
                            pos,
                        } => {
                            let number = pos.as_ref().map_or(number, csv::Position::line);
                            let told = format!("has {len} fields, the heading {expected_len}");
                            Ok(Some((number, Err(whole(&told)))))
                        }
                        _ => Err(error).with_context(|| format!("after line {number}")),
                    },
                }
            }
        }
    }
}

/// Refuses names that no field has.
pub(super) fn check_name(name: &str) -> anyhow::Result<()> {
    let known = ImportPerson::FIELDS;
    ensure!(
        known.contains(&name),
        "`{name}` is no field of an import{}",
        suggestion(name, known.iter().copied())
    );
    Ok(())
}

fn whole(reason: &str) -> Refusal {
    Refusal {
        field: String::new(),
        reason: reason.to_owned(),
    }
}

/// What is wrong is told by place and kind, never in the line's own words: there may be a password in it.
fn object(text: &[u8]) -> Result<Fields, Refusal> {
    let record: Result<Record, _> = serde_json::from_slice(text);
    record.map(|record| record.0).map_err(|error| {
        whole(&match error.classify() {
            serde_json::error::Category::Data => format!(
                "is not an object of text, numbers, true, false and null (column {})",
                error.column()
            ),
            _ => format!("is not JSON (column {})", error.column()),
        })
    })
}

fn fields(names: &[Cow<'static, str>], record: &csv::ByteRecord) -> Result<Fields, Refusal> {
    let mut fields = Vec::with_capacity(names.len());
    for (name, value) in names.iter().zip(record) {
        let text = std::str::from_utf8(value).map_err(|_| Refusal {
            field: name.to_string(),
            reason: "is not UTF-8".to_owned(),
        })?;
        fields.push((name.clone(), Cow::Owned(text.to_owned())));
    }
    Ok(fields)
}
