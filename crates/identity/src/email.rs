//! E-mail addresses: shown as given, compared in one canonical form.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Kind, Result};

/// Bytes of an address (RFC 5321, section 4.5.3.1.3, without the angle brackets).
const LONGEST: usize = 254;

/// A syntactically valid address (RFC 5321 lengths, RFC 6531 local part without quoting).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email {
    given: String,
    canonical: String,
}

impl Email {
    /// Reads an address as a person or a back end gave it. Normalised once, then checked, then kept.
    pub fn parse(text: &str) -> Result<Email> {
        let invalid = || Error::new(Kind::InvalidEmail);
        if text.chars().any(is_look_alike) {
            return Err(invalid());
        }
        let given: String = text.trim().nfc().collect();
        if given.len() > LONGEST || given.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(invalid());
        }
        let (local, domain) = given.rsplit_once('@').ok_or_else(invalid)?;
        // Some letters are longer in lower case.
        let lower = local.to_lowercase();
        if !local_is_valid(local) || !local_is_valid(&lower) {
            return Err(invalid());
        }
        let domain = canonical_domain(domain).ok_or_else(invalid)?;
        if !domain.contains('.') && domain != "localhost" {
            return Err(invalid());
        }
        let canonical = format!("{lower}@{domain}");
        // In A-labels a domain is longer than as it was given, and it is these that a mail server gets.
        if canonical.len() > LONGEST {
            return Err(invalid());
        }
        Ok(Email { given, canonical })
    }

    /// As it was given, trimmed and in NFC.
    pub fn given(&self) -> &str {
        &self.given
    }

    /// The form that is compared and unique in a tenant.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email({})", self.canonical)
    }
}

/// A character that normalisation or another system's case folding turns into another one: full-width @, Kelvin sign,
/// ideographic full stop, dotless i, long s. An address that holds one could name somebody else elsewhere.
fn is_look_alike(c: char) -> bool {
    !c.is_ascii()
        && (matches!(c, '\u{3002}' | 'ı' | 'ſ' | 'İ')
            || is_invisible(c)
            || !std::iter::once(c).nfkc().eq([c]))
}

/// What is drawn as nothing, and what IDNA drops: soft hyphens, zero-width spaces and joiners, direction marks, selectors.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

/// A dot-atom of ASCII atext or of letters and digits beyond ASCII that lower-casing leaves alone in length.
fn local_is_valid(local: &str) -> bool {
    let dots_ok = !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
    let plain = |c: char| {
        c.is_ascii_alphanumeric()
            || "!#$%&'*+-/=?^_`{|}~.".contains(c)
            || (!c.is_ascii() && c.is_alphanumeric())
    };
    !local.is_empty() && local.len() <= 64 && dots_ok && local.chars().all(plain)
}

/// The A-label, lower-case form of a host name; `None` if it is none. IP addresses are not host names.
pub(crate) fn canonical_domain(domain: &str) -> Option<String> {
    if domain.is_empty() || domain.ends_with('.') || domain.chars().any(is_look_alike) {
        return None;
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    let lower = domain.to_ascii_lowercase();
    // Most domains need no table of the whole of Unicode.
    let ascii = match lower.bytes().all(plain) && !lower.contains("xn--") {
        true => lower,
        false => idna::domain_to_ascii_strict(domain).ok()?,
    };
    let labels_ok = ascii.split('.').all(|label| {
        !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    });
    let numeric = ascii
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    (ascii.len() <= 253 && labels_ok && !numeric).then_some(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_many_spellings() {
        for (text, canonical) in [
            ("  Foo@X.com ", "foo@x.com"),
            ("foo@x.COM", "foo@x.com"),
            ("Käthe@bücher.example", "käthe@xn--bcher-kva.example"),
            ("Ka\u{308}the@bücher.example", "käthe@xn--bcher-kva.example"),
            ("a+tag@gmail.com", "a+tag@gmail.com"),
            ("a.b@gmail.com", "a.b@gmail.com"),
        ] {
            assert_eq!(Email::parse(text).unwrap().canonical(), canonical, "{text}");
        }
    }

    #[test]
    fn hostile_shapes_are_refused() {
        let hostile = include_str!("../../../testdata/hostile/emails.json");
        let hostile: Vec<String> = serde_json::from_str(hostile).unwrap();
        for text in hostile.iter().map(String::as_str).chain(["", "a\0@b.test"]) {
            assert!(Email::parse(text).is_err(), "{text:?} passed");
        }
        assert!(Email::parse(&format!("{}@b.c", "a".repeat(65))).is_err());
        assert!(Email::parse(&format!("a@{}.com", "b".repeat(300))).is_err());
    }
}
