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
    let core = core(&lower);
    let common = COMMON.contains(&lower.as_str()) || COMMON_WORDS.contains(&plain(&core).as_str());
    if distinct.len() < 3 || is_run(&lower) || common {
        return weak("This password is too easy to guess.".into());
    }
    let local = email.canonical().split('@').next().unwrap_or_default();
    let names = [
        email.canonical(),
        local,
        tenant.slug(),
        &tenant.file.name,
        tenant.product(),
    ];
    if names
        .iter()
        .any(|name| core == self::core(&name.to_lowercase()))
    {
        return weak("The password must not be your address or the name of this service.".into());
    }
    Ok(())
}

/// Letters and digits without what people add at the end: `Tenant One!` and `tenant-one2024` are both `tenantone`.
fn core(lower: &str) -> String {
    let signs = lower.replace('@', "a").replace('$', "s");
    let letters: String = signs.chars().filter(|c| c.is_alphanumeric()).collect();
    match letters.trim_end_matches(|c: char| c.is_ascii_digit()) {
        "" => letters,
        core => core.to_owned(),
    }
}

/// With the digits that stand for letters read as those.
fn plain(core: &str) -> String {
    let letter = |c| match c {
        '0' => 'o',
        '1' => 'i',
        '3' => 'e',
        '4' => 'a',
        '5' => 's',
        '7' => 't',
        c => c,
    };
    core.chars().map(letter).collect()
}

/// `12345678`, `abcdefgh`, `87654321`: each character one further than the last.
fn is_run(text: &str) -> bool {
    let codes: Vec<i64> = text.chars().map(|c| i64::from(u32::from(c))).collect();
    [1, -1]
        .iter()
        .any(|step| codes.windows(2).all(|pair| pair[1] - pair[0] == *step))
}

/// Keyboard walks that the rules above let through.
const COMMON: &[&str] = &[
    "q1w2e3r4",
    "1q2w3e4r",
    "1qaz2wsx",
    "zaq12wsx",
    "a1b2c3d4",
    "qwer1234",
    "1234qwer",
    "12345qwert",
    "asdf1234",
    "abcd1234",
    "abc12345",
    "1234567890",
    "0123456789",
    "987654321",
    "123123123",
    "11223344",
    "12341234",
    "123456789a",
    "a123456789",
    "aa123456",
];

/// What heads every list of leaked passwords, without what people add at the end.
#[rustfmt::skip]
const COMMON_WORDS: &[&str] = &[
    "access", "admin", "administrator", "alexander", "amanda", "andrew", "arsenal", "asdfgh",
    "asdfghjkl", "ashley", "autumn", "azerty", "bailey", "banana", "barcelona", "baseball",
    "basketball", "batman", "buster", "butterfly", "changeme", "charlie", "cheese", "chelsea",
    "chocolate", "computer", "contrasena", "cookie", "corvette", "cowboys", "daniel", "december",
    "default", "demo", "diamond", "dragon", "eagles", "elizabeth", "facebook", "february",
    "ferrari", "flower", "football", "freedom", "friday", "george", "ginger", "golden", "google",
    "guest", "hallo", "hannah", "harley", "hello", "hockey", "hunter", "iloveyou", "internet",
    "january", "jennifer", "jessica", "jordan", "joshua", "juventus", "killer", "lakers", "letmein",
    "liverpool", "login", "loveyou", "maggie", "master", "matthew", "maverick", "mercedes",
    "michael", "michelle", "monday", "monkey", "motdepasse", "mountain", "mustang", "nicole",
    "november", "october", "oliver", "orange", "passwd", "password", "passwort", "pepper",
    "phoenix", "pokemon", "porsche", "princess", "purple", "qazwsx", "qazwsxedc", "qwerty",
    "qwertyui", "qwertyuiop", "qwertz", "ranger", "robert", "root", "samantha", "samsung", "secret",
    "shadow", "silver", "soccer", "sophie", "spiderman", "spring", "starwars", "steelers", "summer",
    "sunshine", "superman", "test", "testing", "thomas", "tigger", "trustnoi", "user", "victoria",
    "welcome", "welcometo", "whatever", "winter", "yamaha", "yankees", "zxcvbnm",
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
            "Passw0rd!",
            "P@ssw0rd1",
            "Summer2024",
            "qwerty12345",
            "letmein123",
            "a1b2c3d4",
            "monkey123",
            "AcmeLearning1",
            "pooja.gupta@example.com1",
        ] {
            assert!(check(&tenant, &email, password).is_err(), "{password}");
        }
    }
}
