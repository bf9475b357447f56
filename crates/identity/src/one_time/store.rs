//! Rows of `one_time_token`.

use vestibule_db::{Tx, params};

use super::{New, OneTimeKind};
use crate::context::Cx;
use crate::error::Result;
use crate::ports::Micros;

/// A token that was used: when, and the session it opened.
pub(crate) struct Used {
    pub(crate) used_at: Micros,
    pub(crate) session_id: Option<String>,
}

pub(crate) fn add(tx: &mut Tx<'_>, cx: &Cx, new: &New) -> Result<()> {
    tx.exec(
        "INSERT INTO one_time_token (tenant_id, digest, kind, account_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
        &params![&cx.tenant.id, &new.digest, new.kind.name(), &new.account_id, cx.now, cx.now + new.lifetime],
    )?;
    Ok(())
}

/// As `add`, or the same work for nothing.
pub(crate) fn add_if(tx: &mut Tx<'_>, cx: &Cx, new: &New, wanted: bool) -> Result<()> {
    tx.exec(
        "INSERT INTO one_time_token (tenant_id, digest, kind, account_id, created_at, expires_at)
         SELECT $1, $2, $3, $4, $5, $6 WHERE $7 = 1",
        &params![
            &cx.tenant.id,
            &new.digest,
            new.kind.name(),
            &new.account_id,
            cx.now,
            cx.now + new.lifetime,
            i64::from(wanted)
        ],
    )?;
    Ok(())
}

/// The account of a token that could be used now.
pub(crate) fn usable(
    tx: &mut Tx<'_>,
    cx: &Cx,
    kind: OneTimeKind,
    digest: &[u8; 32],
) -> Result<Option<String>> {
    Ok(tx.opt(
        "SELECT account_id FROM one_time_token WHERE tenant_id = $1 AND digest = $2 AND kind = $3 AND used_at IS NULL AND expires_at > $4",
        &params![&cx.tenant.id, digest, kind.name(), cx.now],
        |row| row.get(0),
    )?)
}

/// Uses the token: the one caller for whom this answers an account has it.
pub(crate) fn consume(
    tx: &mut Tx<'_>,
    cx: &Cx,
    kind: OneTimeKind,
    digest: &[u8; 32],
) -> Result<Option<String>> {
    Ok(tx.opt(
        "UPDATE one_time_token SET used_at = $4
         WHERE tenant_id = $1 AND digest = $2 AND kind = $3 AND used_at IS NULL AND expires_at > $4 RETURNING account_id",
        &params![&cx.tenant.id, digest, kind.name(), cx.now],
        |row| row.get(0),
    )?)
}

/// Notes the session that the used token opened, for the same link clicked again.
pub(crate) fn set_session(
    tx: &mut Tx<'_>,
    cx: &Cx,
    digest: &[u8; 32],
    session: &str,
) -> Result<()> {
    tx.exec(
        "UPDATE one_time_token SET session_id = $3 WHERE tenant_id = $1 AND digest = $2",
        &params![&cx.tenant.id, digest, session],
    )?;
    Ok(())
}

pub(crate) fn used(
    tx: &mut Tx<'_>,
    cx: &Cx,
    kind: OneTimeKind,
    digest: &[u8; 32],
) -> Result<Option<Used>> {
    Ok(tx.opt(
        "SELECT used_at, session_id FROM one_time_token WHERE tenant_id = $1 AND digest = $2 AND kind = $3 AND used_at IS NOT NULL",
        &params![&cx.tenant.id, digest, kind.name()],
        |row| Ok(Used { used_at: row.get(0)?, session_id: row.get(1)? }),
    )?)
}

/// How many tokens of the kind the account was given after `since`.
pub(crate) fn count_since(
    tx: &mut Tx<'_>,
    cx: &Cx,
    kind: OneTimeKind,
    account: &str,
    since: Micros,
) -> Result<i64> {
    Ok(tx.one(
        "SELECT count(*) FROM one_time_token WHERE tenant_id = $1 AND account_id = $2 AND kind = $3 AND created_at > $4",
        &params![&cx.tenant.id, account, kind.name(), since],
        |row| row.get(0),
    )?)
}

/// When the account was given the last `most` tokens of the kind: the time of the oldest of these, if it has so many.
pub(crate) fn given_at(
    tx: &mut Tx<'_>,
    cx: &Cx,
    kind: OneTimeKind,
    account: &str,
    most: i64,
) -> Result<Option<Micros>> {
    Ok(tx.opt(
        "SELECT created_at FROM one_time_token WHERE tenant_id = $1 AND account_id = $2 AND kind = $3
         ORDER BY created_at DESC LIMIT 1 OFFSET $4",
        &params![&cx.tenant.id, account, kind.name(), most - 1],
        |row| row.get(0),
    )?)
}

/// Kills every unused token of the account: it was suspended, or its owner changed.
pub(crate) fn void_all(tx: &mut Tx<'_>, tenant: &str, account: &str, now: Micros) -> Result<()> {
    tx.exec(
        "UPDATE one_time_token SET expires_at = $3 WHERE tenant_id = $1 AND account_id = $2 AND used_at IS NULL AND expires_at > $3",
        &params![tenant, account, now],
    )?;
    Ok(())
}

/// Kills the account's unused tokens of one kind: another one of them was used.
pub(crate) fn void(tx: &mut Tx<'_>, cx: &Cx, kind: OneTimeKind, account: &str) -> Result<()> {
    tx.exec(
        "UPDATE one_time_token SET expires_at = $4 WHERE tenant_id = $1 AND account_id = $2 AND kind = $3 AND used_at IS NULL AND expires_at > $4",
        &params![&cx.tenant.id, account, kind.name(), cx.now],
    )?;
    Ok(())
}

pub(crate) fn purge(tx: &mut Tx<'_>, before: Micros) -> Result<u64> {
    Ok(tx.exec(
        "DELETE FROM one_time_token WHERE expires_at < $1",
        &params![before],
    )?)
}
