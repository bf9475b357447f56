//! String literals of a Rust source, found without parsing it: comments, characters and lifetimes are told apart.

/// A string literal's content, escapes left as written, and the line it begins on (from 1).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// All string literals (plain, byte, C and raw) in the order they stand.
pub(crate) fn find(source: &str) -> Vec<Literal> {
    let chars: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    let mut line = 1;
    while at < chars.len() {
        let end = match (chars[at], chars.get(at + 1)) {
            ('/', Some('/')) => find_from(&chars, at, |rest| rest[0] == '\n'),
            ('/', Some('*')) => block_comment(&chars, at),
            ('\'', _) => character(&chars, at),
            ('"', _) => {
                let (end, close) = string(&chars, at);
                found.push(Literal {
                    line,
                    text: chars[at + 1..close].iter().collect(),
                });
                end
            }
            _ => at + 1,
        };
        line += chars[at..end].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    found
}

/// The first index from `start` whose rest fulfils `is`, or the end.
fn find_from(chars: &[char], start: usize, is: impl Fn(&[char]) -> bool) -> usize {
    (start..chars.len())
        .find(|at| is(&chars[*at..]))
        .unwrap_or(chars.len())
}

fn block_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => depth += 1,
            ('*', Some('/')) => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            break;
        }
    }
    at.min(chars.len())
}

/// Past a character literal, or past the quote of a lifetime.
fn character(chars: &[char], start: usize) -> usize {
    match (chars.get(start + 1), chars.get(start + 2)) {
        (Some('\\'), _) => {
            (find_from(chars, start + 3, |rest| rest[0] == '\'') + 1).min(chars.len())
        }
        (Some(_), Some('\'')) => start + 3,
        _ => start + 1,
    }
}

/// Where a string that opens at `start` ends, and where its closing quote stands.
fn string(chars: &[char], start: usize) -> (usize, usize) {
    if let Some(hashes) = raw_hashes(chars, start) {
        let closes = |rest: &[char]| {
            rest[0] == '"' && rest.len() > hashes && rest[1..=hashes].iter().all(|c| *c == '#')
        };
        let close = find_from(chars, start + 1, closes);
        return ((close + 1 + hashes).min(chars.len()), close);
    }
    let mut at = start + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    let close = at.min(chars.len());
    ((close + 1).min(chars.len()), close)
}

/// How many `#` a raw string has; nothing if the quote opens no raw string.
fn raw_hashes(chars: &[char], quote: usize) -> Option<usize> {
    let before: Vec<char> = chars[..quote].iter().rev().take(260).copied().collect();
    let hashes = before.iter().take_while(|c| **c == '#').count();
    let mut prefix = before[hashes..].iter();
    if prefix.next() != Some(&'r') {
        return None;
    }
    let in_word = |c: &char| c.is_alphanumeric() || *c == '_';
    let mut rest = prefix.skip_while(|c| matches!(c, 'b' | 'c'));
    (!rest.next().is_some_and(in_word)).then_some(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_strings_and_only_strings() {
        let source = concat!(
            "let a = \"one \\\" two\"; // not \"this\"\n",
            "/* nor /* \"that\" */ */ let q = '\"'; let e = '\\'';\n",
            "fn f<'a>(x: &'a str) { g(r#\"raw \" text\"#, br\"b\\\", b\"c\") }\n",
            "let long = \"first\n second\"; let last = \"end\";\n",
        );
        let found: Vec<(usize, String)> =
            find(source).into_iter().map(|l| (l.line, l.text)).collect();
        let expected = [
            (1, "one \\\" two"),
            (3, "raw \" text"),
            (3, "b\\"),
            (3, "c"),
            (4, "first\n second"),
            (5, "end"),
        ];
        assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn survives_unfinished_source() {
        for source in ["\"abc", "r#\"abc\"", "/* abc", "'\\", "\"abc\\", "'"] {
            find(source);
        }
    }
}
