//! Rows of `account_deletion`: accounts whose owners want them gone, and when.

use vestibule_db::{Tx, params};

use crate::context::Cx;
use crate::error::Result;
use crate::ports::Micros;

/// Notes the wish; `false` when there is one, which stays as it is.
pub(crate) fn set(tx: &mut Tx<'_>, cx: &Cx, account: &str, due: Micros) -> Result<bool> {
    let added = tx.exec(
        "INSERT INTO account_deletion (tenant_id, account_id, due_at) VALUES ($1, $2, $3) ON CONFLICT (tenant_id, account_id) DO NOTHING",
        &params![&cx.tenant.id, account, due],
    )?;
    Ok(added == 1)
}

pub(crate) fn due_at(tx: &mut Tx<'_>, cx: &Cx, account: &str) -> Result<Option<Micros>> {
    Ok(tx.opt(
        "SELECT due_at FROM account_deletion WHERE tenant_id = $1 AND account_id = $2",
        &params![&cx.tenant.id, account],
        |row| row.get(0),
    )?)
}

pub(crate) fn forget(tx: &mut Tx<'_>, cx: &Cx, account: &str) -> Result<bool> {
    Ok(tx.exec(
        "DELETE FROM account_deletion WHERE tenant_id = $1 AND account_id = $2",
        &params![&cx.tenant.id, account],
    )? == 1)
}

/// Takes the wish that is due: the one caller for whom this is true deletes the account.
pub(crate) fn take(tx: &mut Tx<'_>, cx: &Cx, account: &str) -> Result<bool> {
    Ok(tx.exec(
        "DELETE FROM account_deletion WHERE tenant_id = $1 AND account_id = $2 AND due_at <= $3",
        &params![&cx.tenant.id, account, cx.now],
    )? == 1)
}

/// Tenants and accounts whose time has come, the longest due first.
pub(crate) fn due(tx: &mut Tx<'_>, now: Micros, limit: i64) -> Result<Vec<(String, String)>> {
    Ok(tx.all(
        "SELECT tenant_id, account_id FROM account_deletion WHERE due_at <= $1 ORDER BY due_at LIMIT $2",
        &params![now, limit],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?)
}

/// Gives every wish time until then at least.
pub(crate) fn put_off(tx: &mut Tx<'_>, until: Micros) -> Result<()> {
    tx.exec(
        "UPDATE account_deletion SET due_at = $1 WHERE due_at < $1",
        &params![until],
    )?;
    Ok(())
}
