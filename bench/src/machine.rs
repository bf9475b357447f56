//! What it was measured on.

use std::fs;
use std::path::Path;
use std::process::Command;

/// What a fact is called, and what it is.
pub type Fact = (&'static str, String);

/// Taken before anything is measured. `docs` is in the repository whose commit is told.
pub fn facts(docs: &Path) -> Vec<Fact> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = line_of("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let memory = line_of("/proc/meminfo", "MemTotal").unwrap_or_default();
    let kilobytes = memory
        .split(' ')
        .next()
        .and_then(|kb| kb.parse::<f64>().ok());
    let mut facts = vec![
        ("Processor", format!("{model}, {cores} cores")),
        (
            "Memory",
            format!("{:.0} GiB", kilobytes.unwrap_or_default() / 1_048_576.0),
        ),
        ("System", said("uname", &["-sr"])),
    ];
    facts.push((
        "Load before the start",
        said("cut", &["-d ", "-f1-3", "/proc/loadavg"]),
    ));
    let docs = docs.to_string_lossy();
    let describe = ["-C", &docs, "describe", "--always", "--dirty"];
    facts.push(("Commit", said("git", &describe)));
    facts
}

fn line_of(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
