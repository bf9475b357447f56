//! Parsers by themselves, for the fuzzers.

use crate::foreign::Foreign;
use crate::phc::Phc;
use crate::strict_json;

/// A stored password hash, read and written again.
#[must_use]
pub fn password_hash(text: &str) -> Option<String> {
    match text.starts_with("$argon2") {
        true => Phc::parse(text).map(|hash| hash.to_text()),
        false => Foreign::parse(text).ok().map(|hash| hash.to_text()),
    }
}

/// Whether these bytes are a token's JSON object.
#[must_use]
pub fn strict_object(bytes: &[u8]) -> bool {
    strict_json::object(bytes).is_some()
}
