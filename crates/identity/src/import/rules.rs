//! What a line of a file says of a person.

use std::borrow::Cow;

use secrecy::SecretString;
use vestibule_crypto::GivenHash;

use crate::account::{AccountState, check_line, check_tag, split_name};
use crate::email::Email;
use crate::ports::Micros;

/// The fields of a line by name; one that is empty is as if it were not there.
pub type ImportFields<'a> = [(Cow<'a, str>, Cow<'a, str>)];

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
const MAX_SUBJECT: usize = 255;

/// Why a line is not taken: the field, and what is wrong with it. Never holds a hash or a uid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub field: String,
    pub reason: String,
}

impl Refusal {
    pub(super) fn new(field: &str, reason: impl ToString) -> Refusal {
        Refusal {
            field: field.to_owned(),
            reason: reason.to_string(),
        }
    }
}

/// A partner's secret for the person.
#[derive(Clone)]
pub(super) enum Uid {
    Plain(SecretString),
    Hash(String),
}

/// A person as a line of a file has them, checked. What is absent is the tenant's default, or stays as it is.
#[derive(Clone)]
pub struct ImportPerson {
    pub(super) email: Email,
    pub(super) verified: bool,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) role: Option<String>,
    pub(super) locale: Option<String>,
    pub(super) timezone: Option<String>,
    pub(super) mobile: Option<String>,
    pub(super) unique_id: Option<String>,
    pub(super) state: Option<AccountState>,
    pub(super) onboarded: bool,
    pub(super) created_at: Option<Micros>,
    pub(super) uid: Option<Uid>,
    pub(super) google_subject: Option<String>,
    /// The hash in the form in which it is kept.
    pub(super) phc: Option<String>,
}

impl std::fmt::Debug for ImportPerson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ImportPerson({:?})", self.email)
    }
}

impl ImportPerson {
    /// Every field that a line may have.
    pub const FIELDS: &'static [&'static str] = FIELDS;

    /// The address in its canonical form, unique in a tenant.
    pub fn address(&self) -> &str {
        self.email.canonical()
    }

    /// Reads a line; what it leaves out is taken from `usual`. Times after `now` are refused.
    pub fn read(
        line: &ImportFields<'_>,
        usual: &ImportFields<'_>,
        now: Micros,
    ) -> Result<ImportPerson, Refusal> {
        let fields = Fields { line, usual };
        fields.check_names()?;
        let email = fields
            .get("email")
            .ok_or_else(|| Refusal::new("email", "is missing"))?;
        let email = Email::parse(email).map_err(|error| Refusal::new("email", error.message()))?;
        let names = fields.line("name")?.map(|name| split_name(&name)).unzip();
        let state = match fields.get("state") {
            None => None,
            Some("active") => Some(AccountState::Active),
            Some("suspended") => Some(AccountState::Suspended),
            Some(_) => return Err(Refusal::new("state", "is neither `active` nor `suspended`")),
        };
        Ok(ImportPerson {
            email,
            verified: fields.truth("email_verified")?,
            first_name: fields.line("first_name")?.or(names.0),
            last_name: fields.line("last_name")?.or(names.1),
            role: fields.line("role")?,
            locale: fields.tag("locale", "-")?,
            timezone: fields.tag("timezone", "-_+/")?,
            mobile: fields.line("mobile")?,
            unique_id: fields.line("unique_id")?,
            state,
            onboarded: fields.truth("onboarded")?,
            created_at: fields.time("created_at", now)?,
            uid: fields.uid()?,
            google_subject: fields.short("google_subject", MAX_SUBJECT)?,
            phc: fields.hash()?,
        })
    }
}

struct Fields<'a> {
    line: &'a ImportFields<'a>,
    usual: &'a ImportFields<'a>,
}

