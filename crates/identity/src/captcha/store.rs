//! Rows of `captcha_used`: challenges whose answer was taken, until they expire.

use vestibule_db::{Tx, params};

use crate::error::Result;
use crate::ports::Micros;

/// Uses a challenge: `true` for the one caller who has it.
pub(crate) fn consume(
    tx: &mut Tx<'_>,
    tenant: &str,
    nonce: &[u8; 16],
    expires_at: Micros,
) -> Result<bool> {
    let added = tx.exec(
        "INSERT INTO captcha_used (tenant_id, nonce, expires_at) VALUES ($1, $2, $3) ON CONFLICT (tenant_id, nonce) DO NOTHING",
        &params![tenant, nonce.to_vec(), expires_at],
    )?;
    Ok(added == 1)
}

pub(crate) fn purge(tx: &mut Tx<'_>, before: Micros) -> Result<u64> {
    Ok(tx.exec(
        "DELETE FROM captcha_used WHERE expires_at < $1",
        &params![before],
    )?)
}
