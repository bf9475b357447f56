//! Rows of `login_token_use`.

use vestibule_db::{Tx, params};

use crate::context::Cx;
use crate::error::Result;
use crate::ports::Micros;

/// When a login token was used, and the session it opened.
pub(crate) struct Use {
    pub(crate) at: Micros,
    pub(crate) session_id: String,
}

pub(crate) fn find(tx: &mut Tx<'_>, cx: &Cx, digest: &[u8; 32]) -> Result<Option<Use>> {
    Ok(tx.opt(
        "SELECT used_at, session_id FROM login_token_use WHERE tenant_id = $1 AND digest = $2",
        &params![&cx.tenant.id, digest],
        |row| {
            Ok(Use {
                at: row.get(0)?,
                session_id: row.get(1)?,
            })
        },
    )?)
}

/// Uses the token; `true` for the one caller who was first. `exp` in seconds.
pub(crate) fn consume(
    tx: &mut Tx<'_>,
    cx: &Cx,
    digest: &[u8; 32],
    session: &str,
    exp: i64,
) -> Result<bool> {
    let added = tx.exec(
        "INSERT INTO login_token_use (tenant_id, digest, session_id, used_at, expires_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id, digest) DO NOTHING",
        &params![&cx.tenant.id, digest, session, cx.now, exp.saturating_mul(1_000_000)],
    )?;
    Ok(added == 1)
}

pub(crate) fn purge(tx: &mut Tx<'_>, before: Micros) -> Result<u64> {
    Ok(tx.exec(
        "DELETE FROM login_token_use WHERE expires_at < $1",
        &params![before],
    )?)
}
