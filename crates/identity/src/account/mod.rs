//! Accounts: one person in one tenant.

mod admin;
mod export;
mod invite;
mod register;
pub(crate) mod store;

pub use admin::CreateUser;
pub use export::{PersonalData, ProviderLink};
pub use invite::AcceptInvitation;
pub use register::Register;

use serde::Serialize;

use crate::context::Cx;
use crate::email::Email;
use crate::error::{Error, Kind, Result};
use crate::ports::Micros;
use crate::session;
use crate::tenant::Tenant;
use crate::zone::check_zone;
use crate::{Identity, audit, limit};

/// The roles that may be given reset tokens: this one for everybody,
pub(crate) const ADMIN: &str = "Admin";
/// and this one for whoever has neither of the two.
pub(crate) const MANAGER: &str = "Manager";

/// A person as a tenant knows them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Account {
    /// 20 characters of [A-Za-z0-9].
    pub id: String,
    /// Counts up from 1 in each tenant.
    pub number: i64,
    /// As it was given.
    pub email: String,
    pub email_verified: bool,
    pub first_name: String,
    pub last_name: String,
    pub mobile: String,
    /// The person's id in the tenant's own books.
    pub unique_id: String,
    pub role: String,
    /// BCP 47.
    pub locale: String,
    /// IANA name.
    pub timezone: String,
    pub state: AccountState,
    pub created_at: Micros,
    pub onboarded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountState {
    Active,
    Suspended,
    Deleted,
}

impl AccountState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            AccountState::Active => "active",
            AccountState::Suspended => "suspended",
            AccountState::Deleted => "deleted",
        }
    }
}

impl Account {
    /// First and last name, or the address of somebody who gave none.
    pub fn display_name(&self) -> String {
        let name = format!("{} {}", self.first_name, self.last_name);
        match name.trim() {
            "" => self.email.clone(),
            name => name.to_owned(),
        }
    }

    pub fn is_active(&self) -> bool {
        self.state == AccountState::Active
    }

    /// The account as it starts: the tenant's defaults, nothing verified.
    pub(crate) fn new(identity: &Identity, tenant: &Tenant, email: &Email, now: Micros) -> Account {
        let defaults = &tenant.file.defaults;
        Account {
            id: vestibule_crypto::alphanumeric(identity.random(), 20),
            number: 0,
            email: email.given().to_owned(),
            email_verified: false,
            first_name: String::new(),
            last_name: String::new(),
            mobile: String::new(),
            unique_id: String::new(),
            role: defaults.role.clone(),
            locale: defaults.locale.clone(),
            timezone: defaults.timezone.clone(),
            state: AccountState::Active,
            created_at: now,
            onboarded: false,
        }
    }

    pub(crate) fn set_name(&mut self, name: &str) {
        (self.first_name, self.last_name) = split_name(name);
    }
}

/// "Ada King Lovelace" is "Ada" and "King Lovelace".
pub(crate) fn split_name(name: &str) -> (String, String) {
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let (first, last) = name.split_once(' ').unwrap_or((&name, ""));
    (first.to_owned(), last.to_owned())
}

/// What a person may change about themselves; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub locale: Option<String>,
    pub timezone: Option<String>,
}

/// A line of text a person typed: trimmed, no control characters, at most 200 characters.
pub(crate) fn check_line(text: &str) -> Result<String> {
    let text = text.trim();
    if text.chars().count() > 200 || text.chars().any(char::is_control) {
        return Err(Error::with_detail(
            Kind::InvalidName,
            "A name has at most 200 characters and no control characters.",
        )
        .because("too_long", 200));
    }
    Ok(text.to_owned())
}

/// A BCP 47 tag or IANA zone name by its alphabet; empty is refused.
pub(crate) fn check_tag(text: &str, extra: &str) -> Result<String> {
    let ok = !text.is_empty()
        && text.len() <= 64
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || extra.contains(c));
    if !ok {
        return Err(Error::with_detail(
            Kind::MalformedInput,
            "The language or time zone is not valid.",
        )
        .because("locale", 0));
    }
    Ok(text.to_owned())
}

