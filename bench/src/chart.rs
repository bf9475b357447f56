//! The chart: a bar for each figure that something is wanted of, up to how far it is reached.

use std::fmt::Write as _;

use crate::report::{Figure, Wanted, shown};

const ROW: usize = 24;
const LEFT: usize = 430;
const WIDE: f64 = 300.0;
/// Bars end here: twice as good as wanted.
const END: f64 = 2.0;

/// How many times as good as wanted.
fn reached(figure: &Figure) -> Option<f64> {
    match figure.wanted {
        Wanted::AtLeast(least) => Some(figure.median() / least),
        Wanted::AtMost(most) => Some(most / figure.median()),
        Wanted::Nothing => None,
    }
}

pub fn svg(figures: &[Figure]) -> String {
    let bars: Vec<_> = figures
        .iter()
        .filter_map(|figure| Some((figure, reached(figure)?)))
        .collect();
    let height = ROW * (bars.len() + 2);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"860\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"860\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    let line = LEFT as f64 + WIDE / END;
    let _ = writeln!(
        out,
        "<text x=\"{line}\" y=\"16\" text-anchor=\"middle\" fill=\"#333\">as wanted</text>"
    );
    for (index, (figure, times)) in bars.iter().enumerate() {
        let y = ROW * (index + 1);
        let wide = times.clamp(0.0, END) / END * WIDE;
        let fill = if figure.is_reached() {
            "#2f7d4f"
        } else {
            "#b3472f"
        };
        let name = escaped(&format!("{}: {}", figure.path, figure.what));
        let text = y + 16;
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\" fill=\"#333\">{name}</text>\
             <rect x=\"{LEFT}\" y=\"{}\" width=\"{wide:.1}\" height=\"16\" fill=\"{fill}\"/>\
             <text x=\"{:.1}\" y=\"{text}\" fill=\"#333\">{} {}</text>",
            LEFT - 8,
            y + 4,
            LEFT as f64 + wide + 6.0,
            shown(figure.median()),
            figure.unit,
        );
    }
    let _ = writeln!(
        out,
        "<line x1=\"{line}\" y1=\"{ROW}\" x2=\"{line}\" y2=\"{}\" stroke=\"#333\" stroke-dasharray=\"4 3\"/>\n</svg>",
        height - ROW / 2
    );
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
