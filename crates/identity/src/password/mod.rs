//! Passwords: policy, sign-in with them, changing and resetting them.

mod anywhere;
mod fingerprint;
mod guess;
mod reset;
pub(crate) mod rules;
pub(crate) mod store;

pub use reset::{ForgotPassword, ResetPassword};

use secrecy::SecretString;

use crate::account::{self, Account};
use crate::context::Cx;
use crate::email::Email;
use crate::error::{Error, Kind, Result};
use crate::one_time::{self, OneTimeKind};
use crate::session::{self, EndReason, SessionKind, SignedIn};
use crate::tenant::{CaptchaAt, Tenant};
use crate::{Identity, audit, limit, outbox};

/// Sign-in with address and password.
#[derive(Clone, Debug)]
pub struct SignInPassword {
    pub email: String,
    pub password: SecretString,
    pub captcha: Option<String>,
    pub kind: SessionKind,
}

/// A change of password by the signed-in person.
#[derive(Debug)]
pub struct ChangePassword {
    pub current: SecretString,
    pub new: SecretString,
    /// The session that goes on; every other one ends.
    pub keep_session: Option<String>,
}

/// An account whose password was found right, with the hash that was checked.
struct Checked {
    account: Account,
    phc: String,
    /// The same password under today's parameters, when they have changed.
    rehashed: Option<String>,
}

impl Identity {
    /// Unknown account, wrong password, no password and suspended account are one answer after the same work.
    pub async fn sign_in_password(&self, cx: &Cx, command: SignInPassword) -> Result<SignedIn> {
        let email = Email::parse(&command.email)?;
        self.check_captcha(cx, CaptchaAt::SignIn, command.captcha.as_deref())
            .await?;
        match self.guess(cx, &email, &command.password).await? {
            Some(checked) => self.sign_in_checked(cx, checked, command.kind).await,
            None => {
                self.password_refused(cx, &email).await?;
                Err(Kind::InvalidCredentials.into())
            }
        }
    }

    /// `check_password` within the bound on wrong ones. A guess counts until it is known to be right: many at once cannot
    /// all be tried before the first is found wrong.
    async fn guess(
        &self,
        cx: &Cx,
        email: &Email,
        password: &SecretString,
    ) -> Result<Option<Checked>> {
        let key = limit::email_key(cx, email);
        self.limits().take(limit::SIGN_IN, &key, cx.now)?;
        let checked = self.check_password(cx, email, password).await;
        if !matches!(checked, Ok(None)) {
            self.limits().give_back(limit::SIGN_IN, &key);
        }
        checked
    }

    /// Hashes outside any transaction; the same work whether or not there is a password to compare with.
    async fn check_password(
        &self,
        cx: &Cx,
        email: &Email,
        password: &SecretString,
    ) -> Result<Option<Checked>> {
        if rules::too_long(password) {
            return Ok(None);
        }
        let password = rules::normalize(password);
        let (tenant, wanted) = (cx.tenant.id.clone(), email.clone());
        let found = self
            .db()
            .read(move |tx| {
                let Some(account) = account::store::by_email(tx, &tenant, &wanted)? else {
                    return Ok::<_, Error>(None);
                };
                let phc = store::find(tx, &tenant, &account.id)?;
                Ok(phc.map(|phc| (account, phc)))
            })
            .await?;
        let Some((account, phc)) = found else {
            self.passwords(&cx.tenant).verify_absent(password).await?;
            return Ok(None);
        };
        let verdict = self
            .passwords(&cx.tenant)
            .verify(&phc, password.clone())
            .await?;
        if !verdict.matches || !account.is_active() {
            return Ok(None);
        }
        let rehashed = if verdict.rehash {
            Some(self.passwords(&cx.tenant).hash(password).await?)
        } else {
            None
        };
        Ok(Some(Checked {
            account,
            phc,
            rehashed,
        }))
    }

