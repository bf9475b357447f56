//! The fuzzers' targets on their seeds and on some thousand changed ones, the same each time. `cargo fuzz` goes further.

#[path = "../../../../fuzz/src/front_door.rs"]
mod front_door;
#[path = "../../../../fuzz/src/targets.rs"]
mod targets;
#[path = "../../../../fuzz/src/wire.rs"]
mod wire;

use targets::TARGETS;
use vestibule_crypto::{Random, SeededRandom};

/// What parsers stumble over.
const PIECES: &[&str] = &[
    "\0",
    "\r\n",
    "\n",
    "%00",
    "%2f",
    "%25",
    "\\",
    "//",
    "@",
    "＠",
    "\u{202e}",
    "\u{200b}",
    "ı",
    "İ",
    "{token}",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "=",
    "&",
    ";",
    ":",
    ",",
    "..",
    "-1",
    "1e400",
    "18446744073709551616",
    "null",
    "true",
    "é",
    "e\u{301}",
    "\u{fffd}",
    "xn--",
    "{{",
    "}}",
    "{% for x in range(1e9) %}",
    "$",
    "Bearer ",
];

/// The seed with one to four changes.
fn changed(seeds: &[Vec<u8>], random: &SeededRandom) -> Vec<u8> {
    let below = |bound: usize| {
        let mut bytes = [0; 4];
        random.fill(&mut bytes);
        u32::from_le_bytes(bytes) as usize % bound.max(1)
    };
    let mut bytes = seeds[below(seeds.len())].clone();
    for _ in 0..=below(4) {
        let (one, two) = (below(bytes.len() + 1), below(bytes.len() + 1));
        let range = one.min(two)..one.max(two);
        match below(7) {
            0 if !bytes.is_empty() => bytes[one.min(two) % one.max(two).max(1)] ^= 1 << below(8),
            1 => drop(bytes.splice(one..one, PIECES[below(PIECES.len())].bytes())),
            2 => drop(bytes.drain(range)),
            3 => drop(bytes.splice(one..one, bytes.clone().drain(range).collect::<Vec<u8>>())),
            4 => bytes.truncate(one),
            5 => {
                let other = &seeds[below(seeds.len())];
                bytes.extend_from_slice(&other[below(other.len() + 1)..]);
            }
            _ => drop(bytes.splice(range, PIECES[below(PIECES.len())].bytes())),
        }
    }
    bytes
}

#[test]
fn no_parser_falls_over_what_it_is_given() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        let random = SeededRandom::new(11);
        // Whole requests, dialects and tenant files cost more than single words.
        let rounds = match target.name {
            "request" => 400,
            "dialect" | "tenant_file" => 300,
            _ => 3_000,
        };
        let tried = (0..rounds).map(|_| changed(&seeds, &random));
        for bytes in seeds.iter().cloned().chain(tried) {
            let run = std::panic::AssertUnwindSafe(|| (target.run)(&bytes));
            let told = || format!("{}: {:?}", target.name, String::from_utf8_lossy(&bytes));
            assert!(std::panic::catch_unwind(run).is_ok(), "{}", told());
        }
    }
}
