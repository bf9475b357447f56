//! A hash as a file of accounts has it: one text, or its parts in fields of their own.

use super::decode::{b64, exponent, log2, number, unhex};
use super::text::{pbkdf2_of, salted, scrypt_of};
use super::{Digest, Foreign, HashFault, Salted, Scheme};
use crate::phc::Phc;

/// What a line says of a person's hash. All but `hash` may be empty; those that a scheme does not know must be.
#[derive(Clone, Default)]
pub struct GivenHash<'a> {
    pub hash: &'a str,
    /// Without it `hash` is the whole text; else `bcrypt`, `scrypt`, `firebase-scrypt`, `pbkdf2-sha256`, `sha1` and so on.
    pub scheme: &'a str,
    pub salt: &'a str,
    /// `hex` or `base64`.
    pub encoding: &'a str,
    /// `text`, `hex` or `base64`.
    pub salt_encoding: &'a str,
    /// `before` or `after` the password.
    pub salt_order: &'a str,
    /// Of PBKDF2.
    pub iterations: &'a str,
    /// Of scrypt: N; of Firebase: its logarithm.
    pub memory_cost: &'a str,
    /// Of scrypt and Firebase: r.
    pub rounds: &'a str,
    pub parallelism: &'a str,
    pub signer_key: &'a str,
    pub salt_separator: &'a str,
}

impl std::fmt::Debug for GivenHash<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GivenHash({})", self.scheme)
    }
}

impl GivenHash<'_> {
    /// The text in which this hash is kept, if it can be checked and at a bearable cost.
    pub fn to_stored(&self) -> Result<String, HashFault> {
        let text = match self.scheme {
            "" => return stored(self.hash),
            "bcrypt" | "argon2" | "crypt" => return stored(self.hash),
            "scrypt" => self.scrypt()?,
            "firebase-scrypt" => self.firebase()?,
            scheme => match scheme.strip_prefix("pbkdf2-") {
                Some(digest) => self.pbkdf2(digest)?,
                None => self.salted(scheme)?,
            },
        };
        text.checked().map(|foreign| foreign.to_text())
    }

    fn scrypt(&self) -> Result<Foreign, HashFault> {
        let log_n = log2(needed(self.memory_cost, "password_memory_cost")?)?;
        let r = number(needed(self.rounds, "password_rounds")?)?;
        let p = number(or(self.parallelism, "1"))?;
        scrypt_of(log_n, r, p, &self.salt("base64")?, self.hash("base64")?)
    }

    fn firebase(&self) -> Result<Foreign, HashFault> {
        let scheme = Scheme::Firebase {
            log_n: exponent(needed(self.memory_cost, "password_memory_cost")?)?,
            r: number(needed(self.rounds, "password_rounds")?)?,
            separator: b64(self.salt_separator)?,
            signer: b64(needed(self.signer_key, "password_signer_key")?)?,
        };
        let (salt, hash) = (self.salt("base64")?, self.hash("base64")?);
        Ok(Foreign { scheme, salt, hash })
    }

    fn pbkdf2(&self, digest: &str) -> Result<Foreign, HashFault> {
        let digest = Digest::named(digest)
            .filter(|digest| *digest != Digest::Md5)
            .ok_or_else(|| self.unknown())?;
        let iterations = needed(self.iterations, "password_iterations")?;
        let (salt, hash) = (self.salt("base64")?, self.hash("base64")?);
        pbkdf2_of(digest, iterations, &salt, hash)
    }

    fn salted(&self, digest: &str) -> Result<Foreign, HashFault> {
        let digest = Digest::named(digest).ok_or_else(|| self.unknown())?;
        let order = match (self.salt_order, self.salt.is_empty()) {
            ("before", _) => Salted::Before,
            ("after", _) | ("", true) => Salted::After,
            ("", false) => return Err(HashFault::Lacks("password_salt_order")),
            _ => {
                return Err(HashFault::Damaged(
                    "password_salt_order is `before` or `after`",
                ));
            }
        };
        let is_hex = self.hash.len() == digest.length() * 2;
        let hash = self.hash(if is_hex { "hex" } else { "base64" })?;
        salted(digest, order, &self.salt("text")?, hash)
    }

    fn hash(&self, usual: &str) -> Result<Vec<u8>, HashFault> {
        decoded(self.hash, or(self.encoding, usual))
    }

    fn salt(&self, usual: &str) -> Result<Vec<u8>, HashFault> {
        decoded(self.salt, or(self.salt_encoding, usual))
    }

    fn unknown(&self) -> HashFault {
        HashFault::UnknownScheme(self.scheme.chars().take(40).collect())
    }
}

/// A whole text, in the way in which it is kept. Django writes `argon2` before Argon2's own; version 16 is often left out.
fn stored(text: &str) -> Result<String, HashFault> {
    let text = text.trim();
    let argon = text
        .strip_prefix("argon2$argon2")
        .or_else(|| text.strip_prefix("$argon2"));
    let Some(rest) = argon else {
        return Foreign::parse(text).map(|foreign| foreign.to_text());
    };
    let text = match rest.split_once("$m=") {
        Some((kind @ ("id" | "i" | "d"), rest)) => format!("$argon2{kind}$v=16$m={rest}"),
        _ => format!("$argon2{rest}"),
    };
    Phc::parse(&text)
        .map(|phc| phc.to_text())
        .ok_or(HashFault::Damaged(
            "it is no Argon2 hash, or one of more than 256 MiB, 16 passes or 8 lanes",
        ))
}

fn needed<'a>(value: &'a str, name: &'static str) -> Result<&'a str, HashFault> {
    match value.is_empty() {
        true => Err(HashFault::Lacks(name)),
        false => Ok(value),
    }
}

fn or<'a>(value: &'a str, usual: &'a str) -> &'a str {
    if value.is_empty() { usual } else { value }
}

fn decoded(text: &str, encoding: &str) -> Result<Vec<u8>, HashFault> {
    match encoding {
        "text" => Ok(text.as_bytes().to_vec()),
        "hex" => unhex(text),
        "base64" => b64(text),
        _ => Err(HashFault::Damaged(
            "an encoding is `hex` or `base64`, of a salt also `text`",
        )),
    }
}
