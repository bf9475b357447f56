//! Sign-up with address and password, answered with a session at once: what dialects ask for. Pages do it otherwise (`sign_up`).

use secrecy::{ExposeSecret, SecretString};

use super::{Account, check_line, split_name, store};
use crate::context::Cx;
use crate::email::Email;
use crate::error::{Error, Kind, Result};
use crate::one_time::Verification;
use crate::password::rules::{self, Person};
use crate::session::{self, NewSession, SessionKind, SignedIn};
use crate::tenant::CaptchaAt;
use crate::{Identity, audit, captcha, limit, password};

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
    /// What is wrong with the password and the captcha of a sign-up whose other fields may be empty or wrong, by field: to be
    /// told together with those.
    pub fn registration_faults(&self, cx: &Cx, command: &Register) -> Vec<(&'static str, Error)> {
        if !cx.tenant.file.registration.open {
            return Vec::new();
        }
        let (first, last) = split_name(&command.name);
        let person = Person {
            email: &command.email,
            first: &first,
            last: &last,
        };
        let password = match command.password.expose_secret().is_empty() {
            true => Ok(()),
            false => rules::check(&cx.tenant, &person, &command.password),
        };
        let captcha = captcha::wanted(cx, CaptchaAt::SignUp, command.captcha.as_deref());
        let faults = [("password", password.err()), ("captcha", captcha.err())];
        faults
            .into_iter()
            .filter_map(|(field, error)| Some((field, error?)))
            .collect()
    }

    /// Creates the unverified account, its session, and the mail that asks for proof, together or not at all.
    pub async fn register(&self, cx: &Cx, command: Register) -> Result<SignedIn> {
        let email = Email::parse(&command.email)?;
        if !cx.tenant.file.registration.open {
            return Err(Kind::RegistrationClosed.into());
        }
        let mut account = Account::new(self, &cx.tenant, &email, cx.now);
        account.set_name(&check_line(&command.name)?);
        // Before the captcha: an answer good for one time is not spent on a password that is not taken.
        rules::check(&cx.tenant, &(&account).into(), &command.password)?;
        let address = limit::address_key(&cx.tenant.id, &cx.client);
        let wanted = [
            (limit::SIGN_UP_ADDRESS, &*address),
            (limit::SIGN_UP_TENANT, &*cx.tenant.id),
        ];
        self.limits().count(&wanted, cx.now)?;
        self.check_captcha(cx, CaptchaAt::SignUp, command.captcha.as_deref())
            .await?;
        let phc = self
            .hash_new_password(&cx.tenant, &account, command.password)
            .await?;
        let new = NewSession::draw(self, cx, command.kind);
        let verification = Verification::draw(self, cx, &account, None)?;
        let mailbox = limit::email_key(cx, &email);
        let mails = (limit::SIGN_UP_EMAIL, &*mailbox);
        self.limits().check(mails.0, mails.1, cx.now)?;
        let (now, cx) = (cx.now, cx.clone());
        let registered = self
            .db()
            .write(move |tx| {
                let tenant = &cx.tenant.id;
                if store::by_email(tx, tenant, &email)?.is_some() {
                    return Err(Error::new(Kind::EmailTaken));
                }
                let account =
                    store::insert(tx, tenant, account.clone())?.ok_or(Kind::EmailTaken)?;
                password::store::set(tx, &cx, &account.id, &phc)?;
                verification.store(tx, &cx)?;
                let signed_in = session::store::start(tx, &cx, &account.id, &new)?;
                audit::record(
                    tx,
                    &cx,
                    audit::Entry::done("account.registered").account(&account.id),
                )?;
                Ok(signed_in)
            })
            .await?;
        // A mail went out. Of those that come at once only one gets here, and the next is refused by the check.
        let _ = self.limits().count(&[mails], now);
        Ok(registered)
    }
}
