//! Sign-up with address and password.

use secrecy::SecretString;

use super::{Account, check_line, store};
use crate::context::Cx;
use crate::email::Email;
use crate::error::{Error, Kind, Result};
use crate::one_time::Verification;
use crate::session::{self, NewSession, SessionKind, SignedIn};
use crate::{Identity, audit, password};

/// A person signs up.
#[derive(Debug)]
pub struct Register {
    pub email: String,
    pub password: SecretString,
    /// First and last name in one line.
    pub name: String,
    pub captcha: Option<String>,
    pub kind: SessionKind,
}

impl Identity {
    /// Creates the unverified account, its session, and the mail that asks for proof, together or not at all.
    pub async fn register(&self, cx: &Cx, command: Register) -> Result<SignedIn> {
        let email = Email::parse(&command.email)?;
        if !cx.tenant.file.registration.open {
            return Err(Kind::RegistrationClosed.into());
        }
        let name = check_line(&command.name)?;
        self.check_captcha(cx, command.captcha.as_deref()).await?;
        let phc = self
            .hash_new_password(&cx.tenant, &email, command.password)
            .await?;
        let mut account = Account::new(self, &cx.tenant, &email, cx.now);
        account.set_name(&name);
        let verification = Verification::draw(self, cx, &account)?;
        let new = NewSession::draw(self, cx, command.kind);
        let cx = cx.clone();
        self.db()
            .write(move |tx| {
                let tenant = &cx.tenant.id;
                if store::by_email(tx, tenant, &email)?.is_some() {
                    return Err(Error::new(Kind::EmailTaken));
                }
                let account =
                    store::insert(tx, tenant, account.clone())?.ok_or(Kind::EmailTaken)?;
                password::store::set(tx, tenant, &account.id, &phc, cx.now)?;
                verification.store(tx, &cx)?;
                let signed_in = session::store::start(tx, &cx, &account.id, &new)?;
                audit::record(
                    tx,
                    &cx,
                    audit::Entry::done("account.registered").account(&account.id),
                )?;
                Ok(signed_in)
            })
            .await
    }
}
