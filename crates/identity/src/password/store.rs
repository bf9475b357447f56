//! Rows of `password`.

use vestibule_db::{Tx, params};

use crate::context::Cx;
use crate::error::Result;
use crate::limit;
use crate::ports::Micros;

pub(crate) fn find(tx: &mut Tx<'_>, tenant: &str, account: &str) -> Result<Option<String>> {
    Ok(tx.opt(
        "SELECT phc FROM password WHERE tenant_id = $1 AND account_id = $2",
        &params![tenant, account],
        |row| row.get(0),
    )?)
}

/// Some account's hash, chosen by a point among the ids: the next at or after it, or the first.
pub(crate) fn any(tx: &mut Tx<'_>, tenant: &str, point: &str) -> Result<Option<String>> {
    Ok(tx.opt(
        "SELECT phc FROM password WHERE tenant_id = $1 AND account_id >=
             CASE WHEN EXISTS (SELECT 1 FROM password WHERE tenant_id = $1 AND account_id >= $2) THEN $2 ELSE '' END
         ORDER BY account_id LIMIT 1",
        &params![tenant, point],
        |row| row.get(0),
    )?)
}

/// Some tenant that has passwords, chosen as `any` chooses.
pub(crate) fn any_tenant(tx: &mut Tx<'_>, point: &str) -> Result<Option<String>> {
    Ok(tx.opt(
        "SELECT tenant_id FROM password WHERE tenant_id >=
             CASE WHEN EXISTS (SELECT 1 FROM password WHERE tenant_id >= $1) THEN $1 ELSE '' END
         ORDER BY tenant_id LIMIT 1",
        &params![point],
        |row| row.get(0),
    )?)
}

pub(crate) fn changed_at(tx: &mut Tx<'_>, tenant: &str, account: &str) -> Result<Option<Micros>> {
    Ok(tx.opt(
        "SELECT changed_at FROM password WHERE tenant_id = $1 AND account_id = $2",
        &params![tenant, account],
        |row| row.get(0),
    )?)
}

/// Whether the account is active and its password still this one; holds both until the transaction ends.
pub(crate) fn still(tx: &mut Tx<'_>, cx: &Cx, account: &str, phc: &str) -> Result<bool> {
    // One of another system is its owner's own from the first use on (0: never changed here).
    let held = tx.exec(
        "UPDATE password SET changed_at = CASE WHEN changed_at = 0 THEN $4 ELSE changed_at END WHERE tenant_id = $1 AND account_id = $2 AND phc = $3
         AND EXISTS (SELECT 1 FROM account WHERE tenant_id = $1 AND id = $2 AND state = 'active')",
        &params![&cx.tenant.id, account, phc, cx.now],
    )?;
    Ok(held == 1)
}

/// Another password, with the address that it comes from: its owner's, who is known there.
pub(crate) fn set(tx: &mut Tx<'_>, cx: &Cx, account: &str, phc: &str) -> Result<()> {
    let block = cx.client.address.map(limit::address_block);
    tx.exec(
        "INSERT INTO password (tenant_id, account_id, phc, changed_at, client_block) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id, account_id) DO UPDATE SET phc = excluded.phc, changed_at = excluded.changed_at,
             client_block = excluded.client_block",
        &params![&cx.tenant.id, account, phc, cx.now, block],
    )?;
    Ok(())
}

/// Another hash of the same password.
pub(crate) fn rehash(tx: &mut Tx<'_>, tenant: &str, account: &str, phc: &str) -> Result<()> {
    tx.exec(
        "UPDATE password SET phc = $3 WHERE tenant_id = $1 AND account_id = $2",
        &params![tenant, account, phc],
    )?;
    Ok(())
}

pub(crate) fn remove(tx: &mut Tx<'_>, tenant: &str, account: &str) -> Result<()> {
    tx.exec(
        "DELETE FROM password WHERE tenant_id = $1 AND account_id = $2",
        &params![tenant, account],
    )?;
    Ok(())
}
