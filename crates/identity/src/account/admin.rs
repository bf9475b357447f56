//! What an operator does to accounts.

use secrecy::SecretString;

use super::{Account, AccountState, check_line, store};
use crate::context::Cx;
use crate::email::Email;
use crate::error::{Kind, Result};
use crate::session::EndReason;
use crate::{Identity, audit, password, session};

/// A new account by an operator's hand.
#[derive(Debug)]
pub struct CreateUser {
    pub email: String,
    /// The tenant's default when absent.
    pub role: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub verified: bool,
    pub password: Option<SecretString>,
}

impl CreateUser {
    /// The account as it starts.
    pub(super) fn account(&self, identity: &Identity, cx: &Cx, email: &Email) -> Result<Account> {
        let mut account = Account::new(identity, &cx.tenant, email, cx.now);
        account.email_verified = self.verified;
        account.first_name = check_line(self.first_name.as_deref().unwrap_or(""))?;
        account.last_name = check_line(self.last_name.as_deref().unwrap_or(""))?;
        if let Some(role) = &self.role {
            account.role = check_line(role)?;
        }
        Ok(account)
    }
}

impl Identity {
    pub async fn create_user(&self, cx: &Cx, new: CreateUser) -> Result<Account> {
        let email = Email::parse(&new.email)?;
        let account = new.account(self, cx, &email)?;
        let phc = match new.password {
            Some(password) => Some(
                self.hash_new_password(&cx.tenant, &account, password)
                    .await?,
            ),
            None => None,
        };
        let cx = cx.clone();
        self.db()
            .write(move |tx| {
                let account =
                    store::insert(tx, &cx.tenant.id, account.clone())?.ok_or(Kind::EmailTaken)?;
                if let Some(phc) = &phc {
                    password::store::set(tx, &cx, &account.id, phc)?;
                }
                audit::record(
                    tx,
                    &cx,
                    audit::Entry::done("account.created")
                        .account(&account.id)
                        .actor("operator"),
                )?;
                Ok(account)
            })
            .await
    }

    /// One page of accounts in the order of their ids, after the id `after`.
    pub async fn users(&self, cx: &Cx, after: &str, limit: i64) -> Result<Vec<Account>> {
        let (tenant, after) = (cx.tenant.id.clone(), after.to_owned());
        self.db()
            .read(move |tx| store::page(tx, &tenant, &after, limit.clamp(1, 1_000)))
            .await
    }

    /// The account by its id, number or address.
    pub async fn user(&self, cx: &Cx, who: &str) -> Result<Account> {
        let (tenant, who) = (cx.tenant.id.clone(), who.to_owned());
        let email = who.contains('@').then(|| Email::parse(&who)).transpose()?;
        self.db()
            .read(move |tx| {
                let found = match (&email, who.parse::<i64>()) {
                    (Some(email), _) => store::by_email(tx, &tenant, email)?,
                    (None, Ok(number)) => store::by_number(tx, &tenant, number)?,
                    (None, Err(_)) => store::by_id(tx, &tenant, &who)?,
                };
                found.ok_or_else(|| {
                    crate::Error::with_detail(
                        Kind::NotFound,
                        format!("No account `{who}` in this tenant."),
                    )
                })
            })
            .await
    }

    /// Shuts the account out everywhere: no sign-in, every session ended.
    pub async fn suspend_user(&self, cx: &Cx, id: &str) -> Result<()> {
        self.change_state(cx, id, AccountState::Suspended, "account.suspended")
            .await
    }

    pub async fn restore_user(&self, cx: &Cx, id: &str) -> Result<()> {
        self.change_state(cx, id, AccountState::Active, "account.restored")
            .await
    }

    async fn change_state(
        &self,
        cx: &Cx,
        id: &str,
        state: AccountState,
        event: &'static str,
    ) -> Result<()> {
        let (cx, id) = (cx.clone(), id.to_owned());
        self.db()
            .write(move |tx| {
                if !store::set_state(tx, &cx.tenant.id, &id, state, cx.now)? {
                    return Err(Kind::NotFound.into());
                }
                if state == AccountState::Suspended {
                    session::store::end_all(tx, &cx, &id, None, EndReason::Suspended)?;
                    crate::one_time::store::void_all(tx, &cx.tenant.id, &id, cx.now)?;
                }
                audit::record(
                    tx,
                    &cx,
                    audit::Entry::done(event).account(&id).actor("operator"),
                )
            })
            .await
    }

    /// Removes the account and everything that hangs on it; only audit entries stay.
    pub async fn delete_user(&self, cx: &Cx, id: &str) -> Result<()> {
        let (cx, id) = (cx.clone(), id.to_owned());
        self.db()
            .write(move |tx| {
                if !store::delete(tx, &cx.tenant.id, &id)? {
                    return Err(Kind::NotFound.into());
                }
                audit::record(
                    tx,
                    &cx,
                    audit::Entry::done("account.deleted")
                        .account(&id)
                        .actor("operator"),
                )
            })
            .await
    }
}
