//! `vestibule user import …`

mod lines;
mod record;
mod report;

use std::collections::HashSet;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, bail};
use tokio::sync::mpsc;
use vestibule_crypto::digest;
use vestibule_identity::{ImportMode, ImportPerson, Micros, Refusal};

use super::bar;
use crate::cli::{Import, Output, complain};
use crate::node::{Node, core_error};
use lines::{Counts, Fields, Lines, check_name, format_of};
use report::Report;

/// Lines of one transaction: enough that its cost is shared, few enough that sign-ins beside it hardly wait.
const BATCH: usize = 1_000;

type People = Vec<(u64, ImportPerson)>;

/// What the reading thread hands over.
#[derive(Default)]
struct Batch {
    people: People,
    refused: Vec<(u64, Refusal)>,
    last: u64,
}

pub(super) async fn run(import: Import, node: &Node, output: Output) -> anyhow::Result<ExitCode> {
    let cx = node.cx(&import.tenant).await?;
    let usual = match &import.defaults {
        Some(path) => usual(path)?,
        None => Fields::new(),
    };
    let counts = Arc::new(Counts::default());
    let format = format_of(&import.file, import.format)?;
    let lines = Lines::open(&import.file, format, &counts)?;
    let length = std::fs::metadata(&import.file).map_or(0, |file| file.len());
    let bar = bar(output, "{bar:40} {percent}% of {total_bytes}, {left} left")?;
    bar.set_length(length);
    let mut report = Report::new(import.report.as_deref())?;
    let mode = ImportMode {
        update: import.update,
        dry_run: import.dry_run,
    };
    let mut seen = HashSet::new();
    let (to, mut batches) = mpsc::channel(2);
    let now = cx.now;
    let reader = std::thread::spawn(move || read(lines, &usual, now, &to));
    let mut last = 0;
    let stopped = |last| match last {
        0 => "nothing was imported".to_owned(),
        last => format!("stopped after line {last}; the same command again goes on from there"),
    };
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let batch = tokio::select! {
            biased;
            _ = &mut interrupted => {
                bar.finish_and_clear();
                report.tell(mode.dry_run, output)?;
                bail!(stopped(last));
            }
            batch = batches.recv() => batch,
        };
        let Some(mut batch) = batch else {
            break;
        };
        if mode.dry_run {
            repeated(&mut batch, &mut seen, mode.update, &mut report)?;
        }
        for (line, refusal) in &batch.refused {
            report.refuse(*line, refusal)?;
        }
        let done = node.identity.import(&cx, batch.people, mode).await;
        report.add(done.map_err(core_error).with_context(|| stopped(last))?)?;
        last = batch.last;
        bar.set_position(counts.bytes.load(Ordering::Relaxed));
    }
    bar.finish_and_clear();
    match reader.join() {
        Ok(read) => {
            read.with_context(|| format!("{}: cannot be read on", import.file.display()))?
        }
        Err(_) => bail!("the thread that reads the file ended with a panic"),
    }
    let refused = report.refused;
    report.tell(mode.dry_run, output)?;
    if refused > 0 {
        complain(&format!("{refused} lines were refused"));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads and checks line by line while the lines before are being written.
fn read(
    mut lines: Lines,
    usual: &Fields,
    now: Micros,
    to: &mpsc::Sender<Batch>,
) -> anyhow::Result<()> {
    let mut batch = Batch::default();
    // What has been read before a fault in the file is still imported.
    let end = loop {
        let (number, fields) = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        let person = fields.and_then(|fields| ImportPerson::read(&fields, usual, now));
        match person {
            Ok(person) => batch.people.push((number, person)),
            Err(refusal) => batch.refused.push((number, refusal)),
        }
        batch.last = number;
        if batch.people.len() + batch.refused.len() == BATCH {
            // Nobody listens any more after a failed batch.
            if to.blocking_send(std::mem::take(&mut batch)).is_err() {
                return Ok(());
            }
        }
    };
    let _ = to.blocking_send(batch);
    end
}

/// A dry run writes nothing that would tell of a line before: addresses that come again are counted here.
fn repeated(
    batch: &mut Batch,
    seen: &mut HashSet<[u8; 16]>,
    update: bool,
    report: &mut Report,
) -> anyhow::Result<()> {
    let people = std::mem::take(&mut batch.people);
    for (line, person) in people {
        let digest = digest(person.address().as_bytes());
        let (short, _) = digest.as_chunks::<16>();
        match seen.insert(short[0]) {
            true => batch.people.push((line, person)),
            false if update => report.again(),
            false => report.known(line)?,
        }
    }
    Ok(())
}

/// Values for what lines leave out.
fn usual(path: &Path) -> anyhow::Result<Fields> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| {
        let line = error
            .span()
            .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        anyhow::anyhow!("{shown}:{line}: {}", error.message())
    })?;
    let mut fields = Fields::new();
    for (name, value) in table {
        check_name(&name).with_context(|| shown.to_string())?;
        let value = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(is) => is.to_string(),
            _ => bail!("{shown}: `{name}` must be text, a whole number, true or false"),
        };
        fields.push((name.into(), value.into()));
    }
    Ok(fields)
}
