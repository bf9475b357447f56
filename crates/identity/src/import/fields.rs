//! Single fields of a line, read as what they are.

use vestibule_crypto::GivenHash;

use super::rules::{ImportFields, Refusal, Uid};
use crate::account::{check_line, check_tag};
use crate::ports::Micros;
use crate::zone::check_zone;

/// Every field that a line may have.
pub(super) const FIELDS: &[&str] = &[
    "email",
    "email_verified",
    "name",
    "first_name",
    "last_name",
    "role",
    "locale",
    "timezone",
    "mobile",
    "unique_id",
    "state",
    "onboarded",
    "created_at",
    "uid",
    "uid_hash",
    "google_subject",
    "password_hash",
    "password_scheme",
    "password_encoding",
    "password_salt",
    "password_salt_encoding",
    "password_salt_order",
    "password_iterations",
    "password_memory_cost",
    "password_rounds",
    "password_parallelism",
    "password_signer_key",
    "password_salt_separator",
    // What `user export` writes besides; new ones are given.
    "id",
    "number",
];

/// The same as a partner's or a provider's: longer ones would never be taken at a sign-in.
const MAX_UID: usize = 1_024;
pub(super) const MAX_SUBJECT: usize = 255;

/// A line, and what is taken for what it leaves out.
pub(super) struct Fields<'a> {
    pub(super) line: &'a ImportFields<'a>,
    pub(super) usual: &'a ImportFields<'a>,
}

impl Fields<'_> {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let of = |fields: &'_ ImportFields<'_>| {
            let found = fields.iter().find(|(field, _)| field == name);
            found
                .map(|(_, value)| value.trim())
                .is_some_and(|value| !value.is_empty())
        };
        let fields = if of(self.line) { self.line } else { self.usual };
        let found = fields.iter().find(|(field, _)| field == name)?;
        Some(found.1.trim()).filter(|value| !value.is_empty())
    }

    pub(super) fn check_names(&self) -> Result<(), Refusal> {
        for (at, (name, value)) in self.line.iter().enumerate() {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
            if !FIELDS.contains(&&**name) {
                return Err(Refusal::new(&shown, "is no field of an import"));
            }
            if self.line[..at].iter().any(|(other, _)| other == name) {
                return Err(Refusal::new(&shown, "stands there twice"));
            }
            if value.contains('\0') {
                return Err(Refusal::new(&shown, "holds a NUL character"));
            }
        }
        Ok(())
    }

    /// A line of text as people may type it themselves.
    pub(super) fn line(&self, name: &str) -> Result<Option<String>, Refusal> {
        let text = self.get(name).map(check_line).transpose();
        text.map_err(|_| Refusal::new(name, "has more than 200 characters, or control characters"))
    }

    pub(super) fn tag(&self, name: &str) -> Result<Option<String>, Refusal> {
        let tag = self.get(name).map(|text| check_tag(text, "-")).transpose();
        tag.map_err(|_| Refusal::new(name, "is no tag such as `en-GB`"))
    }

    pub(super) fn zone(&self, name: &str) -> Result<Option<String>, Refusal> {
        let zone = self.get(name).map(check_zone).transpose();
        zone.map_err(|_| Refusal::new(name, "is no time zone such as `Europe/Berlin` or `UTC`"))
    }

    pub(super) fn short(&self, name: &str, most: usize) -> Result<Option<String>, Refusal> {
        match self.get(name) {
            Some(text) if text.len() > most => {
                Err(Refusal::new(name, format!("has more than {most} bytes")))
            }
            text => Ok(text.map(str::to_owned)),
        }
    }

    pub(super) fn truth(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0" | "no" | "f") => Ok(false),
            Some("true" | "1" | "yes" | "t") => Ok(true),
            Some(_) => Err(Refusal::new(name, "is neither `true` nor `false`")),
        }
    }

    /// RFC 3339, or seconds or milliseconds since 1970.
    pub(super) fn time(&self, name: &str, now: Micros) -> Result<Option<Micros>, Refusal> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let at = match text.parse::<i64>() {
            // Milliseconds from 1973 on, seconds up to the year 5138.
            Ok(number) if number.abs() >= 100_000_000_000 => number.checked_mul(1_000),
            Ok(number) => number.checked_mul(1_000_000),
            Err(_) => chrono::DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1))
                .ok()
                .map(|at| at.timestamp_micros()),
        };
        let at = at.ok_or_else(|| {
            Refusal::new(
                name,
                "is no time such as 2024-01-31T08:00:00Z, nor seconds or milliseconds since 1970",
            )
        })?;
        match (0..=now.0).contains(&at) {
            true => Ok(Some(Micros(at))),
            false => Err(Refusal::new(name, "lies before 1970 or in the future")),
        }
    }

    pub(super) fn uid(&self) -> Result<Option<Uid>, Refusal> {
        match (self.short("uid", MAX_UID)?, self.get("uid_hash")) {
            (Some(_), Some(_)) => Err(Refusal::new("uid", "stands beside uid_hash")),
            (Some(uid), None) => Ok(Some(Uid::Plain(uid.into()))),
            (None, Some(hash)) => {
                let given = GivenHash {
                    hash,
                    ..GivenHash::default()
                };
                let hash = given.to_stored();
                let hash = hash.map_err(|fault| Refusal::new("uid_hash", fault))?;
                Ok(Some(Uid::Hash(hash)))
            }
            (None, None) => Ok(None),
        }
    }

    pub(super) fn hash(&self) -> Result<Option<String>, Refusal> {
        let Some(hash) = self.get("password_hash") else {
            return Ok(None);
        };
        let get = |name| self.get(name).unwrap_or_default();
        let given = GivenHash {
            hash,
            scheme: get("password_scheme"),
            salt: get("password_salt"),
            encoding: get("password_encoding"),
            salt_encoding: get("password_salt_encoding"),
            salt_order: get("password_salt_order"),
            iterations: get("password_iterations"),
            memory_cost: get("password_memory_cost"),
            rounds: get("password_rounds"),
            parallelism: get("password_parallelism"),
            signer_key: get("password_signer_key"),
            salt_separator: get("password_salt_separator"),
        };
        let stored = given.to_stored();
        stored
            .map(Some)
            .map_err(|fault| Refusal::new("password_hash", fault))
    }
}
