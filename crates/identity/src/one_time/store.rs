//! Rows of `one_time_token` and `mailed_code`.

use vestibule_db::{Tx, params};

use super::{Holder, Kept, New, NewCode, OneTimeKind, Typed};
use crate::account::{self, ADMIN, MANAGER};
use crate::context::Cx;
use crate::error::Result;
use crate::ports::Micros;

/// A token that was used: when, the session it opened, and where it leads.
pub(crate) struct Used {
    pub(crate) account_id: String,
    pub(crate) created_at: Micros,
    pub(crate) used_at: Micros,
    pub(crate) session_id: Option<String>,
    pub(crate) return_to: String,
}

/// A token that this caller has just used.
pub(crate) struct Consumed {
    pub(crate) account_id: String,
    pub(crate) return_to: String,
    /// Whether it went to the mailbox, and into nobody's hands.
    pub(crate) mailed: bool,
}

pub(crate) fn add(tx: &mut Tx<'_>, cx: &Cx, new: &New) -> Result<()> {
    tx.exec(
        "INSERT INTO one_time_token (tenant_id, digest, kind, account_id, created_at, expires_at, return_to, given_to)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &params![
            &cx.tenant.id,
            &new.digest,
            new.kind.name(),
            &new.account_id,
            cx.now,
            cx.now + new.lifetime,
            &new.return_to,
            new.given_to.as_ref().map(Holder::name)
        ],
    )?;
    Ok(())
}

/// As `add`, or the same work for nothing.
pub(crate) fn add_if(tx: &mut Tx<'_>, cx: &Cx, new: &New, wanted: bool) -> Result<()> {
    tx.exec(
        "INSERT INTO one_time_token (tenant_id, digest, kind, account_id, created_at, expires_at, return_to)
         SELECT $1, $2, $3, $4, $5, $6, $8 WHERE $7 = 1",
        &params![
            &cx.tenant.id,
            &new.digest,
            new.kind.name(),
            &new.account_id,
            cx.now,
            cx.now + new.lifetime,
            i64::from(wanted),
            &new.return_to
        ],
    )?;
    Ok(())
}

/// The account of a token that could be used now. One that was given into somebody's hands is worth as much as these are: a
/// key that is good, an active account whose role may have such tokens, as the owner's is now (`password::reset::Proof`).
pub(crate) fn usable(
    tx: &mut Tx<'_>,
    cx: &Cx,
    kind: OneTimeKind,
    digest: &[u8; 32],
) -> Result<Option<String>> {
    Ok(tx.opt(
        "SELECT account_id FROM one_time_token AS token
         WHERE tenant_id = $1 AND digest = $2 AND kind = $3 AND used_at IS NULL AND expires_at > $4
           AND (given_to IS NULL
             OR EXISTS (SELECT 1 FROM api_key WHERE api_key.tenant_id = $1 AND api_key.id = substr(token.given_to, 5)
                 AND token.given_to LIKE 'key:%' AND api_key.revoked_at IS NULL AND api_key.held_at IS NULL
                 AND (api_key.expires_at IS NULL OR api_key.expires_at > $4))
             OR EXISTS (SELECT 1 FROM account AS holder JOIN account AS owner ON owner.tenant_id = holder.tenant_id
                 WHERE holder.tenant_id = $1 AND holder.id = substr(token.given_to, 9) AND owner.id = token.account_id
                 AND token.given_to LIKE 'account:%' AND holder.state = 'active'
                 AND (holder.role = $5 OR (holder.role = $6 AND owner.role NOT IN ($5, $6)))))",
        &params![&cx.tenant.id, digest, kind.name(), cx.now, ADMIN, MANAGER],
        |row| row.get(0),
    )?)
}

/// Uses the token: the one caller for whom this answers an account has it, and holds that account.
pub(crate) fn consume(
    tx: &mut Tx<'_>,
    cx: &Cx,
    kind: OneTimeKind,
    digest: &[u8; 32],
) -> Result<Option<Consumed>> {
    let Some(owner) = usable(tx, cx, kind, digest)? else {
        return Ok(None);
    };
    // Before anything of it, as everywhere.
    account::store::lock(tx, &cx.tenant.id, &owner)?;
    Ok(tx.opt(
        "UPDATE one_time_token SET used_at = $4
         WHERE tenant_id = $1 AND digest = $2 AND kind = $3 AND used_at IS NULL AND expires_at > $4
         RETURNING account_id, return_to, given_to",
        &params![&cx.tenant.id, digest, kind.name(), cx.now],
        |row| {
            Ok(Consumed {
                account_id: row.get(0)?,
                return_to: row.get::<Option<String>>(1)?.unwrap_or_default(),
                mailed: row.get::<Option<String>>(2)?.is_none(),
            })
        },
    )?)
}

