//! Rows of `provider_link`.

use vestibule_db::{Tx, params};

use crate::account::ProviderLink;
use crate::error::Result;
use crate::ports::Micros;

pub(crate) fn find(
    tx: &mut Tx<'_>,
    tenant: &str,
    provider: &str,
    subject: &str,
) -> Result<Option<String>> {
    Ok(tx.opt(
        "SELECT account_id FROM provider_link WHERE tenant_id = $1 AND provider = $2 AND subject = $3",
        &params![tenant, provider, subject],
        |row| row.get(0),
    )?)
}

pub(crate) fn of_account(
    tx: &mut Tx<'_>,
    tenant: &str,
    account: &str,
) -> Result<Vec<ProviderLink>> {
    Ok(tx.all(
        "SELECT provider, subject, linked_at FROM provider_link WHERE tenant_id = $1 AND account_id = $2 ORDER BY linked_at, provider",
        &params![tenant, account],
        |row| Ok(ProviderLink { provider: row.get(0)?, subject: row.get(1)?, linked_at: row.get(2)? }),
    )?)
}

/// Whether the subject could be linked to the account, or is.
pub(crate) fn is_free(
    tx: &mut Tx<'_>,
    tenant: &str,
    (provider, subject): (&str, &str),
    account: &str,
) -> Result<bool> {
    let others = tx.one(
        "SELECT count(*) FROM provider_link WHERE tenant_id = $1 AND provider = $2
         AND ((account_id = $3 AND subject <> $4) OR (account_id <> $3 AND subject = $4))",
        &params![tenant, provider, account, subject],
        |row| row.get::<i64>(0),
    )?;
    Ok(others == 0)
}

/// Links the subject to the account; `false` when the account is another subject's of this provider already.
#[expect(clippy::too_many_arguments)]
pub(crate) fn link(
    tx: &mut Tx<'_>,
    tenant: &str,
    provider: &str,
    subject: &str,
    account: &str,
    now: Micros,
) -> Result<bool> {
    if !is_free(tx, tenant, (provider, subject), account)? {
        return Ok(false);
    }
    tx.exec(
        "INSERT INTO provider_link (tenant_id, provider, subject, account_id, linked_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id, provider, subject) DO NOTHING",
        &params![tenant, provider, subject, account, now],
    )?;
    Ok(find(tx, tenant, provider, subject)?.as_deref() == Some(account))
}

pub(crate) fn unlink_all(tx: &mut Tx<'_>, tenant: &str, account: &str) -> Result<()> {
    tx.exec(
        "DELETE FROM provider_link WHERE tenant_id = $1 AND account_id = $2",
        &params![tenant, account],
    )?;
    Ok(())
}
