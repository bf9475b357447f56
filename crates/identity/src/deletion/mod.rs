//! People delete their own accounts: asked for with the password, done after a grace period unless they come back.

pub(crate) mod store;

use std::time::Duration;

use secrecy::SecretString;
use vestibule_db::Tx;

use crate::context::Cx;
use crate::error::Result;
use crate::one_time;
use crate::outbox::{self, Mail, MailKind, NewMail};
use crate::ports::Micros;
use crate::session::{self, Authenticated, EndReason};
use crate::{Identity, account, audit, email_change};

/// So many accounts are deleted in one turn of the worker.
const AT_ONCE: i64 = 500;
/// A restored database waits so long again: who kept an account after the backup must not lose it.
pub(crate) const AFTER_RESTORE: Duration = Duration::from_secs(14 * 86_400);

/// Ends the wish, if there is one: its owner came back, or somebody else had it.
pub(crate) fn keep(tx: &mut Tx<'_>, cx: &Cx, id: &str) -> Result<()> {
    match store::forget(tx, cx, id)? {
        true => audit::record(tx, cx, audit::Entry::done("account.kept").account(id)),
        false => Ok(()),
    }
}

impl Identity {
    /// Notes that the account is to be deleted, ends its sessions and links, and mails how to undo it. Answers when it is due;
    /// asking again changes nothing of that.
    pub async fn ask_deletion(
        &self,
        cx: &Cx,
        who: &Authenticated,
        password: Option<&SecretString>,
    ) -> Result<Micros> {
        self.reauthenticate(cx, who, password).await?;
        let (account, session) = (who.account.clone(), who.session.id.clone());
        let due = cx.now + cx.tenant.file.account.deletion_grace.0;
        let mail = Mail {
            link: Some(SecretString::from(cx.tenant.link("/sign-in"))),
            ..Mail::notice(MailKind::AccountDeletion, &account)
        };
        let mail = NewMail::draw(self, cx, mail.fact("at", &due.0.to_string()))?;
        let cx = cx.clone();
        self.db()
            .write(move |tx| {
                let (tenant, id) = (&cx.tenant.id, &account.id);
                session::store::hold_live(tx, &cx, id, Some(&session))?;
                let is_new = store::set(tx, &cx, id, due)?;
                session::store::end_all(tx, &cx, id, None, EndReason::DeletionAsked)?;
                one_time::store::void_all(tx, tenant, id, cx.now)?;
                email_change::store::remove(tx, &cx, id)?;
                if is_new {
                    outbox::store::add_if(tx, &cx, &mail, account.email_verified)?;
                    let entry = audit::Entry::done("account.deletion_asked").account(id);
                    audit::record(tx, &cx, entry)?;
                }
                Ok(store::due_at(tx, &cx, id)?.unwrap_or(due))
            })
            .await
    }

    /// When the account is going to be deleted, if that was asked for.
    pub async fn deletion_due(&self, cx: &Cx, account_id: &str) -> Result<Option<Micros>> {
        let (cx, id) = (cx.clone(), account_id.to_owned());
        self.db().read(move |tx| store::due_at(tx, &cx, &id)).await
    }

    /// The account stays.
    pub async fn keep_account(&self, cx: &Cx, who: &Authenticated) -> Result<()> {
        let (cx, id, session) = (cx.clone(), who.account.id.clone(), who.session.id.clone());
        self.db()
            .write(move |tx| {
                session::store::hold_live(tx, &cx, &id, Some(&session))?;
                keep(tx, &cx, &id)
            })
            .await
    }

    /// Deletes the accounts whose grace is over; answers how many.
    pub async fn delete_due_accounts(&self) -> Result<u64> {
        let now = self.now();
        let due = self
            .db()
            .read(move |tx| store::due(tx, now, AT_ONCE))
            .await?;
        let mut deleted = 0;
        for (tenant, id) in due {
            let Some(tenant) = self.directory().by_id(&tenant).await? else {
                continue;
            };
            let cx = self.operator_cx(tenant);
            deleted += self
                .db()
                .write(move |tx| {
                    account::store::lock(tx, &cx.tenant.id, &id)?;
                    // Kept in the meantime, or another node was faster.
                    if !store::take(tx, &cx, &id)? {
                        return Ok(0);
                    }
                    account::store::delete(tx, &cx.tenant.id, &id)?;
                    let entry = audit::Entry::done("account.deleted").account(&id);
                    audit::record(tx, &cx, entry.reason("asked_for"))?;
                    Ok::<u64, crate::Error>(1)
                })
                .await?;
        }
        Ok(deleted)
    }
}
