//! What a restore changes, in all tenants.

use vestibule_db::{Tx, params};

use super::HeldKey;
use crate::error::Result;
use crate::ports::Micros;

/// More accounts than an installation makes between a backup and its restore. Their numbers were told to others.
const ACCOUNT_NUMBERS: i64 = 1_000_000;
const TENANT_NUMBERS: i64 = 1_000;

pub(super) fn end_sessions(tx: &mut Tx<'_>, now: Micros) -> Result<u64> {
    Ok(tx.exec(
        "UPDATE session SET ended_at = $1, end_reason = 'restored' WHERE ended_at IS NULL",
        &params![now],
    )?)
}

pub(super) fn void_one_time_tokens(tx: &mut Tx<'_>, now: Micros) -> Result<u64> {
    tx.exec(
        "UPDATE mailed_code SET expires_at = $1 WHERE expires_at > $1",
        &params![now],
    )?;
    tx.exec(
        "UPDATE sign_up SET expires_at = $1 WHERE expires_at > $1",
        &params![now],
    )?;
    Ok(tx.exec(
        "UPDATE one_time_token SET expires_at = $1 WHERE used_at IS NULL AND expires_at > $1",
        &params![now],
    )?)
}

/// Whatever they signed is signed by nobody now. New ones are made at the first wish.
pub(super) fn drop_signing_keys(tx: &mut Tx<'_>) -> Result<u64> {
    Ok(tx.exec("DELETE FROM signing_key", &params![])?)
}

pub(super) fn drop_mails(tx: &mut Tx<'_>) -> Result<u64> {
    Ok(tx.exec(
        "UPDATE outbox SET state = 'expired', payload_sealed = $1 WHERE state = 'due'",
        &params![Vec::<u8>::new()],
    )?)
}

/// Numbers given out since the backup must not become somebody else's.
pub(super) fn skip_numbers(tx: &mut Tx<'_>) -> Result<()> {
    tx.exec(
        "UPDATE tenant SET next_account_number = next_account_number + $1",
        &params![ACCOUNT_NUMBERS],
    )?;
    tx.exec(
        "UPDATE catalog SET version = version + 1, next_tenant_number = next_tenant_number + $1 WHERE id = 1",
        &params![TENANT_NUMBERS],
    )?;
    Ok(())
}

pub(super) fn hold_api_keys(tx: &mut Tx<'_>, now: Micros) -> Result<()> {
    tx.exec(
        "UPDATE api_key SET held_at = $1 WHERE revoked_at IS NULL AND held_at IS NULL",
        &params![now],
    )?;
    Ok(())
}

pub(super) fn held_api_keys(tx: &mut Tx<'_>) -> Result<Vec<HeldKey>> {
    Ok(tx.all(
        "SELECT tenant.slug, api_key.id, api_key.name FROM api_key JOIN tenant ON tenant.id = api_key.tenant_id
         WHERE api_key.held_at IS NOT NULL AND api_key.revoked_at IS NULL ORDER BY tenant.slug, api_key.created_at, api_key.id",
        &params![],
        |row| {
            Ok(HeldKey {
                tenant: row.get(0)?,
                id: row.get(1)?,
                name: row.get(2)?,
            })
        },
    )?)
}
