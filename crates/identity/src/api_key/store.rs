//! Rows of `api_key`.

use vestibule_db::{Tx, params};

use super::{ApiKeyView, Stored};
use crate::error::Result;
use crate::ports::Micros;

pub(crate) fn insert(
    tx: &mut Tx<'_>,
    tenant: &str,
    key: &ApiKeyView,
    digest: &[u8; 32],
) -> Result<()> {
    tx.exec(
        "INSERT INTO api_key (tenant_id, id, name, digest, test, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &params![tenant, &key.id, &key.name, digest, key.test, key.created_at, key.expires_at],
    )?;
    Ok(())
}

pub(crate) fn find(tx: &mut Tx<'_>, id: &str) -> Result<Option<Stored>> {
    Ok(tx.opt(
        "SELECT id, tenant_id, digest, expires_at, revoked_at, held_at FROM api_key WHERE id = $1",
        &params![id],
        |row| {
            Ok(Stored {
                id: row.get(0)?,
                tenant_id: row.get(1)?,
                digest: row.get(2)?,
                expires_at: row.get(3)?,
                revoked_at: row.get(4)?,
                held_at: row.get(5)?,
            })
        },
    )?)
}

pub(crate) fn list(tx: &mut Tx<'_>, tenant: &str) -> Result<Vec<ApiKeyView>> {
    Ok(tx.all(
        "SELECT id, name, test, created_at, expires_at, revoked_at, held_at FROM api_key WHERE tenant_id = $1 ORDER BY created_at, id",
        &params![tenant],
        |row| {
            Ok(ApiKeyView {
                id: row.get(0)?,
                name: row.get(1)?,
                test: row.get(2)?,
                created_at: row.get(3)?,
                expires_at: row.get(4)?,
                revoked_at: row.get(5)?,
                held_at: row.get(6)?,
            })
        },
    )?)
}

pub(crate) fn revoke(tx: &mut Tx<'_>, id: &str, now: Micros) -> Result<()> {
    tx.exec(
        "UPDATE api_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
        &params![id, now],
    )?;
    Ok(())
}

/// `false` when the key is revoked, or there is none.
pub(crate) fn confirm(tx: &mut Tx<'_>, id: &str) -> Result<bool> {
    let found = tx.exec(
        "UPDATE api_key SET held_at = NULL WHERE id = $1 AND revoked_at IS NULL",
        &params![id],
    )?;
    Ok(found == 1)
}