impl Fields<'_> {
    fn get(&self, name: &str) -> Option<&str> {
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

    fn check_names(&self) -> Result<(), Refusal> {
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
    fn line(&self, name: &str) -> Result<Option<String>, Refusal> {
        let text = self.get(name).map(check_line).transpose();
        text.map_err(|_| Refusal::new(name, "has more than 200 characters, or control characters"))
    }

    fn tag(&self, name: &str, extra: &str) -> Result<Option<String>, Refusal> {
        let tag = self
            .get(name)
            .map(|text| check_tag(text, extra))
            .transpose();
        tag.map_err(|_| Refusal::new(name, "is no tag such as `en-GB` or `Europe/Berlin`"))
    }

    fn short(&self, name: &str, most: usize) -> Result<Option<String>, Refusal> {
        match self.get(name) {
            Some(text) if text.len() > most => {
                Err(Refusal::new(name, format!("has more than {most} bytes")))
            }
            text => Ok(text.map(str::to_owned)),
        }
    }

    fn truth(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0" | "no" | "f") => Ok(false),
            Some("true" | "1" | "yes" | "t") => Ok(true),
            Some(_) => Err(Refusal::new(name, "is neither `true` nor `false`")),
        }
    }

    /// RFC 3339, or seconds or milliseconds since 1970.
    fn time(&self, name: &str, now: Micros) -> Result<Option<Micros>, Refusal> {
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

    fn uid(&self) -> Result<Option<Uid>, Refusal> {
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

    fn hash(&self) -> Result<Option<String>, Refusal> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        fields: &[(&'static str, &str)],
        usual: &[(&'static str, &str)],
    ) -> Result<ImportPerson, Refusal> {
        let own = |fields: &[(&'static str, &str)]| {
            let own =
                |(name, value): &(&'static str, &str)| ((*name).into(), (*value).to_owned().into());
            fields.iter().map(own).collect::<Vec<_>>()
        };
        ImportPerson::read(&own(fields), &own(usual), Micros(1_767_225_600_000_000))
    }

    #[test]
    fn times_in_the_ways_that_exports_have_them() {
        for (text, expected) in [
            ("2024-01-31T08:00:00Z", 1_706_688_000),
            ("2024-01-31T09:00:00+01:00", 1_706_688_000),
            ("2024-01-31 08:00:00.250+00:00", 1_706_688_000),
            ("1706688000", 1_706_688_000),
            ("1706688000123", 1_706_688_000),
            ("0", 0),
        ] {
            let person = read(&[("email", "a@b.test"), ("created_at", text)], &[]).unwrap();
            assert_eq!(
                person.created_at.map(Micros::secs),
                Some(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn what_a_line_leaves_out_is_taken_from_the_usual() {
        let usual = [
            ("role", "Trainee"),
            ("email_verified", "true"),
            ("name", "Nobody At All"),
        ];
        let person = read(
            &[
                ("email", "a@b.test"),
                ("role", " "),
                ("name", "Ada King Lovelace"),
            ],
            &usual,
        )
        .unwrap();
        assert_eq!(person.role.as_deref(), Some("Trainee"));
        assert!(person.verified);
        assert_eq!(person.first_name.as_deref(), Some("Ada"));
        assert_eq!(person.last_name.as_deref(), Some("King Lovelace"));
        let person = read(&[("email", "a@b.test"), ("email_verified", "no")], &usual).unwrap();
        assert!(!person.verified);
    }

    #[test]
    fn hostile_lines_are_refused_by_field() {
        let long = "x".repeat(1_025);
        for (fields, field) in [
            (&[][..], "email"),
            (&[("email", "")], "email"),
            (&[("email", "a@b")], "email"),
            (&[("email", "a\0@b.test")], "email"),
            (&[("email", "a@b.test"), ("email", "c@d.test")], "email"),
            (&[("email", "a@b.test"), ("Email", "c@d.test")], "Email"),
            (
                &[("email", "a@b.test"), ("pasword_hash", "x")],
                "pasword_hash",
            ),
            (
                &[("email", "a@b.test"), ("email_verified", "perhaps")],
                "email_verified",
            ),
            (
                &[("email", "a@b.test"), ("first_name", &long)],
                "first_name",
            ),
            (&[("email", "a@b.test"), ("last_name", "a\nb")], "last_name"),
            (&[("email", "a@b.test"), ("role", "a\u{7}")], "role"),
            (&[("email", "a@b.test"), ("locale", "<script>")], "locale"),
            (
                &[("email", "a@b.test"), ("timezone", "../../etc")],
                "timezone",
            ),
            (&[("email", "a@b.test"), ("mobile", &long)], "mobile"),
            (&[("email", "a@b.test"), ("state", "deleted")], "state"),
            (
                &[("email", "a@b.test"), ("created_at", "yesterday")],
                "created_at",
            ),
            (
                &[
                    ("email", "a@b.test"),
                    ("created_at", "2031-01-01T00:00:00Z"),
                ],
                "created_at",
            ),
            (&[("email", "a@b.test"), ("created_at", "-5")], "created_at"),
            (
                &[("email", "a@b.test"), ("created_at", "9223372036854775807")],
                "created_at",
            ),
            (&[("email", "a@b.test"), ("uid", &long)], "uid"),
            (
                &[("email", "a@b.test"), ("uid", "x"), ("uid_hash", "y")],
                "uid",
            ),
            (
                &[("email", "a@b.test"), ("uid_hash", "hunter2")],
                "uid_hash",
            ),
            (
                &[("email", "a@b.test"), ("google_subject", &long)],
                "google_subject",
            ),
            (
                &[("email", "a@b.test"), ("password_hash", "hunter2")],
                "password_hash",
            ),
        ] {
            let refusal = read(fields, &[])
                .err()
                .unwrap_or_else(|| panic!("{fields:?} was taken"));
            assert_eq!(refusal.field, field, "{refusal:?}");
            assert!(!refusal.reason.contains("hunter2"), "{refusal:?}");
        }
    }
}
