//! Rows of `limit_window`: what failed, by a digest of its key.

use vestibule_db::{Tx, params};

use super::Seen;
use crate::error::Result;
use crate::ports::Micros;

pub(crate) fn find(tx: &mut Tx<'_>, tenant: &str, digest: &[u8; 32]) -> Result<Option<Seen>> {
    Ok(tx.opt(
        "SELECT opened_at, tries FROM limit_window WHERE tenant_id = $1 AND digest = $2",
        &params![tenant, digest],
        |row| {
            Ok(Seen {
                opened: row.get(0)?,
                count: u32::try_from(row.get::<i64>(1)?).unwrap_or(u32::MAX),
            })
        },
    )?)
}

/// Counts one at `now`; a window opened at `over` or before is over, and a new one opens.
pub(crate) fn count(
    tx: &mut Tx<'_>,
    (tenant, digest): (&str, &[u8; 32]),
    now: Micros,
    over: Micros,
) -> Result<()> {
    tx.exec(
        "INSERT INTO limit_window (tenant_id, digest, opened_at, tries) VALUES ($1, $2, $3, 1)
         ON CONFLICT (tenant_id, digest) DO UPDATE SET
             tries = CASE WHEN limit_window.opened_at > $4 THEN limit_window.tries + 1 ELSE 1 END,
             opened_at = CASE WHEN limit_window.opened_at > $4 THEN limit_window.opened_at ELSE excluded.opened_at END",
        &params![tenant, digest, now, over],
    )?;
    Ok(())
}

pub(crate) fn purge(tx: &mut Tx<'_>, before: Micros) -> Result<u64> {
    Ok(tx.exec(
        "DELETE FROM limit_window WHERE opened_at < $1",
        &params![before],
    )?)
}
