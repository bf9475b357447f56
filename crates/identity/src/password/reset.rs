//! Forgotten passwords: a link by mail, or a token for a back end that proves who it is.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use vestibule_crypto::Opaque;
use vestibule_db::Tx;

use crate::account::{self, ADMIN, Account, MANAGER};
use crate::context::Cx;
use crate::email::Email;
use crate::error::{Error, Kind, Result};
use crate::one_time::{self, Begun, Holder, NewCode, OneTimeKind};
use crate::outbox::{self, Mail, MailKind};
use crate::session::{self, EndReason};
use crate::tenant::{CaptchaAt, link_is_allowed};
use crate::{Identity, audit, deletion, email_change, limit};

const LIFETIME: Duration = Duration::from_secs(3_600);

/// What a caller has proven about itself.
enum Proof {
    None,
    /// The tenant's back end, or its Admin.
    BackEnd(Holder),
    Manager(Holder),
}

impl Proof {
    fn is_none(&self) -> bool {
        matches!(self, Proof::None)
    }

    /// The caller, if it may hold a way into this account. A Manager's must not lead to Admins or other Managers.
    fn reaches(self, account: &Account) -> Option<Holder> {
        match self {
            Proof::None => None,
            Proof::BackEnd(holder) => Some(holder),
            Proof::Manager(holder) => {
                (!matches!(account.role.as_str(), ADMIN | MANAGER)).then_some(holder)
            }
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
    /// Present when a page of ours asks.
    pub begun: Option<Begun>,
}

/// A new password by a reset token.
#[derive(Debug)]
pub struct ResetPassword {
    pub token: SecretString,
    pub password: SecretString,
}

/// What a request for a way back in leaves behind.
struct Request {
    account: Account,
    /// Within the bounds on what strangers leave in the log.
    entry: Option<audit::Entry>,
    /// The token handed to a caller who may have it.
    for_caller: Option<([u8; 32], Holder)>,
    for_mail: [u8; 32],
    mail: outbox::NewMail,
    return_to: String,
    code: Option<NewCode>,
    wants_mail: bool,
    most_mails: i64,
}

impl Request {
    /// A stranger's request runs the same statements whether or not there is such an account, and whether or not a mail
    /// goes out, so that its time tells neither.
    fn store(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<()> {
        let id = &self.account.id;
        let new = |digest, given_to| one_time::New {
            kind: OneTimeKind::ResetPassword,
            digest,
            account_id: id.clone(),
            lifetime: LIFETIME,
            return_to: self.return_to.clone(),
            given_to,
        };
        // One after the other, or parallel calls would each see room for one more.
        account::store::lock(tx, &cx.tenant.id, id)?;
        // A link for a mailbox that the account has left meanwhile would open it.
        let present = account::store::by_id(tx, &cx.tenant.id, id)?;
        let is_moved = present.is_some_and(|present| present.email != self.account.email);
        if let Some((digest, caller)) = &self.for_caller
            && still_holds(tx, cx, caller)?
        {
            one_time::store::add(tx, cx, &new(*digest, Some(caller.clone())))?;
        }
        let since = cx.now - limit::RESET_MAILS.span;
        let sent = one_time::store::count_since(tx, cx, OneTimeKind::ResetPassword, id, since)?;
        // Beyond the bound the answer stays the same and the mailbox is spared.
        let goes_out = self.wants_mail && !is_moved && sent < self.most_mails;
        one_time::store::add_if(tx, cx, &new(self.for_mail, None), goes_out)?;
        outbox::store::add_if(tx, cx, &self.mail, goes_out)?;
        if let Some(code) = &self.code {
            one_time::store::add_code(tx, cx, code)?;
        }
        match &self.entry {
            Some(entry) => audit::record(tx, cx, entry.clone()),
            None => Ok(()),
        }
    }
}

/// Looked at when the request came, a session may have been ended since. Held from here on, what ends it finds the token, and
/// ends that too. Keys are looked at when the token is used.
fn still_holds(tx: &mut Tx<'_>, cx: &Cx, caller: &Holder) -> Result<bool> {
    match caller {
        Holder::Key(_) => Ok(true),
        Holder::Account { session, .. } => session::store::hold(tx, cx, session),
    }
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
        let is_stranger = proof.is_none();
        if is_stranger {
            self.check_captcha(cx, CaptchaAt::ForgotPassword, command.captcha.as_deref())
                .await?;
        }
        self.count_forgotten(cx, &email, &proof)?;
        let handed_out = Opaque::generate(self.random());
        let mailed = Opaque::generate(self.random());
        let (tenant, wanted) = (cx.tenant.id.clone(), email.clone());
        let found = self
            .db()
            .read(move |tx| account::store::by_email(tx, &tenant, &wanted))
            .await?
            .filter(Account::is_active);
        let is_known = found.is_some();
        // Nobody is played by somebody made up: the same is drawn, sealed and asked of the database, and nothing is kept.
        let account = found.unwrap_or_else(|| Account::new(self, &cx.tenant, &email, cx.now));
        let caller = proof.reaches(&account).filter(|_| is_known);
        let entry = match is_known {
            true => audit::Entry::done("password.forgotten").account(&account.id),
            false => audit::Entry::refused("password.forgotten", Kind::InvalidEmail),
        };
        let entry = match &caller {
            Some(Holder::Key(id)) => entry.by_key(id),
            Some(Holder::Account { id, .. }) => entry.by_account(id),
            None => entry.actor("anonymous"),
        };
        // Strangers' requests, for somebody or for nobody, are written alike.
        let is_noted = caller.is_some() || self.audit_flood().admits(cx, &entry);
        let url = match &command.link {
            Some(link) => link.replacen("{token}", mailed.expose().expose_secret(), 1),
            None => cx.tenant.link(&format!(
                "/reset-password/{}",
                mailed.expose().expose_secret()
            )),
        };
        let of = (OneTimeKind::ResetPassword, LIFETIME);
        let begun = command.begun.as_ref();
        let code = begun.map(|begun| NewCode::draw(self, cx, of, &begun.flow, mailed.digest()));
        let mail = Mail {
            link: Some(SecretString::from(url)),
            code: code.as_ref().map(|code| code.digits.clone()),
            ..Mail::notice(MailKind::ResetPassword, &account)
        };
        let request = Request {
            mail: outbox::NewMail::draw(self, cx, mail)?.expiring(cx.now + LIFETIME),
            return_to: begun
                .map(|begun| begun.return_to.clone())
                .unwrap_or_default(),
            code,
            wants_mail: is_known && (command.notify || caller.is_none()),
            for_caller: caller.map(|caller| (handed_out.digest(), caller)),
            for_mail: mailed.digest(),
            most_mails: i64::from(self.limits().most(limit::RESET_MAILS)),
            entry: is_noted.then_some(entry),
            account,
        };
        let asked = cx.now;
        let cx = cx.clone();
        self.db().write(move |tx| request.store(tx, &cx)).await?;
        if is_stranger {
            self.hold_back(asked).await;
        }
        Ok(handed_out.expose())
    }

    /// A stranger's tries must not keep the tenant's own back end out.
    fn count_forgotten(&self, cx: &Cx, email: &Email, proof: &Proof) -> Result<()> {
        let key = limit::email_key(cx, email);
        let address = limit::address_key(&cx.tenant.id, &cx.client);
        let wanted = [
            (limit::FORGOT_ACCOUNT, &*key),
            (limit::FORGOT_ADDRESS, &*address),
        ];
        match proof.is_none() {
            true => self.limits().count(&wanted, cx.now),
            false => {
                let key = format!("proven/{key}");
                self.limits()
                    .count(&[(limit::FORGOT_ACCOUNT, &key)], cx.now)
            }
        }
    }

    /// A key of this tenant, or a live access token of its Admin or Manager in the dialect that the request speaks.
    async fn proof_of(&self, cx: &Cx, proof: &SecretString) -> Result<Proof> {
        if vestibule_crypto::ApiKey::parse(proof.expose_secret()).is_some() {
            return match self.authenticate_key(cx, proof).await {
                Ok(id) => Ok(Proof::BackEnd(Holder::Key(id))),
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
            Ok(who) => {
                let holder = Holder::Account {
                    id: who.account.id.clone(),
                    session: who.session.id.clone(),
                };
                Ok(match who.account.role.as_str() {
                    ADMIN => Proof::BackEnd(holder),
                    MANAGER => Proof::Manager(holder),
                    _ => Proof::None,
                })
            }
            Err(error) if error.kind == Kind::Unauthorized => Ok(Proof::None),
            Err(error) => Err(error),
        }
    }

    /// Consumes the token, sets the password, ends every session, and tells the owner by mail.
    pub async fn reset_password(&self, cx: &Cx, command: ResetPassword) -> Result<Account> {
        Ok(self.reset_and_return(cx, command).await?.0)
    }

    /// As `reset_password`, with the path that the page of ours which began it leads to in the end; empty when there is none.
    pub async fn reset_and_return(
        &self,
        cx: &Cx,
        command: ResetPassword,
    ) -> Result<(Account, String)> {
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
                let used = used.ok_or_else(|| Error::new(Kind::InvalidToken))?;
                let id = used.account_id;
                // Held: whatever a session of the account writes just now comes before, and is ended here, or finds it ended.
                let account = account::store::by_id(tx, tenant, &id)?
                    .filter(Account::is_active)
                    .ok_or(Kind::InvalidToken)?;
                super::store::set(tx, &cx, &id, &phc)?;
                session::store::end_all(tx, &cx, &id, None, EndReason::PasswordChanged)?;
                one_time::store::void(tx, &cx, OneTimeKind::ResetPassword, &id)?;
                // Nothing is left of whoever may have signed up with the address before.
                if used.mailed && account::store::set_verified(tx, tenant, &id, cx.now)? {
                    one_time::store::void(tx, &cx, OneTimeKind::VerifyEmail, &id)?;
                    audit::record(tx, &cx, audit::Entry::done("email.verified").account(&id))?;
                }
                // What was begun under the old password was begun by somebody else, as may be.
                email_change::forget(tx, &cx, &id)?;
                deletion::keep(tx, &cx, &id)?;
                outbox::store::add_if(tx, &cx, &mail, account.email_verified)?;
                audit::record(tx, &cx, audit::Entry::done("password.reset").account(&id))?;
                Ok((account, used.return_to))
            })
            .await
    }

    /// Changes the code that was mailed with a link, typed in the browser that asked, into a token for `reset_password`.
    /// The mailed link is dead from then on.
    pub async fn reset_code(
        &self,
        cx: &Cx,
        (flow, email): (&SecretString, &str),
        typed: &str,
    ) -> Result<SecretString> {
        let email = Email::parse(email)?;
        let of = (flow, email.canonical());
        let typed = self.read_code(cx, OneTimeKind::ResetPassword, of, typed)?;
        let token = Opaque::generate(self.random());
        let digest = token.digest();
        self.try_code(cx, typed, move |tx, cx, mailed| {
            let kind = OneTimeKind::ResetPassword;
            let replaced = one_time::store::replace(tx, cx, kind, (mailed, &digest))?;
            Ok(replaced.then_some(()))
        })
        .await?;
        Ok(token.expose())
    }
}
