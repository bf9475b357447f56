//! The figures: medians of rounds, held against what is wanted.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::chart;
use crate::machine::Fact;

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    AtLeast(f64),
    AtMost(f64),
    /// Only told.
    Nothing,
}

/// A figure, one value for each round.
#[derive(Debug, Clone)]
pub struct Figure {
    pub path: &'static str,
    pub what: String,
    pub unit: &'static str,
    pub wanted: Wanted,
    pub values: Vec<f64>,
}

impl Figure {
    pub fn median(&self) -> f64 {
        median(&self.values)
    }

    pub fn is_reached(&self) -> bool {
        match self.wanted {
            Wanted::AtLeast(least) => self.median() >= least,
            Wanted::AtMost(most) => self.median() <= most,
            Wanted::Nothing => true,
        }
    }

    fn spread(&self) -> String {
        match self.values.len() {
            0 | 1 => String::new(),
            _ => format!(
                "{} to {}",
                shown(least(&self.values)),
                shown(most(&self.values))
            ),
        }
    }

    fn wanted(&self) -> String {
        match self.wanted {
            Wanted::AtLeast(least) => format!("≥ {}", shown(least)),
            Wanted::AtMost(most) => format!("≤ {}", shown(most)),
            Wanted::Nothing => String::new(),
        }
    }

    /// The row of a table.
    pub fn row(&self) -> String {
        let mark = match (self.wanted, self.is_reached()) {
            (Wanted::Nothing, _) => "",
            (_, true) => "yes",
            (_, false) => "**no**",
        };
        format!(
            "| {} | {} | {} {} | {} | {} | {mark} |",
            self.path,
            self.what,
            shown(self.median()),
            self.unit,
            self.spread(),
            self.wanted(),
        )
    }
}

pub const HEAD: &str =
    "| Path | Figure | Median | Spread | Wanted | Reached |\n|---|---|---|---|---|---|";

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}

/// Three digits that say something.
pub fn shown(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        _ if size >= 1_000.0 => {
            let digits = format!("{value:.0}");
            let mut out = String::new();
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && (digits.len() - index) % 3 == 0 {
                    out.push(',');
                }
                out.push(digit);
            }
            return out;
        }
        _ if size >= 100.0 => format!("{value:.0}"),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

const BEGIN: &str = "<!-- written by cargo xtask bench -->\n";
const END: &str = "<!-- end of what cargo xtask bench writes -->\n";

/// Writes the table between the marks of the page, and the chart beside it.
pub fn write(docs: &Path, facts: &[Fact], figures: &[Figure], how: &str) -> Result<()> {
    let page = docs.join("benchmarks.md");
    let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let (before, rest) = text
        .split_once(BEGIN)
        .context("benchmarks.md: no place for the table")?;
    let (_, after) = rest
        .split_once(END)
        .context("benchmarks.md: the table's place has no end")?;
    let mut table = String::new();
    for (name, fact) in facts {
        writeln!(table, "- {name}: {fact}")?;
    }
    writeln!(
        table,
        "- {how}\n\n![Figures against what is wanted](benchmarks.svg)\n\n{HEAD}"
    )?;
    for figure in figures {
        writeln!(table, "{}", figure.row())?;
    }
    fs::write(&page, format!("{before}{BEGIN}\n{table}\n{END}{after}"))?;
    fs::write(docs.join("benchmarks.svg"), chart::svg(figures))?;
    Ok(())
}
