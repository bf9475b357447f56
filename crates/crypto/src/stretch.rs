//! PBKDF2 (RFC 8018): work that is quick to check once and slow to do many times. Passwords have Argon2id instead.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2::{PBKDF2_HMAC_SHA256, derive};

/// 32 bytes of PBKDF2-HMAC-SHA256.
#[must_use]
pub fn pbkdf2_sha256(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> [u8; 32] {
    let mut out = [0; 32];
    derive(PBKDF2_HMAC_SHA256, iterations, salt, password, &mut out);
    out
}
