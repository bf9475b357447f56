//! Rows of `partner_secret`.

use vestibule_db::{Tx, params};

use crate::error::Result;
use crate::ports::Micros;

pub(crate) fn find(tx: &mut Tx<'_>, tenant: &str, account: &str) -> Result<Option<String>> {
    Ok(tx.opt(
        "SELECT phc FROM partner_secret WHERE tenant_id = $1 AND account_id = $2",
        &params![tenant, account],
        |row| row.get(0),
    )?)
}

pub(crate) fn bound_at(tx: &mut Tx<'_>, tenant: &str, account: &str) -> Result<Option<Micros>> {
    Ok(tx.opt(
        "SELECT bound_at FROM partner_secret WHERE tenant_id = $1 AND account_id = $2",
        &params![tenant, account],
        |row| row.get(0),
    )?)
}

/// Binds the first uid; `false` when there is one.
pub(crate) fn bind(
    tx: &mut Tx<'_>,
    tenant: &str,
    account: &str,
    phc: &str,
    now: Micros,
) -> Result<bool> {
    let added = tx.exec(
        "INSERT INTO partner_secret (tenant_id, account_id, phc, bound_at) VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, account_id) DO NOTHING",
        &params![tenant, account, phc, now],
    )?;
    Ok(added == 1)
}

/// Another hash of the same uid, where the old one is still there.
pub(crate) fn replace(
    tx: &mut Tx<'_>,
    tenant: &str,
    account: &str,
    old: &str,
    new: &str,
) -> Result<()> {
    tx.exec(
        "UPDATE partner_secret SET phc = $4 WHERE tenant_id = $1 AND account_id = $2 AND phc = $3",
        &params![tenant, account, old, new],
    )?;
    Ok(())
}