    /// Starts the session, provided that the password checked is still the account's.
    async fn sign_in_checked(
        &self,
        cx: &Cx,
        checked: Checked,
        kind: SessionKind,
    ) -> Result<SignedIn> {
        let new = session::NewSession::draw(self, cx, kind);
        let cx = cx.clone();
        self.db()
            .write(move |tx| {
                let tenant = &cx.tenant.id;
                if !store::still(tx, tenant, &checked.account.id, &checked.phc)? {
                    return Err(Kind::InvalidCredentials.into());
                }
                if let Some(phc) = &checked.rehashed {
                    store::set(tx, tenant, &checked.account.id, phc, cx.now)?;
                }
                let signed_in = session::store::start(tx, &cx, &checked.account.id, &new)?;
                audit::record(
                    tx,
                    &cx,
                    audit::Entry::done("sign_in.password").account(&checked.account.id),
                )?;
                Ok(signed_in)
            })
            .await
    }

    async fn password_refused(&self, cx: &Cx, email: &Email) -> Result<()> {
        let entry = audit::Entry::refused("sign_in.password", Kind::InvalidCredentials);
        if !self.audit_flood().admits(cx, &entry) {
            return Ok(());
        }
        let (cx, email) = (cx.clone(), email.clone());
        self.db()
            .write(move |tx| {
                let account = account::store::by_email(tx, &cx.tenant.id, &email)?;
                let id = account.as_ref().map(|account| account.id.as_str());
                audit::record(tx, &cx, entry.clone().maybe_account(id))
            })
            .await
    }

    /// Policy, then the hash. Refusals say why.
    pub(crate) async fn hash_new_password(
        &self,
        tenant: &Tenant,
        person: &Account,
        password: SecretString,
    ) -> Result<String> {
        rules::check(tenant, &person.into(), &password)?;
        Ok(self
            .passwords(tenant)
            .hash(rules::normalize(&password))
            .await?)
    }

    /// Changes the password of the signed-in person, who must know the present one.
    pub async fn change_password(
        &self,
        cx: &Cx,
        account_id: &str,
        command: ChangePassword,
    ) -> Result<()> {
        let (tenant, id) = (cx.tenant.id.clone(), account_id.to_owned());
        let found = self
            .db()
            .read(move |tx| {
                Ok::<_, Error>((
                    account::store::by_id(tx, &tenant, &id)?,
                    store::find(tx, &tenant, &id)?,
                ))
            })
            .await?;
        let (Some(account), Some(phc)) = found else {
            return Err(Kind::InvalidCredentials.into());
        };
        let email = Email::parse(&account.email)?;
        let key = limit::email_key(cx, &email);
        self.limits().take(limit::SIGN_IN, &key, cx.now)?;
        let verdict = match rules::too_long(&command.current) {
            true => Ok(false),
            false => self
                .passwords(&cx.tenant)
                .verify(&phc, rules::normalize(&command.current))
                .await
                .map(|verdict| verdict.matches),
        };
        if !matches!(verdict, Ok(false)) {
            self.limits().give_back(limit::SIGN_IN, &key);
        }
        let matches = verdict?;
        if !matches {
            self.password_refused(cx, &email).await?;
            return Err(Error::with_detail(
                Kind::InvalidCredentials,
                "The present password is wrong.",
            ));
        }
        let new = self
            .hash_new_password(&cx.tenant, &account, command.new)
            .await?;
        let mail = outbox::NewMail::draw(
            self,
            cx,
            outbox::Mail::notice(outbox::MailKind::PasswordChanged, &account),
        )?;
        let cx = cx.clone();
        self.db()
            .write(move |tx| {
                if !store::still(tx, &cx.tenant.id, &account.id, &phc)? {
                    return Err(Kind::InvalidCredentials.into());
                }
                store::set(tx, &cx.tenant.id, &account.id, &new, cx.now)?;
                session::store::end_all(
                    tx,
                    &cx,
                    &account.id,
                    command.keep_session.as_deref(),
                    EndReason::PasswordChanged,
                )?;
                one_time::store::void(tx, &cx, OneTimeKind::ResetPassword, &account.id)?;
                outbox::store::add(tx, &cx.tenant.id, &mail, cx.now)?;
                audit::record(
                    tx,
                    &cx,
                    audit::Entry::done("password.changed").account(&account.id),
                )
            })
            .await
    }
}