/// Puts another token in the place of one that could be used now, which is good for nothing from then on.
pub(crate) fn replace(
    tx: &mut Tx<'_>,
    cx: &Cx,
    kind: OneTimeKind,
    (old, new): (&[u8; 32], &[u8; 32]),
) -> Result<bool> {
    let replaced = tx.exec(
        "UPDATE one_time_token SET digest = $5
         WHERE tenant_id = $1 AND digest = $2 AND kind = $3 AND used_at IS NULL AND expires_at > $4",
        &params![&cx.tenant.id, old, kind.name(), cx.now, new],
    )?;
    Ok(replaced == 1)
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
        "SELECT account_id, created_at, used_at, session_id, return_to FROM one_time_token
         WHERE tenant_id = $1 AND digest = $2 AND kind = $3 AND used_at IS NOT NULL",
        &params![&cx.tenant.id, digest, kind.name()],
        |row| {
            Ok(Used {
                account_id: row.get(0)?,
                created_at: row.get(1)?,
                used_at: row.get(2)?,
                session_id: row.get(3)?,
                return_to: row.get::<Option<String>>(4)?.unwrap_or_default(),
            })
        },
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

/// Kills the unused tokens of others that the account was given: who it is was told anew, or it was shut out.
pub(crate) fn void_given(tx: &mut Tx<'_>, cx: &Cx, account: &str) -> Result<()> {
    tx.exec(
        "UPDATE one_time_token SET expires_at = $3 WHERE tenant_id = $1 AND given_to = $2 AND used_at IS NULL AND expires_at > $3",
        &params![&cx.tenant.id, Holder::account(account), cx.now],
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

/// Stores a code; the flow's earlier one, if any, is forgotten.
pub(crate) fn add_code(tx: &mut Tx<'_>, cx: &Cx, new: &NewCode) -> Result<()> {
    tx.exec(
        "INSERT INTO mailed_code (tenant_id, flow, kind, code, token, tries, expires_at) VALUES ($1, $2, $3, $4, $5, 0, $6)
         ON CONFLICT (tenant_id, flow) DO UPDATE SET code = excluded.code, token = excluded.token, tries = 0, expires_at = excluded.expires_at",
        &params![&cx.tenant.id, &new.flow, new.kind.name(), &new.code, &new.token, cx.now + new.lifetime],
    )?;
    Ok(())
}

/// Takes one of the code's `most` tries, before the code is looked at. `None`: there is none left, or no such code.
pub(crate) fn count_code_try(
    tx: &mut Tx<'_>,
    cx: &Cx,
    typed: &Typed,
    most: i64,
) -> Result<Option<Kept>> {
    Ok(tx.opt(
        "UPDATE mailed_code SET tries = tries + 1
         WHERE tenant_id = $1 AND flow = $2 AND kind = $3 AND expires_at > $4 AND tries < $5 RETURNING code, token",
        &params![&cx.tenant.id, &typed.flow, typed.kind.name(), cx.now, most],
        |row| Ok(Kept { code: row.get(0)?, token: row.get(1)? }),
    )?)
}

/// Until when the flow's code lives, tried too often or not.
pub(crate) fn code_expiry(tx: &mut Tx<'_>, cx: &Cx, flow: &[u8; 32]) -> Result<Option<Micros>> {
    Ok(tx.opt(
        "SELECT expires_at FROM mailed_code WHERE tenant_id = $1 AND flow = $2 AND expires_at > $3",
        &params![&cx.tenant.id, flow, cx.now],
        |row| row.get(0),
    )?)
}

/// The digest of the link that was mailed with the flow's code.
pub(crate) fn code_token(
    tx: &mut Tx<'_>,
    cx: &Cx,
    (kind, flow): (OneTimeKind, &[u8; 32]),
) -> Result<Option<[u8; 32]>> {
    Ok(tx.opt(
        "SELECT token FROM mailed_code WHERE tenant_id = $1 AND flow = $2 AND kind = $3 AND expires_at > $4",
        &params![&cx.tenant.id, flow, kind.name(), cx.now],
        |row| row.get(0),
    )?)
}

pub(crate) fn purge_codes(tx: &mut Tx<'_>, now: Micros) -> Result<u64> {
    Ok(tx.exec(
        "DELETE FROM mailed_code WHERE expires_at <= $1",
        &params![now],
    )?)
}

pub(crate) fn purge(tx: &mut Tx<'_>, before: Micros) -> Result<u64> {
    Ok(tx.exec(
        "DELETE FROM one_time_token WHERE expires_at < $1",
        &params![before],
    )?)
}
