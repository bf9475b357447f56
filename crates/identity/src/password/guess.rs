//! What a guesser tries first: listed passwords, words of the context, and either with the usual things done to it.

use std::collections::BTreeSet;

use super::fingerprint::{WIDTH, fingerprint};

/// Sorted fingerprints; `crates/identity/data/README.md` tells of what.
static LISTED: &[u8] = include_bytes!("../../data/common-passwords.bin");

/// Fewer characters are no word: they are in every second password.
const SHORTEST: usize = 3;
/// So many characters before or after a word do not hide it: a year and a sign.
const TRIFLE: usize = 5;
/// What repeats so short a piece is as weak as the piece.
const SHORT_PIECE: usize = 3;

/// Whether the word, in lower case, is on the list of common and leaked passwords.
pub(super) fn is_listed(word: &str) -> bool {
    let (entries, _) = LISTED.as_chunks::<WIDTH>();
    entries.binary_search(&fingerprint(word)).is_ok()
}

/// Whether a password in lower case has no more in it than a repeated piece or counting.
pub(super) fn is_monotonous(lower: &str) -> bool {
    let distinct: BTreeSet<char> = lower.chars().collect();
    distinct.len() < 3 || is_run(lower) || piece(lower).chars().count() <= SHORT_PIECE
}

/// The words that a password in lower case may be made of: itself, without the usual trifles around it, with signs and
/// digits read as the letters they stand for, and all of this for the piece that it repeats.
pub(super) fn words(lower: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::from([lower.to_owned()]);
    for text in [lower, core(lower)] {
        for text in [text, piece(text), core(piece(text))] {
            words.extend(readings(text));
        }
    }
    words.retain(|word| word.chars().count() >= SHORTEST);
    words
}

/// The letters and digits of the text: as they are, and with what stands for letters read as those.
fn readings(text: &str) -> [String; 4] {
    let plain = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect();
    let signs = text.replace('@', "a").replace('$', "s").replace('!', "i");
    let letters = |one: char| {
        let letter = |c| match c {
            '0' => 'o',
            '1' => one,
            '3' => 'e',
            '4' => 'a',
            '5' => 's',
            '7' => 't',
            c => c,
        };
        plain(&signs.chars().map(letter).collect::<String>())
    };
    [plain(text), plain(&signs), letters('i'), letters('l')]
}

/// The text without the digits and signs at its ends, where these are trifles; otherwise the text.
fn core(text: &str) -> &str {
    let other = |c: char| !c.is_alphabetic();
    let tail = text.trim_start_matches(other);
    let core = tail.trim_end_matches(other);
    let head = &text[..text.len() - tail.len()];
    let tail = &tail[core.len()..];
    match is_trifle(head) && is_trifle(tail) {
        true => core,
        false => text,
    }
}

fn is_trifle(text: &str) -> bool {
    let digits = text.trim_matches(|c: char| !c.is_ascii_digit());
    text.chars().count() <= TRIFLE
        || (digits.len() + 2 >= text.len()
            && (is_run(digits) || is_listed(digits) || piece(digits).len() <= SHORT_PIECE))
}

/// The shortest piece that the text is a repetition of; the text itself where it is none.
fn piece(text: &str) -> &str {
    let mut ends = text.char_indices().map(|(at, _)| at).skip(1);
    let whole = |end: &usize| {
        text.len().is_multiple_of(*end)
            && text
                .as_bytes()
                .chunks(*end)
                .all(|piece| piece == &text.as_bytes()[..*end])
    };
    ends.find(whole).map_or(text, |end| &text[..end])
}

/// `12345678`, `abcdefgh`, `87654321`: each character one further than the last, after 9 the 0.
fn is_run(text: &str) -> bool {
    let codes: Vec<i64> = text.chars().map(|c| i64::from(u32::from(c))).collect();
    let step = |pair: &[i64]| match (pair[0], pair[1]) {
        (57, 48) => 1,
        (48, 57) => -1,
        (one, next) => next - one,
    };
    [1, -1]
        .iter()
        .any(|by| codes.windows(2).all(|pair| step(pair) == *by))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_guessed(password: &str) -> bool {
        let lower = password.to_lowercase();
        is_monotonous(&lower) || words(&lower).iter().any(|word| is_listed(word))
    }

    #[test]
    fn the_list_is_sorted_and_whole() {
        let (entries, rest) = LISTED.as_chunks::<WIDTH>();
        assert!(rest.is_empty());
        assert!(entries.len() > 80_000, "{}", entries.len());
        assert!(entries.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn common_ones_and_what_people_make_of_them() {
        for password in [
            "password",
            "iloveyou",
            "1qaz2wsx",
            "q1w2e3r4",
            "trustno1",
            "Password1",
            "P@ssw0rd!",
            "PASSWORD123!",
            "password123456789",
            "!!monkey!!",
            "2024Dragon!",
            "l1verp00l",
            "letmein2024!",
            "passwordpassword",
            "monkeymonkey1",
            "Pass Word 1",
            "Summer2024",
            "Jennifer1990",
            "qwertyuiop123",
            "12345678",
            "90123456",
            "hgfedcba",
            "aaaaaaaa",
            "abababab",
            "abcdabcdabcd",
            "19841984",
            "sunshine11111111",
        ] {
            assert!(is_guessed(password), "{password}");
        }
    }

    #[test]
    fn good_ones_pass() {
        for password in [
            "correct horse battery",
            "violet-harbour-42-lanterns",
            "sunny-meadow-41",
            "quiet-harbour-52",
            "monkey 83920175",
            "tr0ub4dor&3 again",
            "pétard12 bleu",
            "xk7!mq2zv9",
            "my dog eats socks",
            "8391620475",
            "Dragon-6274-Teapot",
            "😀😁😂🤣😃😄😅😆",
            "пароль для сайта 9",
        ] {
            assert!(!is_guessed(password), "{password}");
        }
    }
}
