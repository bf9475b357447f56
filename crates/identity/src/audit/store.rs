//! Rows of `audit`.

use std::sync::atomic::{AtomicU64, Ordering};

use vestibule_db::{Tx, params};

use super::{AuditEntry, Entry};
use crate::context::Cx;
use crate::error::Result;

/// Keeps entries of one request apart and in order.
static SEQUENCE: AtomicU64 = AtomicU64::new(0);

pub(crate) fn record(tx: &mut Tx<'_>, cx: &Cx, entry: Entry) -> Result<()> {
    let id = format!(
        "{}.{}",
        cx.client.request_id,
        SEQUENCE.fetch_add(1, Ordering::Relaxed)
    );
    let user_agent = cx
        .client
        .user_agent
        .as_deref()
        .map(|agent| agent.chars().take(200).collect::<String>());
    tx.exec(
        "INSERT INTO audit (tenant_id, at, id, event, outcome, reason, account_id, actor, surface, client_address, user_agent, request_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        &params![
            &cx.tenant.id,
            cx.now,
            id,
            entry.event,
            entry.outcome,
            entry.reason.map(str::to_owned),
            entry.account_id,
            entry.actor,
            cx.surface(),
            cx.client.address.map(|address| address.to_string()),
            user_agent,
            &cx.client.request_id
        ],
    )?;
    Ok(())
}

pub(crate) fn newest(tx: &mut Tx<'_>, tenant: &str, limit: i64) -> Result<Vec<AuditEntry>> {
    Ok(tx.all(
        "SELECT at, event, outcome, reason, account_id, actor, surface, client_address, request_id
         FROM audit WHERE tenant_id = $1 ORDER BY at DESC, id DESC LIMIT $2",
        &params![tenant, limit],
        |row| {
            Ok(AuditEntry {
                at: row.get(0)?,
                event: row.get(1)?,
                outcome: row.get(2)?,
                reason: row.get(3)?,
                account_id: row.get(4)?,
                actor: row.get(5)?,
                surface: row.get(6)?,
                client_address: row.get(7)?,
                request_id: row.get(8)?,
            })
        },
    )?)
}
