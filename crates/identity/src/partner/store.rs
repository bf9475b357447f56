//! Rows of `partner_secret`.

use vestibule_db::{Tx, params};

use crate::account::{self, Account};
use crate::email::Email;
use crate::error::Result;
use crate::ports::Micros;

/// Who has the address, and the hash of the uid that is bound to the account. One statement.
pub(crate) fn known(
    tx: &mut Tx<'_>,
    tenant: &str,
    email: &Email,
) -> Result<Option<(Account, Option<String>)>> {
    Ok(tx.opt(
        "SELECT account.id, number, email, email_verified_at, first_name, last_name, mobile, unique_id, role, locale, timezone, state,
             onboarded_at, created_at, phc
         FROM account LEFT JOIN partner_secret ON partner_secret.tenant_id = account.tenant_id AND partner_secret.account_id = account.id
         WHERE account.tenant_id = $1 AND email_canonical = $2 AND state <> 'deleted'",
        &params![tenant, email.canonical()],
        |row| Ok((account::store::account_at(row, 0)?, row.get(14)?)),
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
