//! Rows of `email_change`: at most one wish for each account.

use std::time::Duration;

use vestibule_db::{Tx, params};

use super::{Mailbox, PendingEmail};
use crate::context::Cx;
use crate::error::Result;
use crate::ports::Micros;

pub(crate) fn find(tx: &mut Tx<'_>, cx: &Cx, account: &str) -> Result<Option<PendingEmail>> {
    Ok(tx.opt(
        "SELECT email, old_confirmed_at, new_confirmed_at, session_id FROM email_change
         WHERE tenant_id = $1 AND account_id = $2 AND expires_at > $3",
        &params![&cx.tenant.id, account, cx.now],
        |row| {
            Ok(PendingEmail {
                email: row.get(0)?,
                old_confirmed: row.get::<Option<i64>>(1)?.is_some(),
                new_confirmed: row.get::<Option<i64>>(2)?.is_some(),
                session_id: row.get(3)?,
            })
        },
    )?)
}

/// Puts this wish in the place of an earlier one.
pub(crate) fn set(
    tx: &mut Tx<'_>,
    cx: &Cx,
    account: &str,
    pending: &PendingEmail,
    lifetime: Duration,
) -> Result<()> {
    remove(tx, cx, account)?;
    tx.exec(
        "INSERT INTO email_change (tenant_id, account_id, email, session_id, old_confirmed_at, new_confirmed_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &params![
            &cx.tenant.id,
            account,
            &pending.email,
            &pending.session_id,
            pending.old_confirmed.then_some(cx.now),
            pending.new_confirmed.then_some(cx.now),
            cx.now + lifetime
        ],
    )?;
    Ok(())
}

pub(crate) fn confirm(tx: &mut Tx<'_>, cx: &Cx, account: &str, mailbox: Mailbox) -> Result<()> {
    let sql = match mailbox {
        Mailbox::Old => {
            "UPDATE email_change SET old_confirmed_at = $3 WHERE tenant_id = $1 AND account_id = $2"
        }
        Mailbox::New => {
            "UPDATE email_change SET new_confirmed_at = $3 WHERE tenant_id = $1 AND account_id = $2"
        }
    };
    tx.exec(sql, &params![&cx.tenant.id, account, cx.now])?;
    Ok(())
}

pub(crate) fn remove(tx: &mut Tx<'_>, cx: &Cx, account: &str) -> Result<bool> {
    let removed = tx.exec(
        "DELETE FROM email_change WHERE tenant_id = $1 AND account_id = $2",
        &params![&cx.tenant.id, account],
    )?;
    Ok(removed == 1)
}

pub(crate) fn purge(tx: &mut Tx<'_>, now: Micros) -> Result<u64> {
    Ok(tx.exec(
        "DELETE FROM email_change WHERE expires_at <= $1",
        &params![now],
    )?)
}
