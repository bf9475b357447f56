//! Rows of `outbox`. States: `due`, `kept`, `sent`, `failed`, `expired`.

use vestibule_db::{Row, Tx, params};

use super::{MailKind, NewMail};
use crate::context::Cx;
use crate::error::Result;
use crate::ports::Micros;

pub(crate) struct MailRow {
    pub(crate) id: String,
    pub(crate) tenant_id: String,
    pub(crate) sealed: Vec<u8>,
    pub(crate) message_id: String,
    pub(crate) created_at: Micros,
    pub(crate) attempts: i64,
}

fn mail(row: &Row) -> Result<MailRow, vestibule_db::Error> {
    Ok(MailRow {
        id: row.get(0)?,
        tenant_id: row.get(1)?,
        sealed: row.get(2)?,
        message_id: row.get(3)?,
        created_at: row.get(4)?,
        attempts: row.get(5)?,
    })
}

pub(crate) fn add(tx: &mut Tx<'_>, tenant: &str, new: &NewMail, now: Micros) -> Result<()> {
    tx.exec(
        "INSERT INTO outbox (id, tenant_id, kind, payload_sealed, message_id, created_at, expires_at, next_attempt_at, attempts, state)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $6, 0, 'due')",
        &params![&new.id, tenant, new.kind.template(), new.sealed.clone(), &new.message_id, now, new.expires_at],
    )?;
    Ok(())
}

/// As `add`, or the same work for nothing.
pub(crate) fn add_if(tx: &mut Tx<'_>, cx: &Cx, new: &NewMail, wanted: bool) -> Result<()> {
    tx.exec(
        "INSERT INTO outbox (id, tenant_id, kind, payload_sealed, message_id, created_at, expires_at, next_attempt_at, attempts, state)
         SELECT $1, $2, $3, $4, $5, $6, $7, $6, 0, 'due' WHERE $8 = 1",
        &params![&new.id, &cx.tenant.id, new.kind.template(), new.sealed.clone(), &new.message_id, cx.now, new.expires_at, i64::from(wanted)],
    )?;
    Ok(())
}

/// The kinds of mail that this program can write: those of a newer release are left to its nodes.
fn known() -> String {
    let names = MailKind::ALL.map(MailKind::template);
    format!(",{},", names.join(","))
}

pub(crate) fn any_due(tx: &mut Tx<'_>, now: Micros) -> Result<bool> {
    let found = tx.opt(
        "SELECT 1 FROM outbox WHERE state = 'due' AND next_attempt_at <= $1 AND $2 LIKE '%,' || kind || ',%' LIMIT 1",
        &params![now, known()],
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

/// Takes due mails, at most `each` of a tenant and none of the `busy` ones, by moving their next attempt behind the lease;
/// two workers never get the same one.
pub(crate) fn claim(
    tx: &mut Tx<'_>,
    (now, leased_until): (Micros, Micros),
    limit: i64,
    each: i64,
    busy: &[String],
) -> Result<Vec<MailRow>> {
    let due: Vec<(String, Micros)> = tx.all(
        "SELECT id, next_attempt_at FROM (
             SELECT id, next_attempt_at, ROW_NUMBER() OVER (PARTITION BY tenant_id ORDER BY next_attempt_at, id) AS place
             FROM outbox WHERE state = 'due' AND next_attempt_at <= $1 AND $4 NOT LIKE '%,' || tenant_id || ',%'
                 AND $5 LIKE '%,' || kind || ',%'
         ) AS waiting WHERE place <= $3 ORDER BY next_attempt_at, id LIMIT $2",
        &params![now, limit, each, format!(",{},", busy.join(",")), known()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let mut claimed = Vec::with_capacity(due.len());
    for (id, seen) in due {
        claimed.extend(tx.opt(
            "UPDATE outbox SET next_attempt_at = $3, attempts = attempts + 1 WHERE id = $1 AND state = 'due' AND next_attempt_at = $2
             RETURNING id, tenant_id, payload_sealed, message_id, created_at, attempts - 1",
            &params![id, seen, leased_until],
            mail,
        )?);
    }
    Ok(claimed)
}

/// Gives up mails whose time is over and forgets what they said.
pub(crate) fn expire(tx: &mut Tx<'_>, now: Micros) -> Result<()> {
    tx.exec("UPDATE outbox SET state = 'expired', payload_sealed = $2 WHERE state = 'due' AND expires_at <= $1", &params![now, Vec::<u8>::new()])?;
    Ok(())
}

pub(crate) fn finish(
    tx: &mut Tx<'_>,
    id: &str,
    state: &'static str,
    error: Option<&str>,
) -> Result<()> {
    tx.exec(
        "UPDATE outbox SET state = $2, last_error = $3, payload_sealed = $4 WHERE id = $1",
        &params![id, state, error.map(str::to_owned), Vec::<u8>::new()],
    )?;
    Ok(())
}

pub(crate) fn keep(tx: &mut Tx<'_>, id: &str) -> Result<()> {
    tx.exec(
        "UPDATE outbox SET state = 'kept' WHERE id = $1",
        &params![id],
    )?;
    Ok(())
}

pub(crate) fn retry_at(tx: &mut Tx<'_>, id: &str, next: Micros, error: &str) -> Result<()> {
    tx.exec(
        "UPDATE outbox SET next_attempt_at = $2, last_error = $3 WHERE id = $1 AND state = 'due'",
        &params![id, next, error],
    )?;
    Ok(())
}

pub(crate) fn kept(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<MailRow>> {
    Ok(tx.all(
        "SELECT id, tenant_id, payload_sealed, message_id, created_at, attempts FROM outbox WHERE state = 'kept' ORDER BY created_at DESC, id LIMIT $1",
        &params![limit],
        mail,
    )?)
}

/// Forgets mails that were done with before `before`.
pub(crate) fn purge(tx: &mut Tx<'_>, before: Micros) -> Result<u64> {
    Ok(tx.exec(
        "DELETE FROM outbox WHERE state <> 'due' AND created_at < $1",
        &params![before],
    )?)
}
