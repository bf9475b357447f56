//! A new e-mail address for an account: nothing changes before both mailboxes have said yes.
//!
//! Whether somebody has the new address already is not told: the mail to it just never comes.

pub(crate) mod store;

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use vestibule_crypto::Opaque;
use vestibule_db::Tx;

use crate::account::{self, Account};
use crate::context::Cx;
use crate::email::Email;
use crate::error::{Error, Kind, Result};
use crate::one_time::{self, New, OneTimeKind};
use crate::outbox::{self, Mail, MailKind, NewMail};
use crate::session::{self, Authenticated, EndReason};
use crate::team::{self, TeamIds};
use crate::{Identity, audit, limit};

const LIFETIME: Duration = Duration::from_secs(24 * 3_600);
const BOTH: [OneTimeKind; 2] = [OneTimeKind::ChangeEmailOld, OneTimeKind::ChangeEmailNew];

/// The wish of a signed-in person for another address.
#[derive(Debug)]
pub struct ChangeEmail {
    pub email: String,
    /// The present password; not wanted where the account has none.
    pub password: Option<SecretString>,
}

/// A change that waits for mailboxes.
#[derive(Clone, Debug)]
pub struct PendingEmail {
    /// As it was typed.
    pub email: String,
    pub old_confirmed: bool,
    pub new_confirmed: bool,
    /// The session that asked.
    pub(crate) session_id: String,
}

impl PendingEmail {
    /// An address that was never proven has nobody to ask. Looked at when it matters: it may be proven meanwhile.
    fn of(self, account: &Account) -> PendingEmail {
        PendingEmail {
            old_confirmed: self.old_confirmed || !account.email_verified,
            ..self
        }
    }
}

/// Which mailbox a link was mailed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mailbox {
    Old,
    New,
}

impl Mailbox {
    fn link(self) -> OneTimeKind {
        match self {
            Mailbox::Old => BOTH[0],
            Mailbox::New => BOTH[1],
        }
    }
}

/// A change as the holder of one of its links sees it.
#[derive(Clone, Debug)]
pub struct EmailChange {
    /// With the new address once `done`.
    pub account: Account,
    pub old_email: String,
    pub new_email: String,
    pub mailbox: Mailbox,
    /// Both mailboxes said yes, and it is done.
    pub done: bool,
}

/// What a wish leaves behind.
struct Wish {
    account: Account,
    email: Email,
    session_id: String,
    tokens: [New; 2],
    mails: [NewMail; 2],
    bound: (Duration, i64),
}

impl Wish {
    fn draw(identity: &Identity, cx: &Cx, who: &Authenticated, email: Email) -> Result<Wish> {
        let account = who.account.clone();
        let (old, new) = (
            Opaque::generate(identity.random()),
            Opaque::generate(identity.random()),
        );
        let mail = |kind, (to, old_email): (&str, &str), token: &Opaque| {
            let path = format!("/account/email/{}", token.expose().expose_secret());
            let mail = Mail {
                to: to.to_owned(),
                link: Some(SecretString::from(cx.tenant.link(&path))),
                ..Mail::notice(kind, &account)
            };
            let mail = mail
                .fact("old_email", old_email)
                .fact("new_email", email.given());
            Ok::<_, Error>(NewMail::draw(identity, cx, mail)?.expiring(cx.now + LIFETIME))
        };
        let mails = [
            mail(
                MailKind::ApproveEmailChange,
                (&account.email, &account.email),
                &old,
            )?,
            // Its reader may be a stranger, and the present address a text that somebody made up for them.
            mail(
                MailKind::ConfirmNewEmail,
                (email.given(), &hint(&account.email)),
                &new,
            )?,
        ];
        let token = |kind, token: &Opaque| New {
            kind,
            digest: token.digest(),
            account_id: account.id.clone(),
            lifetime: LIFETIME,
            return_to: String::new(),
            given_to: None,
        };
        let most = i64::from(identity.limits().most(limit::EMAIL_CHANGES));
        Ok(Wish {
            tokens: [token(BOTH[0], &old), token(BOTH[1], &new)],
            mails,
            session_id: who.session.id.clone(),
            bound: (limit::EMAIL_CHANGES.span, most),
            account,
            email,
        })
    }

