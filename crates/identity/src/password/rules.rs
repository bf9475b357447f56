//! The password policy (NIST SP 800-63B: length, no composition rules, exactly as typed) and its normal form.

use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization;

use crate::email::Email;
use crate::error::{Error, Kind, Result};
use crate::tenant::Tenant;

/// In code points. Longer ones are refused before any hashing.
const MAX_LENGTH: usize = 256;

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
    password.expose_secret().chars().count() > MAX_LENGTH
}

/// Refuses a new password that the tenant's policy does not take, saying why.
pub(crate) fn check(tenant: &Tenant, email: &Email, password: &str) -> Result<()> {
    let weak = |why: String| Err(Error::with_detail(Kind::WeakPassword, why));
    let length = password.nfc().count();
    let min = tenant.file.password.min_length.max(8) as usize;
    if length < min {
        return weak(format!("The password must have at least {min} characters."));
    }
    if length > MAX_LENGTH {
        return weak(format!(
            "The password must have at most {MAX_LENGTH} characters."
        ));
    }
    if password.contains('\0') {
        return weak("The password must not hold NUL characters.".into());
    }
    let lower = password.to_lowercase();
    let mut distinct: Vec<char> = lower.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < 3 || is_run(&lower) || COMMON.contains(&lower.as_str()) {
        return weak("This password is too easy to guess.".into());
    }
    let local = email.canonical().split('@').next().unwrap_or_default();
    let context = [
        email.canonical(),
        local,
        tenant.slug(),
        &tenant.file.name.to_lowercase(),
    ];
    if context.iter().any(|word| lower == *word) {
        return weak("The password must not be your address or the name of this service.".into());
    }
    Ok(())
}

/// `12345678`, `abcdefgh`, `87654321`: each character one further than the last.
fn is_run(text: &str) -> bool {
    let codes: Vec<i64> = text.chars().map(|c| i64::from(u32::from(c))).collect();
    [1, -1]
        .iter()
        .any(|step| codes.windows(2).all(|pair| pair[1] - pair[0] == *step))
}

/// The few that head every list of leaked passwords and that the rules above let through.
const COMMON: &[&str] = &[
    "password",
    "password1",
    "password12",
    "password123",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "qwertyui",
    "qwertyuiop",
    "qwerty123",
    "1q2w3e4r",
    "1qaz2wsx",
    "iloveyou",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "trustno1",
    "letmein1",
    "welcome1",
    "welcome123",
    "admin123",
    "administrator",
    "changeme",
    "whatever",
    "starwars",
    "computer",
    "michelle",
    "internet",
    "q1w2e3r4",
    "asdfghjkl",
    "zaq12wsx",
    "12345qwert",
    "abcd1234",
    "abc12345",
    "123456789a",
    "a123456789",
    "1234567890",
    "0123456789",
    "987654321",
    "123123123",
    "11223344",
    "12341234",
    "password!",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy() {
        let tenant = crate::tenant::tests::tenant("acme", "Acme Learning");
        let email = Email::parse("pooja.gupta@example.com").unwrap();
        for password in [
            "correct horse",
            "aaaa bbbb cccc",
            "p\u{e9}tard12",
            "😀😁😂🤣😃😄😅😆",
            &"ab c".repeat(64),
        ] {
            assert!(check(&tenant, &email, password).is_ok(), "{password}");
        }
        for password in [
            "",
            "short12",
            "12345678",
            "abcdefgh",
            "87654321",
            "aaaaaaaa",
            "Password1",
            "pooja.gupta@example.com",
            "Pooja.Gupta",
            "acme learning",
            &"ab c".repeat(65),
            "with\0nul1",
        ] {
            assert!(check(&tenant, &email, password).is_err(), "{password}");
        }
    }
}
