//! What a line of a file says of a person.

use std::borrow::Cow;

use secrecy::SecretString;

use super::fields::{FIELDS, Fields, MAX_SUBJECT};
use crate::account::{AccountState, split_name};
use crate::email::Email;
use crate::ports::Micros;

/// The fields of a line by name; one that is empty is as if it were not there.
pub type ImportFields<'a> = [(Cow<'a, str>, Cow<'a, str>)];

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
            locale: fields.tag("locale")?,
            timezone: fields.zone("timezone")?,
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
            (
                &[("email", "a@b.test"), ("timezone", "Foo/Bar")],
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
