//! Forgotten passwords: a link by mail, or a token for a back end that proves who it is.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use vestibule_crypto::Opaque;

use crate::account::{self, Account};
use crate::context::Cx;
use crate::email::Email;
use crate::error::{Error, Kind, Result};
use crate::one_time::{self, OneTimeKind};
use crate::outbox::{self, Mail, MailKind};
use crate::session::{self, EndReason};
use crate::tenant::{CaptchaAt, link_is_allowed};
use crate::{Identity, audit, limit};

const LIFETIME: Duration = Duration::from_secs(3_600);

const ADMIN: &str = "Admin";
const MANAGER: &str = "Manager";

/// What a caller has proven about itself.
#[derive(Clone, Copy)]
enum Proof {
    None,
    /// The tenant's back end, or its Admin.
    BackEnd,
    Manager,
}

impl Proof {
    fn is_none(self) -> bool {
        matches!(self, Proof::None)
    }

    /// Whether the caller may hold a way into this account. A Manager's must not lead to Admins or other Managers.
    fn reaches(self, account: &Account) -> bool {
        match self {
            Proof::None => false,
            Proof::BackEnd => true,
            Proof::Manager => !matches!(account.role.as_str(), ADMIN | MANAGER),
        }
    }
}

/// A request for a way back in.
#[derive(Debug)]
pub struct ForgotPassword {
    pub email: String,
    /// Send a mail. Without proof one goes out whatever this says.
    pub notify: bool,
    /// The caller's own link, `{token}` in it; its host must be on the tenant's list.
    pub link: Option<String>,
    /// A tenant's private key, or an access token of an Admin or Manager.
    pub proof: Option<SecretString>,
    /// Not asked of proven callers.
    pub captcha: Option<String>,
}

/// A new password by a reset token.
#[derive(Debug)]
pub struct ResetPassword {
    pub token: SecretString,
    pub password: SecretString,
}

impl Identity {
    /// Answers a token in any case; it opens something only for a proven caller and a known address.
    pub async fn forgot_password(&self, cx: &Cx, command: ForgotPassword) -> Result<SecretString> {
        let email = Email::parse(&command.email)?;
        if let Some(link) = &command.link {
            link_is_allowed(&cx.tenant, link)?;
        }
        let proof = match &command.proof {
            Some(proof) => self.proof_of(cx, proof).await?,
            None => Proof::None,
        };
        if proof.is_none() {
            self.check_captcha(cx, CaptchaAt::ForgotPassword, command.captcha.as_deref())
                .await?;
        }
        // A stranger's tries must not keep the tenant's own back end out.
        let who = if proof.is_none() { "" } else { "proven/" };
        let key = format!("{who}{}", limit::email_key(cx, &email));
        self.limits().take(limit::FORGOT, &key, cx.now)?;
        let handed_out = Opaque::generate(self.random());
        let mailed = Opaque::generate(self.random());
        let (tenant, wanted) = (cx.tenant.id.clone(), email.clone());
        let found = self
            .db()
            .read(move |tx| account::store::by_email(tx, &tenant, &wanted))
            .await?;
        let Some(account) = found.filter(Account::is_active) else {
            let entry = audit::Entry::refused("password.forgotten", Kind::InvalidEmail);
            self.note_refused(cx, entry).await?;
            return Ok(handed_out.expose());
        };
        let proven = proof.reaches(&account);
        let mail = if command.notify || !proven {
            let url = match &command.link {
                Some(link) => link.replacen("{token}", mailed.expose().expose_secret(), 1),
                None => cx.tenant.link(&format!(
                    "/reset-password/{}",
                    mailed.expose().expose_secret()
                )),
            };
            let mail = Mail {
                link: Some(SecretString::from(url)),
                ..Mail::notice(MailKind::ResetPassword, &account)
            };
            Some(outbox::NewMail::draw(self, cx, mail)?.expiring(cx.now + LIFETIME))
        } else {
            None
        };
        let (for_caller, for_mail) = (handed_out.digest(), mailed.digest());
        let cx = cx.clone();
        self.db()
            .write(move |tx| {
                let new = |digest| one_time::New {
                    kind: OneTimeKind::ResetPassword,
                    digest,
                    account_id: account.id.clone(),
                    lifetime: LIFETIME,
                };
                if proven {
                    one_time::store::add(tx, &cx, &new(for_caller))?;
                }
                // One after the other, or parallel calls would each see room for one more.
                account::store::lock(tx, &cx.tenant.id, &account.id)?;
                let sent = one_time::store::count_since(
                    tx,
                    &cx,
                    OneTimeKind::ResetPassword,
                    &account.id,
                    cx.now - LIFETIME,
                )?;
                // Beyond the hourly bound the answer stays the same and the mailbox is spared.
                if let Some(mail) = mail.as_ref().filter(|_| sent < outbox::HOURLY_BOUND) {
                    one_time::store::add(tx, &cx, &new(for_mail))?;
                    outbox::store::add(tx, &cx.tenant.id, mail, cx.now)?;
                }
                let actor = if proven { "back_end" } else { "anonymous" };
                audit::record(
                    tx,
                    &cx,
                    audit::Entry::done("password.forgotten")
                        .account(&account.id)
                        .actor(actor),
                )
            })
            .await?;
        Ok(handed_out.expose())
    }

