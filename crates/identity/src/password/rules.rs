//! The password policy (NIST SP 800-63B: length, no composition rules, exactly as typed) and its normal form.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization;

use super::guess;
use crate::account::Account;
use crate::error::{Error, Kind, Result};
use crate::tenant::Tenant;

/// In code points after NFC. Longer ones are refused before any hashing.
const MAX_LENGTH: usize = 256;
/// More bytes than these are never so few code points: not even normalised.
const MAX_BYTES: usize = 16 * 1_024;

/// Of so many of a person's first and last names all pairs are known.
const MAX_NAMES: usize = 4;

/// Whose password it is to be: what others know about them.
pub(crate) struct Person<'a> {
    pub(crate) email: &'a str,
    pub(crate) first: &'a str,
    pub(crate) last: &'a str,
}

impl<'a> From<&'a Account> for Person<'a> {
    fn from(account: &'a Account) -> Person<'a> {
        Person {
            email: &account.email,
            first: &account.first_name,
            last: &account.last_name,
        }
    }
}

/// NFC, so that one password typed on two keyboards is one password.
pub(crate) fn normalize(password: &SecretString) -> SecretString {
    let text = password.expose_secret();
    if text.is_ascii() {
        password.clone()
    } else {
        SecretString::from(text.nfc().collect::<String>())
    }
}

pub(crate) fn too_long(password: &SecretString) -> bool {
    let text = password.expose_secret();
    text.len() > MAX_BYTES || text.nfc().take(MAX_LENGTH + 1).count() > MAX_LENGTH
}

/// Refuses a new password of that person which the tenant's policy does not take, saying why.
pub(crate) fn check(tenant: &Tenant, person: &Person<'_>, password: &SecretString) -> Result<()> {
    let weak = |reason, number, why: String| {
        Err(Error::with_detail(Kind::WeakPassword, why).because(reason, number))
    };
    if too_long(password) {
        let why = format!("The password must have at most {MAX_LENGTH} characters.");
        return weak("too_long", MAX_LENGTH, why);
    }
    let normal = normalize(password);
    let text = normal.expose_secret();
    let min = tenant.file.password.min_length.max(8) as usize;
    if text.chars().count() < min {
        let why = format!("The password must have at least {min} characters.");
        return weak("too_short", min, why);
    }
    if text.contains('\0') {
        let why = "The password must not hold NUL characters.";
        return weak("nul", 0, why.into());
    }
    let lower = text.to_lowercase();
    if guess::is_monotonous(&lower) {
        let why = "This password is too easy to guess: it only repeats or counts.";
        return weak("monotonous", 0, why.into());
    }
    let words = guess::words(&lower);
    if !words.is_disjoint(&context(tenant, person)) {
        let why = "The password must not be your name, your address or the name of this service.";
        return weak("personal", 0, why.into());
    }
    if words.iter().any(|word| guess::is_listed(word)) {
        let why = "This password is too easy to guess: it is a common word or password with little added.";
        return weak("common", 0, why.into());
    }
    Ok(())
}

/// What everybody knows about the person and the tenant.
fn context(tenant: &Tenant, person: &Person<'_>) -> BTreeSet<String> {
    let Person { email, first, last } = *person;
    let local = email.rsplit_once('@').map_or("", |(local, _)| local);
    let mut known = vec![
        tenant.file.name.clone(),
        tenant.product().to_owned(),
        tenant.slug().to_owned(),
        email.to_owned(),
        local.to_owned(),
        format!("{first}{last}"),
        format!("{last}{first}"),
    ];
    known.extend([local, first, last].into_iter().flat_map(parts));
    for one in parts(first).take(MAX_NAMES) {
        for other in parts(last).take(MAX_NAMES) {
            known.extend([format!("{one}{other}"), format!("{other}{one}")]);
        }
    }
    for domain in &tenant.file.domains {
        known.push(domain.clone());
        known.extend(parts(domain));
    }
    known
        .iter()
        .flat_map(|word| guess::words(&word.nfc().collect::<String>().to_lowercase()))
        .collect()
}

fn parts(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(password: &str) -> Option<String> {
        let tenant = crate::tenant::tests::tenant("acme", "Acme Learning");
        let person = Person {
            email: "pg.1990@example.com",
            first: "Pooja",
            last: "Gupta Sharma",
        };
        let verdict = check(&tenant, &person, &SecretString::from(password));
        verdict.err().map(|error| error.message().to_owned())
    }

    #[test]
    fn what_is_taken() {
        let longest: String = ('\u{4e00}'..).step_by(2).take(256).collect();
        let decomposed = "e\u{301}\u{61}\u{308}o\u{302}u".repeat(64) + "x";
        assert_eq!(decomposed.nfc().count(), 257);
        let at_bound = decomposed.trim_end_matches('x').to_owned();
        for password in [
            "correct horse",
            "aaaa bbbb cccc",
            "p\u{e9}tard bleu",
            "acme learning is my employer",
            "pooja 839201746",
            &longest,
        ] {
            assert_eq!(said(password), None, "{password}");
        }
        assert_eq!(at_bound.nfc().count(), 256);
        assert!(!too_long(&SecretString::from(at_bound)));
        assert!(too_long(&SecretString::from(decomposed)));
    }

    #[test]
    fn what_is_refused_and_why() {
        let many: String = ('\u{4e00}'..).take(257).collect();
        let huge = "x".repeat(1 << 20);
        for (reason, passwords) in [
            ("at least 8", &["", "short12", "p\u{301}p\u{301}xy"][..]),
            ("at most 256", &[&many, &huge]),
            ("NUL", &["with\0nul1"]),
            ("repeats or counts", &["12345678", "aaaaaaaa", "abcdefgh"]),
            ("common word", &["Password1", "Summer2024", "letmein123"]),
            (
                "your name",
                &[
                    "pg.1990@example.com",
                    "PG.1990@example.com1",
                    "acme learning",
                    "AcmeLearning1",
                    "acme2024!",
                    "lms.acme.test",
                    "Pooja1990!",
                    "gupta-pooja",
                    "PoojaGuptaSharma",
                    "p00jap00ja",
                    "Sharma!!!",
                ],
            ),
        ] {
            for password in passwords {
                let told = said(password).unwrap_or_default();
                let shown = password.chars().take(40).collect::<String>();
                assert!(told.contains(reason), "{shown}: {told}");
                assert!(password.is_empty() || !told.contains(password));
            }
        }
    }
}
