//! Opaque secrets: random text that means nothing but what the database says about its digest.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::random::Random;

pub use crate::api_key::ApiKey;

pub(crate) const ALPHABET: &[u8; 62] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `N` random bytes.
pub fn secret_bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

/// `len` characters of `[0-9A-Za-z]`, each equally likely (5.95 bits a character).
pub fn alphanumeric(random: &dyn Random, len: usize) -> String {
    // The largest multiple of 62 in a byte: bytes above it would favour the first characters.
    const LIMIT: u8 = 248;
    let mut text = String::with_capacity(len);
    while text.len() < len {
        let bytes = Zeroizing::new(secret_bytes::<64>(random));
        let fair = bytes.iter().filter(|byte| **byte < LIMIT);
        text.extend(
            fair.take(len - text.len())
                .map(|byte| char::from(ALPHABET[usize::from(byte % 62)])),
        );
    }
    text
}

/// Each byte as a character of the same alphabet: for what is drawn from a MAC, where a slight unevenness does not matter.
#[must_use]
pub fn spelt(bytes: &[u8]) -> String {
    let character = |byte: &u8| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]);
    bytes.iter().map(character).collect()
}

/// `len` decimal digits, each equally likely.
pub fn digits(random: &dyn Random, len: usize) -> SecretString {
    // Bytes above the largest multiple of 10 would favour the first digits.
    const LIMIT: u8 = 250;
    let mut text = Zeroizing::new(String::with_capacity(len));
    while text.len() < len {
        let bytes = Zeroizing::new(secret_bytes::<16>(random));
        let fair = bytes.iter().filter(|byte| **byte < LIMIT);
        let missing = len - text.len();
        text.extend(fair.take(missing).map(|byte| char::from(b'0' + byte % 10)));
    }
    SecretString::from(text.as_str())
}

/// SHA-256.
#[must_use]
pub fn digest(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, data).as_ref());
    out
}

/// Whether `a` and `b` are the same bytes; the time taken depends on their lengths only.
#[must_use]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    verify_slices_are_equal(a, b).is_ok()
}

/// A one-time token: 256 random bits, written as 43 characters of base64url.
#[derive(Clone)]
pub struct Opaque(SecretString);

impl Opaque {
    const BYTES: usize = 32;

    /// A fresh token.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Self {
        let bytes = Zeroizing::new(secret_bytes::<{ Self::BYTES }>(random));
        Self(URL_SAFE_NO_PAD.encode(bytes.as_slice()).into())
    }

    /// Reads a token back. Exactly one text stands for each token: anything else, padding and
    /// stray trailing bits included, is `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; Self::BYTES]);
        if text.len() != 43 || URL_SAFE_NO_PAD.decode_slice(text, &mut *bytes) != Ok(Self::BYTES) {
            return None;
        }
        Some(Self(text.into()))
    }

    /// The text to hand out.
    #[must_use]
    pub fn expose(&self) -> SecretString {
        self.0.clone()
    }

    /// SHA-256 of the text: what is stored.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        digest(self.0.expose_secret().as_bytes())
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opaque([REDACTED])")
    }
}
