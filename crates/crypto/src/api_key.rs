//! API keys: `vst_live_<id>_<secret><checksum>`, recognisable to people and to secret scanners.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::random::Random;
use crate::token::{ALPHABET, alphanumeric, digest, equal};

const LIVE: &str = "vst_live_";
const TEST: &str = "vst_test_";
const ID_LEN: usize = 12;
const SECRET_LEN: usize = 32;
const CHECKSUM_LEN: usize = 6;

/// A tenant's key for the API. The id is public and names the row; the whole text is the secret.
#[derive(Clone)]
pub struct ApiKey {
    /// Twelve alphanumeric characters, safe to show and to log.
    pub id: String,
    /// Whether the key is for test data.
    pub test: bool,
    text: SecretString,
}

impl ApiKey {
    /// A fresh key with 190 bits of secret.
    #[must_use]
    pub fn generate(random: &dyn Random, test: bool) -> Self {
        let id = alphanumeric(random, ID_LEN);
        let secret = SecretString::from(alphanumeric(random, SECRET_LEN));
        let prefix = if test { TEST } else { LIVE };
        let mut text = String::with_capacity(60);
        text.extend([prefix, &id, "_", secret.expose_secret()]);
        text.push_str(&checksum(text.as_bytes()));
        let text = text.into();
        Self { id, test, text }
    }

    /// Reads a key; `None` unless prefix, lengths, alphabet and checksum are all exact.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, test) = match text.strip_prefix(LIVE) {
            Some(rest) => (rest, false),
            None => (text.strip_prefix(TEST)?, true),
        };
        let (id, secret) = rest.split_once('_')?;
        let alphanumeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if id.len() != ID_LEN
            || secret.len() != SECRET_LEN + CHECKSUM_LEN
            || !alphanumeric(id)
            || !alphanumeric(secret)
        {
            return None;
        }
        let (body, sum) = text.split_at(text.len() - CHECKSUM_LEN);
        equal(checksum(body.as_bytes()).as_bytes(), sum.as_bytes()).then(|| Self {
            id: id.to_owned(),
            test,
            text: text.into(),
        })
    }

    /// The text to hand out.
    #[must_use]
    pub fn expose(&self) -> SecretString {
        self.text.clone()
    }

    /// SHA-256 of the whole text: what is stored.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        digest(self.text.expose_secret().as_bytes())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("id", &self.id)
            .field("test", &self.test)
            .finish_non_exhaustive()
    }
}

/// CRC-32 in six base-62 digits. It catches every single mistyped character without a look into
/// the database; it protects nothing.
fn checksum(data: &[u8]) -> String {
    let mut rest = crc32(data);
    let mut digits = ['0'; CHECKSUM_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = char::from(ALPHABET[(rest % 62) as usize]);
        rest /= 62;
    }
    digits.iter().collect()
}

/// CRC-32 as in ISO-HDLC, bit by bit: 54 bytes do not need a table.
fn crc32(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_has_the_published_check_value() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }
}
