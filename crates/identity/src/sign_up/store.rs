//! Rows of `sign_up`.

use vestibule_db::{Tx, params};

use crate::context::Cx;
use crate::error::Result;
use crate::ports::Micros;

/// A sign-up about to be stored: the digest of its link's token, what was typed, and until when the link is good.
pub(super) struct New {
    pub(super) digest: [u8; 32],
    pub(super) sealed: Vec<u8>,
    pub(super) expires_at: Micros,
}

/// Stores it, or does the same work for nothing.
pub(super) fn add_if(tx: &mut Tx<'_>, cx: &Cx, new: &New, wanted: bool) -> Result<()> {
    tx.exec(
        "INSERT INTO sign_up (tenant_id, digest, sealed, expires_at) SELECT $1, $2, $3, $4 WHERE $5 = 1",
        &params![&cx.tenant.id, &new.digest, new.sealed.clone(), new.expires_at, i64::from(wanted)],
    )?;
    Ok(())
}

/// What waits behind a link that could be followed now.
pub(super) fn find(tx: &mut Tx<'_>, cx: &Cx, digest: &[u8; 32]) -> Result<Option<Vec<u8>>> {
    Ok(tx.opt(
        "SELECT sealed FROM sign_up WHERE tenant_id = $1 AND digest = $2 AND expires_at > $3",
        &params![&cx.tenant.id, digest, cx.now],
        |row| row.get(0),
    )?)
}

/// Takes it out: the one caller for whom this answers has it.
pub(super) fn take(tx: &mut Tx<'_>, cx: &Cx, digest: &[u8; 32]) -> Result<Option<Vec<u8>>> {
    Ok(tx.opt(
        "DELETE FROM sign_up WHERE tenant_id = $1 AND digest = $2 AND expires_at > $3 RETURNING sealed",
        &params![&cx.tenant.id, digest, cx.now],
        |row| row.get(0),
    )?)
}

pub(crate) fn purge(tx: &mut Tx<'_>, now: Micros) -> Result<u64> {
    Ok(tx.exec("DELETE FROM sign_up WHERE expires_at <= $1", &params![now])?)
}
