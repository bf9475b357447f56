//! What commands print: text for people, or one JSON document.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

/// Where and how a command answers.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub json: bool,
}

impl Output {
    /// Prints the document, or what `text` says, whichever was asked for.
    pub fn answer(
        self,
        document: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        if self.json {
            return print(&serde_json::to_string_pretty(document)?);
        }
        print(&text())
    }

    /// Prints rows below a heading, each column as wide as its widest cell.
    pub fn table(
        self,
        document: &impl Serialize,
        heading: &[&str],
        rows: &[Vec<String>],
    ) -> anyhow::Result<()> {
        self.answer(document, || columns(heading, rows))
    }

    /// Whether somebody watches: progress bars and questions make sense.
    pub fn is_interactive(self) -> bool {
        !self.json && io::stdin().is_terminal() && io::stderr().is_terminal()
    }
}

/// Prints one piece of text and a line end to standard output. A reader that has gone is no failure.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(end.as_bytes()))
        .and_then(|()| out.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// One line on standard error, where nothing can be done about a failure to print it. A file's text may be in it: what
/// would move the cursor is left out.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "vestibule: {}", still(text));
}

/// The text without what moves the cursor or turns the direction of writing: people choose their names.
fn still(text: &str) -> String {
    let moves = |c: char| {
        let turns = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        c.is_control() || turns
    };
    text.chars()
        .map(|c| if moves(c) { ' ' } else { c })
        .collect()
}

fn columns(heading: &[&str], rows: &[Vec<String>]) -> String {
    let still_row = |row: &Vec<String>| row.iter().map(|cell| still(cell)).collect();
    let rows: &[Vec<String>] = &rows.iter().map(still_row).collect::<Vec<_>>();
    let heading: Vec<String> = heading.iter().map(|cell| (*cell).to_owned()).collect();
    let width = |column: usize| {
        let cells = std::iter::once(&heading)
            .chain(rows)
            .filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(&heading)
        .chain(rows)
        .map(line)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["a".to_owned(), "long value".to_owned()],
            vec!["wide cell".to_owned(), String::new()],
        ];
        assert_eq!(
            columns(&["NAME", "VALUE"], &rows),
            "NAME       VALUE\na          long value\nwide cell"
        );
    }

    #[test]
    fn names_move_no_cursor_and_turn_no_line() {
        for hostile in [
            "\u{1b}[2J",
            "\u{9b}2J",
            "a\r",
            "\u{202e}",
            "\u{2066}",
            "\u{200f}",
            "\n",
            "\u{7f}",
        ] {
            let rows = [vec![format!("Ann{hostile} é"), "x".to_owned()]];
            let shown = columns(&["NAME", "VALUE"], &rows);
            let (_, row) = shown.split_once('\n').unwrap();
            assert!(
                row.chars()
                    .all(|c| c == ' ' || c == '[' || c.is_alphanumeric()),
                "{row:?}"
            );
        }
    }
}