    fn store(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<()> {
        let (tenant, id) = (&cx.tenant.id, &self.account.id);
        // One after the other, or parallel wishes would each see room for one more.
        session::store::hold_live(tx, cx, id, Some(&self.session_id))?;
        one_time::bound(tx, cx, (BOTH[0], id), self.bound)?;
        let is_taken = account::store::by_email(tx, tenant, &self.email)?.is_some();
        for kind in BOTH {
            one_time::store::void(tx, cx, kind, id)?;
        }
        let pending = PendingEmail {
            email: self.email.given().to_owned(),
            old_confirmed: false,
            new_confirmed: false,
            session_id: self.session_id.clone(),
        };
        store::set(tx, cx, id, &pending, LIFETIME)?;
        let [old, new] = &self.tokens;
        one_time::store::add(tx, cx, old)?;
        one_time::store::add_if(tx, cx, new, !is_taken)?;
        let [old, new] = &self.mails;
        outbox::store::add_if(tx, cx, old, self.account.email_verified)?;
        outbox::store::add_if(tx, cx, new, !is_taken)?;
        audit::record(tx, cx, audit::Entry::done("email.change_asked").account(id))
    }
}

impl Identity {
    /// Mails a link to the new address and one to the present address; both must be followed within a day. An earlier wish
    /// is forgotten.
    pub async fn change_email(
        &self,
        cx: &Cx,
        who: &Authenticated,
        command: ChangeEmail,
    ) -> Result<()> {
        let email = Email::parse(&command.email)?;
        if email.canonical() == Email::parse(&who.account.email)?.canonical() {
            return Err(Kind::SameEmail.into());
        }
        self.reauthenticate(cx, who, command.password.as_ref())
            .await?;
        let address = limit::address_key(&cx.tenant.id, &cx.client);
        let mailbox = limit::email_key(cx, &email);
        let wanted = [
            (limit::EMAIL_CHANGE_ADDRESS, &*address),
            (limit::EMAIL_CHANGE_MAILS, &*mailbox),
        ];
        // Told, whether or not somebody has the address.
        self.limits().count(&wanted, cx.now)?;
        let wish = Wish::draw(self, cx, who, email)?;
        let cx = cx.clone();
        self.db().write(move |tx| wish.store(tx, &cx)).await
    }

    /// The change that waits, if any.
    pub async fn pending_email(&self, cx: &Cx, account: &Account) -> Result<Option<PendingEmail>> {
        let (cx, account) = (cx.clone(), account.clone());
        self.db()
            .read(move |tx| Ok(store::find(tx, &cx, &account.id)?.map(|found| found.of(&account))))
            .await
    }

    /// Forgets the change that waits.
    pub async fn cancel_email_change(&self, cx: &Cx, who: &Authenticated) -> Result<()> {
        let (cx, id, session) = (cx.clone(), who.account.id.clone(), who.session.id.clone());
        self.db()
            .write(move |tx| {
                session::store::hold_live(tx, &cx, &id, Some(&session))?;
                if !forget(tx, &cx, &id)? {
                    return Ok(());
                }
                let entry = audit::Entry::done("email.change_cancelled").account(&id);
                audit::record(tx, &cx, entry)
            })
            .await
    }

    /// What following this link would say yes to. Changes nothing.
    pub async fn peek_email_change(&self, cx: &Cx, token: &SecretString) -> Result<EmailChange> {
        let found = match one_time::digest_of(token) {
            Ok(digest) => {
                let cx = cx.clone();
                self.db()
                    .read(move |tx| {
                        for kind in BOTH {
                            if let Some(id) = one_time::store::usable(tx, &cx, kind, &digest)? {
                                let (account, pending) = waiting(tx, &cx, &id)?;
                                return Ok(view(account, &pending, kind));
                            }
                        }
                        Err(Error::new(Kind::InvalidToken))
                    })
                    .await
            }
            Err(error) => Err(error),
        };
        found.map_err(|error| self.bad_token(cx, error))
    }

    /// Says yes for the mailbox that the link was mailed to. The second yes changes the address, ends every other session,
    /// and tells both mailboxes. `EmailTaken` when somebody else has it by then.
    pub async fn confirm_email_change(&self, cx: &Cx, token: &SecretString) -> Result<EmailChange> {
        let seen = self.peek_email_change(cx, token).await?;
        let digest = one_time::digest_of(token)?;
        let (mails, ids) = (self.tellings(cx, &seen)?, TeamIds::new(self.random()));
        let write = cx.clone();
        let done = self
            .db()
            .write(move |tx| {
                let (tenant, id) = (&write.tenant.id, &seen.account.id);
                // Both links may be followed at once.
                let held = account::store::lock(tx, tenant, id)?;
                let kind = seen.mailbox.link();
                let used = one_time::store::consume(tx, &write, kind, &digest)?;
                if !held || used.is_none() {
                    return Err(Kind::InvalidToken.into());
                }
                store::confirm(tx, &write, id, seen.mailbox)?;
                let (account, pending) = waiting(tx, &write, id)?;
                let mut change = view(account, &pending, kind);
                let entry = audit::Entry::done("email.change_confirmed").account(id);
                audit::record(tx, &write, entry.reason(mailbox_name(seen.mailbox)))?;
                if pending.old_confirmed && pending.new_confirmed {
                    let was_proven = change.account.email_verified;
                    apply(tx, &write, &mut change, &pending)?;
                    team::store::create_default(tx, tenant, &change.account, &ids, write.now)?;
                    let [old, new] = &mails;
                    outbox::store::add_if(tx, &write, old, was_proven)?;
                    outbox::store::add(tx, tenant, new, write.now)?;
                }
                Ok(change)
            })
            .await;
        done.map_err(|error| self.bad_token(cx, error))
    }

