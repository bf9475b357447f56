//! Invitations: an account made for somebody, who sets its password by a mailed link.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use vestibule_crypto::Opaque;

use super::{Account, CreateUser, store};
use crate::context::Cx;
use crate::email::Email;
use crate::error::{Error, Kind, Result};
use crate::one_time::{self, New, OneTimeKind};
use crate::outbox::{self, Mail, MailKind, NewMail};
use crate::session::{self, NewSession, SessionKind, SignedIn};
use crate::{Identity, audit, email_change, password};

const LIFETIME: Duration = Duration::from_secs(7 * 86_400);

/// A password for an account that somebody else made.
#[derive(Debug)]
pub struct AcceptInvitation {
    pub token: SecretString,
    pub password: SecretString,
}

impl Identity {
    /// Makes the account, or takes the one without a password that has the address, and mails a link that sets the password.
    /// Earlier invitations of it end. `EmailTaken` when the account has a password.
    pub async fn invite_user(&self, cx: &Cx, new: CreateUser) -> Result<Account> {
        let email = Email::parse(&new.email)?;
        let fresh = new.account(self, cx, &email)?;
        let token = Opaque::generate(self.random());
        let identity = self.clone();
        let cx = cx.clone();
        self.db()
            .write(move |tx| {
                let tenant = &cx.tenant.id;
                let account = match store::by_email(tx, tenant, &email)? {
                    Some(known) => known,
                    None => store::insert(tx, tenant, fresh.clone())?.ok_or(Kind::EmailTaken)?,
                };
                if !store::lock(tx, tenant, &account.id)? {
                    return Err(Error::with_detail(
                        Kind::Forbidden,
                        "The account is suspended.",
                    ));
                }
                if password::store::find(tx, tenant, &account.id)?.is_some() {
                    return Err(Kind::EmailTaken.into());
                }
                one_time::store::void(tx, &cx, OneTimeKind::Invitation, &account.id)?;
                let new = New {
                    kind: OneTimeKind::Invitation,
                    digest: token.digest(),
                    account_id: account.id.clone(),
                    lifetime: LIFETIME,
                    return_to: String::new(),
                    given_to: None,
                };
                one_time::store::add(tx, &cx, &new)?;
                let path = format!("/invitation/{}", token.expose().expose_secret());
                let mail = Mail {
                    link: Some(SecretString::from(cx.tenant.link(&path))),
                    ..Mail::notice(MailKind::Invitation, &account)
                };
                let mail = NewMail::draw(&identity, &cx, mail)?.expiring(cx.now + LIFETIME);
                outbox::store::add(tx, tenant, &mail, cx.now)?;
                let entry = audit::Entry::done("account.invited").account(&account.id);
                audit::record(tx, &cx, entry.actor("operator"))?;
                Ok(account)
            })
            .await
    }

    /// Sets the password, takes the address for proven, and signs in.
    pub async fn accept_invitation(&self, cx: &Cx, command: AcceptInvitation) -> Result<SignedIn> {
        let kind = OneTimeKind::Invitation;
        let account = self.peek_one_time(cx, kind, &command.token).await?;
        let phc = self
            .hash_new_password(&cx.tenant, &account, command.password)
            .await?;
        let digest = one_time::digest_of(&command.token)?;
        let new = NewSession::draw(self, cx, SessionKind::Browser);
        let cx = cx.clone();
        self.db()
            .write(move |tx| {
                let (tenant, id) = (&cx.tenant.id, &account.id);
                // A password set meanwhile, by a forgotten one's link, is the person's own.
                let used = one_time::store::consume(tx, &cx, kind, &digest)?;
                if used.is_none() || password::store::find(tx, tenant, id)?.is_some() {
                    return Err(Kind::InvalidToken.into());
                }
                password::store::set(tx, &cx, id, &phc)?;
                store::set_verified(tx, tenant, id, cx.now)?;
                one_time::store::void_all(tx, tenant, id, cx.now)?;
                email_change::forget(tx, &cx, id)?;
                let signed_in = session::store::start(tx, &cx, id, &new)?;
                let entry = audit::Entry::done("account.invitation_accepted").account(id);
                audit::record(tx, &cx, entry)?;
                Ok(signed_in)
            })
            .await
    }
}