/// Tenants in which one password is looked for: each costs a hash.
const MOST_ASKED: usize = 8;

impl Identity {
    /// Changes what a person may change about themselves.
    pub async fn update_profile(
        &self,
        cx: &Cx,
        (account_id, session_id): (&str, Option<&str>),
        change: ProfileChange,
    ) -> Result<Account> {
        let first = change.first_name.as_deref().map(check_line).transpose()?;
        let last = change.last_name.as_deref().map(check_line).transpose()?;
        let locale = change
            .locale
            .as_deref()
            .map(|text| check_tag(text, "-"))
            .transpose()?;
        let timezone = change.timezone.as_deref().map(check_zone).transpose()?;
        let (cx, id, own) = (
            cx.clone(),
            account_id.to_owned(),
            session_id.map(str::to_owned),
        );
        self.db()
            .write(move |tx| {
                session::store::hold_live(tx, &cx, &id, own.as_deref())?;
                let mut account = store::by_id(tx, &cx.tenant.id, &id)?.ok_or(Kind::NotFound)?;
                for (field, value) in [
                    (&mut account.first_name, &first),
                    (&mut account.last_name, &last),
                    (&mut account.locale, &locale),
                    (&mut account.timezone, &timezone),
                ] {
                    if let Some(value) = value {
                        field.clone_from(value);
                    }
                }
                store::update_profile(tx, &cx.tenant.id, &account, cx.now)?;
                audit::record(
                    tx,
                    &cx,
                    audit::Entry::done("profile.changed").account(&account.id),
                )?;
                Ok(account)
            })
            .await
    }

    /// Remembers that the person has seen the onboarding page.
    pub async fn finish_onboarding(&self, cx: &Cx, account_id: &str) -> Result<()> {
        let (tenant, now, id) = (cx.tenant.id.clone(), cx.now, account_id.to_owned());
        self.db()
            .write(move |tx| store::set_onboarded(tx, &tenant, &id, now))
            .await
    }

    /// The tenants that mount the dialect and have an active account of that address, at most 8: first those where the
    /// address is verified, then the oldest, so that nobody is kept out by who signs up under their address elsewhere.
    pub async fn tenants_of_person(
        &self,
        email: &str,
        dialect: &str,
    ) -> Result<Vec<std::sync::Arc<Tenant>>> {
        let email = Email::parse(email)?;
        let ids = self
            .db()
            .read(move |tx| store::tenants_of(tx, &email))
            .await?;
        let mut tenants = Vec::with_capacity(ids.len());
        for id in ids {
            let tenant = self.directory().by_id(&id).await?;
            tenants.extend(tenant.filter(|tenant| tenant.mount(dialect).is_some()));
        }
        tenants.truncate(MOST_ASKED);
        Ok(tenants)
    }

    /// Tells whether an address is registered; the tenant's mount may hide it.
    pub async fn email_exists(&self, cx: &Cx, email: String) -> Result<bool> {
        use crate::tenant::ExistEmail;
        let email = Email::parse(&email)?;
        match cx
            .tenant
            .mount(cx.surface())
            .unwrap_or_default()
            .exist_email
        {
            ExistEmail::Off => return Err(Kind::NotFound.into()),
            ExistEmail::AlwaysTrue => return Ok(true),
            ExistEmail::Answer => {}
        }
        let address = limit::address_key(&cx.tenant.id, &cx.client);
        self.limits()
            .count(&[(limit::EMAIL_EXISTS, &address)], cx.now)?;
        let tenant = cx.tenant.id.clone();
        self.db()
            .read(move |tx| Ok(store::by_email(tx, &tenant, &email)?.is_some()))
            .await
    }
}