    /// A key of this tenant, or a live access token of its Admin or Manager in the dialect that the request speaks.
    async fn proof_of(&self, cx: &Cx, proof: &SecretString) -> Result<Proof> {
        if vestibule_crypto::ApiKey::parse(proof.expose_secret()).is_some() {
            return match self.authenticate_key(cx, proof).await {
                Ok(_) => Ok(Proof::BackEnd),
                Err(error)
                    if matches!(
                        error.kind,
                        Kind::UnauthorizedKey | Kind::ExpiredKey | Kind::BrowserOrigin
                    ) =>
                {
                    Ok(Proof::None)
                }
                Err(error) => Err(error),
            };
        }
        match self.authenticate_dialect(cx, proof).await {
            Ok(who) => Ok(match who.account.role.as_str() {
                ADMIN => Proof::BackEnd,
                MANAGER => Proof::Manager,
                _ => Proof::None,
            }),
            Err(error) if error.kind == Kind::Unauthorized => Ok(Proof::None),
            Err(error) => Err(error),
        }
    }

    /// Consumes the token, sets the password, ends every session, and tells the owner by mail.
    pub async fn reset_password(&self, cx: &Cx, command: ResetPassword) -> Result<Account> {
        let account = self
            .peek_one_time(cx, OneTimeKind::ResetPassword, &command.token)
            .await?;
        let phc = self
            .hash_new_password(&cx.tenant, &account, command.password)
            .await?;
        let digest = one_time::digest_of(&command.token)?;
        let mail =
            outbox::NewMail::draw(self, cx, Mail::notice(MailKind::PasswordChanged, &account))?;
        let cx = cx.clone();
        self.db()
            .write(move |tx| {
                let tenant = &cx.tenant.id;
                let used = one_time::store::consume(tx, &cx, OneTimeKind::ResetPassword, &digest)?;
                let id = used.ok_or_else(|| Error::new(Kind::InvalidToken))?;
                let account = account::store::by_id(tx, tenant, &id)?
                    .filter(Account::is_active)
                    .ok_or(Kind::InvalidToken)?;
                super::store::set(tx, tenant, &id, &phc, cx.now)?;
                session::store::end_all(tx, &cx, &id, None, EndReason::PasswordChanged)?;
                one_time::store::void(tx, &cx, OneTimeKind::ResetPassword, &id)?;
                outbox::store::add(tx, tenant, &mail, cx.now)?;
                audit::record(tx, &cx, audit::Entry::done("password.reset").account(&id))?;
                Ok(account)
            })
            .await
    }
}