    /// Says no: the change is forgotten, and neither link works any more.
    pub async fn refuse_email_change(&self, cx: &Cx, token: &SecretString) -> Result<EmailChange> {
        let change = self.peek_email_change(cx, token).await?;
        let digest = one_time::digest_of(token)?;
        let (write, id, kind) = (cx.clone(), change.account.id.clone(), change.mailbox.link());
        let done = self
            .db()
            .write(move |tx| {
                // A yes may have been first.
                let held = account::store::lock(tx, &write.tenant.id, &id)?;
                let used = one_time::store::consume(tx, &write, kind, &digest)?;
                if !held || used.is_none() {
                    return Err(Kind::InvalidToken.into());
                }
                forget(tx, &write, &id)?;
                let entry = audit::Entry::done("email.change_refused").account(&id);
                audit::record(tx, &write, entry.actor("anonymous"))
            })
            .await;
        done.map_err(|error| self.bad_token(cx, error))?;
        Ok(change)
    }

    /// The mails to both addresses that tell of the change.
    fn tellings(&self, cx: &Cx, change: &EmailChange) -> Result<[NewMail; 2]> {
        let mail = |to: &str| {
            let mail = Mail {
                to: to.to_owned(),
                ..Mail::notice(MailKind::EmailChanged, &change.account)
            };
            let mail = mail
                .fact("old_email", &change.old_email)
                .fact("new_email", &change.new_email);
            NewMail::draw(self, cx, mail)
        };
        Ok([mail(&change.old_email)?, mail(&change.new_email)?])
    }
}

fn mailbox_name(mailbox: Mailbox) -> &'static str {
    match mailbox {
        Mailbox::Old => "old_mailbox",
        Mailbox::New => "new_mailbox",
    }
}

/// The active account and the change of its address that waits.
fn waiting(tx: &mut Tx<'_>, cx: &Cx, id: &str) -> Result<(Account, PendingEmail)> {
    let account = account::store::by_id(tx, &cx.tenant.id, id)?.filter(Account::is_active);
    let pending = store::find(tx, cx, id)?;
    let (account, pending) = account.zip(pending).ok_or(Kind::InvalidToken)?;
    let pending = pending.of(&account);
    Ok((account, pending))
}

/// An address of which only its reader can tell which it is: the first letters, nothing that leads anywhere.
fn hint(email: &str) -> String {
    let first = |part: &str| part.chars().next().filter(|c| c.is_alphanumeric());
    let (local, domain) = email.split_once('@').unwrap_or((email, ""));
    let letter = |part| first(part).map(String::from).unwrap_or_default();
    format!("{}…@{}…", letter(local), letter(domain))
}

fn view(account: Account, pending: &PendingEmail, kind: OneTimeKind) -> EmailChange {
    EmailChange {
        old_email: account.email.clone(),
        new_email: pending.email.clone(),
        mailbox: match kind {
            OneTimeKind::ChangeEmailOld => Mailbox::Old,
            _ => Mailbox::New,
        },
        account,
        done: false,
    }
}

/// Ends the wish with its links; `false` when there was none.
pub(crate) fn forget(tx: &mut Tx<'_>, cx: &Cx, id: &str) -> Result<bool> {
    for kind in BOTH {
        one_time::store::void(tx, cx, kind, id)?;
    }
    store::remove(tx, cx, id)
}

/// Ends the wish if the session that asked is over: one of them was ended, or all but one were.
pub(crate) fn forget_of(
    tx: &mut Tx<'_>,
    cx: &Cx,
    id: &str,
    is_over: impl Fn(&str) -> bool,
) -> Result<()> {
    match store::find(tx, cx, id)? {
        Some(pending) if is_over(&pending.session_id) => forget(tx, cx, id).map(drop),
        _ => Ok(()),
    }
}

fn apply(tx: &mut Tx<'_>, cx: &Cx, change: &mut EmailChange, pending: &PendingEmail) -> Result<()> {
    let (tenant, id) = (&cx.tenant.id, &change.account.id);
    let email = Email::parse(&pending.email)?;
    if !account::store::set_email(tx, tenant, id, &email, cx.now)? {
        return Err(Kind::EmailTaken.into());
    }
    store::remove(tx, cx, id)?;
    // Links to the old mailbox must not open an account that has left it.
    one_time::store::void_all(tx, tenant, id, cx.now)?;
    let keep = Some(&*pending.session_id);
    session::store::end_all(tx, cx, id, keep, EndReason::EmailChanged)?;
    audit::record(tx, cx, audit::Entry::done("email.changed").account(id))?;
    change.account.email = pending.email.clone();
    change.account.email_verified = true;
    change.done = true;
    Ok(())
}
