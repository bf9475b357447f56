//! Rows of `audit` and `audit_chain`.

use std::sync::atomic::{AtomicI64, Ordering};

use vestibule_db::{Row, Tx, params};

use super::rules::{Chain, Line};
use super::{AuditEntry, AuditQuery, Entry};
use crate::context::Cx;
use crate::error::Result;
use crate::ports::Micros;

/// Keeps entries of one request apart and those of one instant in order.
static TURN: AtomicI64 = AtomicI64::new(0);

/// Writes an entry beside its effect. It waits there, under its writer's MAC, to be put into the chain.
pub(crate) fn record(tx: &mut Tx<'_>, cx: &Cx, entry: Entry) -> Result<()> {
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let client = &cx.client;
    let agent = client.user_agent.as_deref();
    let own = (entry.actor == "person").then(|| entry.account_id.clone());
    let mut line = Line {
        id: format!("{}.{turn}", client.request_id),
        turn,
        entry: AuditEntry {
            seq: None,
            at: cx.now,
            event: entry.event.to_owned(),
            outcome: entry.outcome.to_owned(),
            reason: entry.reason.map(str::to_owned),
            actor: entry.actor.to_owned(),
            actor_id: entry.actor_id.or(own.flatten()),
            account_id: entry.account_id,
            target: entry.target,
            surface: cx.surface().to_owned(),
            client_address: client.address.map(|address| address.to_string()),
            user_agent: agent.map(|agent| agent.chars().take(200).collect()),
            request_id: client.request_id.to_string(),
            times: entry.times,
        },
        hash: None,
        mac: Vec::new(),
    };
    line.mac = cx.tenant.audit_key.written(&cx.tenant.id, &line)?.to_vec();
    insert(tx, &cx.tenant.id, &line)
}

fn insert(tx: &mut Tx<'_>, tenant: &str, line: &Line) -> Result<()> {
    let entry = &line.entry;
    tx.exec(
        "INSERT INTO audit (tenant_id, id, at, turn, event, outcome, reason, account_id, actor, actor_id, target, surface,
             client_address, user_agent, request_id, times, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        &params![
            tenant,
            &line.id,
            entry.at,
            line.turn,
            &entry.event,
            &entry.outcome,
            &entry.reason,
            &entry.account_id,
            &entry.actor,
            &entry.actor_id,
            &entry.target,
            &entry.surface,
            &entry.client_address,
            &entry.user_agent,
            &entry.request_id,
            entry.times,
            &line.mac
        ],
    )?;
    Ok(())
}

fn line(row: &Row) -> Result<Line, vestibule_db::Error> {
    Ok(Line {
        id: row.get(0)?,
        turn: row.get(1)?,
        entry: AuditEntry {
            seq: row.get(2)?,
            at: row.get(3)?,
            event: row.get(4)?,
            outcome: row.get(5)?,
            reason: row.get(6)?,
            account_id: row.get(7)?,
            actor: row.get(8)?,
            actor_id: row.get(9)?,
            target: row.get(10)?,
            surface: row.get(11)?,
            client_address: row.get(12)?,
            user_agent: row.get(13)?,
            request_id: row.get(14)?,
            times: row.get(15)?,
        },
        hash: row.get(16)?,
        mac: row.get(17)?,
    })
}

/// The newest that fit. An entry's id begins with its request's.
pub(crate) fn find(tx: &mut Tx<'_>, tenant: &str, query: &AuditQuery) -> Result<Vec<AuditEntry>> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let lines = tx.all(
        "SELECT id, turn, seq, at, event, outcome, reason, account_id, actor, actor_id, target, surface, client_address,
             user_agent, request_id, times, hash, mac
         FROM audit
         WHERE tenant_id = $1 AND ($2 = '' OR account_id = $2 OR actor_id = $2)
             AND substr(event, 1, length($3)) = $3 AND ($4 = '' OR outcome = $4) AND ($5 = '' OR request_id = $5)
             AND at >= $6
         ORDER BY seq DESC NULLS FIRST, at DESC, turn DESC LIMIT $7",
        &params![
            tenant,
            text(&query.account),
            text(&query.action),
            text(&query.outcome),
            text(&query.request),
            query.since.map_or(i64::MIN, |at| at.0),
            query.limit
        ],
        line,
    )?;
    Ok(lines.into_iter().map(|line| line.entry).collect())
}

/// What is about the account and begins with `sign_in.`, newest first.
pub(crate) fn sign_ins(
    tx: &mut Tx<'_>,
    tenant: &str,
    account: &str,
    limit: i64,
) -> Result<Vec<AuditEntry>> {
    let lines = tx.all(
        "SELECT id, turn, seq, at, event, outcome, reason, account_id, actor, actor_id, target, surface, client_address,
             user_agent, request_id, times, hash, mac
         FROM audit WHERE tenant_id = $1 AND account_id = $2 AND substr(event, 1, 8) = 'sign_in.'
         ORDER BY at DESC, turn DESC LIMIT $3",
        &params![tenant, account, limit],
        line,
    )?;
    Ok(lines.into_iter().map(|line| line.entry).collect())
}

/// The tenants with entries that wait to be sealed.
pub(crate) fn waiting_tenants(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    Ok(tx.all(
        "SELECT DISTINCT tenant_id FROM audit WHERE seq IS NULL",
        &params![],
        |row| row.get(0),
    )?)
}

/// Entries that wait to be sealed, in the order they will be.
pub(crate) fn waiting(tx: &mut Tx<'_>, tenant: &str, limit: i64) -> Result<Vec<Line>> {
    Ok(tx.all(
        "SELECT id, turn, seq, at, event, outcome, reason, account_id, actor, actor_id, target, surface, client_address,
             user_agent, request_id, times, hash, mac
         FROM audit WHERE tenant_id = $1 AND seq IS NULL ORDER BY at, turn, id LIMIT $2",
        &params![tenant, limit],
        line,
    )?)
}

pub(crate) fn count_waiting(tx: &mut Tx<'_>, tenant: &str) -> Result<i64> {
    Ok(tx.one(
        "SELECT COUNT(*) FROM audit WHERE tenant_id = $1 AND seq IS NULL",
        &params![tenant],
        |row| row.get(0),
    )?)
}

/// Sealed entries after a place, in their order.
pub(crate) fn sealed(tx: &mut Tx<'_>, tenant: &str, after: i64, limit: i64) -> Result<Vec<Line>> {
    Ok(tx.all(
        "SELECT id, turn, seq, at, event, outcome, reason, account_id, actor, actor_id, target, surface, client_address,
             user_agent, request_id, times, hash, mac
         FROM audit WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        &params![tenant, after, limit],
        line,
    )?)
}

/// Gives a line its place in the chain.
pub(crate) fn place(tx: &mut Tx<'_>, tenant: &str, line: &Line) -> Result<()> {
    tx.exec(
        "UPDATE audit SET event = $3, seq = $4, hash = $5, mac = $6 WHERE tenant_id = $1 AND id = $2",
        &params![tenant, &line.id, &line.entry.event, line.entry.seq, line.hash.clone(), &line.mac],
    )?;
    Ok(())
}

fn chain_of(row: &Row) -> Result<Chain, vestibule_db::Error> {
    Ok(Chain {
        first_seq: row.get(0)?,
        first_hash: row.get(1)?,
        last_seq: row.get(2)?,
        last_hash: row.get(3)?,
        mac: row.get(4)?,
    })
}

pub(crate) fn chain(tx: &mut Tx<'_>, tenant: &str) -> Result<Option<Chain>> {
    Ok(tx.opt(
        "SELECT first_seq, first_hash, last_seq, last_hash, mac FROM audit_chain WHERE tenant_id = $1",
        &params![tenant],
        chain_of,
    )?)
}

/// The chain, held until the transaction ends: nobody else appends to it or cuts from it meanwhile.
pub(crate) fn hold_chain(tx: &mut Tx<'_>, tenant: &str) -> Result<Option<Chain>> {
    Ok(tx.opt(
        "UPDATE audit_chain SET last_seq = last_seq WHERE tenant_id = $1 RETURNING first_seq, first_hash, last_seq, last_hash, mac",
        &params![tenant],
        chain_of,
    )?)
}

/// Begins a chain, unless another node just did.
pub(crate) fn begin_chain(tx: &mut Tx<'_>, tenant: &str, chain: &Chain) -> Result<()> {
    tx.exec(
        "INSERT INTO audit_chain (tenant_id, first_seq, first_hash, last_seq, last_hash, mac) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant_id) DO NOTHING",
        &params![tenant, chain.first_seq, &chain.first_hash, chain.last_seq, &chain.last_hash, &chain.mac],
    )?;
    Ok(())
}

pub(crate) fn set_chain(tx: &mut Tx<'_>, tenant: &str, chain: &Chain) -> Result<()> {
    tx.exec(
        "UPDATE audit_chain SET first_seq = $2, first_hash = $3, last_seq = $4, last_hash = $5, mac = $6 WHERE tenant_id = $1",
        &params![tenant, chain.first_seq, &chain.first_hash, chain.last_seq, &chain.last_hash, &chain.mac],
    )?;
    Ok(())
}

/// The time of the oldest entry that is sealed, or from before there was a chain.
pub(crate) fn first_at(tx: &mut Tx<'_>, tenant: &str) -> Result<Option<Micros>> {
    let sealed: Option<i64> = tx.opt(
        "SELECT at FROM audit WHERE tenant_id = $1 AND seq IS NOT NULL ORDER BY seq LIMIT 1",
        &params![tenant],
        |row| row.get(0),
    )?;
    let unchained: Option<i64> = tx.one(
        "SELECT min(at) FROM audit_before WHERE tenant_id = $1",
        &params![tenant],
        |row| row.get(0),
    )?;
    Ok([sealed, unchained].into_iter().flatten().min().map(Micros))
}

/// Removes old entries from before there was a chain.
pub(crate) fn cut_before(tx: &mut Tx<'_>, tenant: &str, oldest: Micros, limit: i64) -> Result<u64> {
    Ok(tx.exec(
        "DELETE FROM audit_before WHERE tenant_id = $1 AND at < $2 AND id IN
             (SELECT id FROM audit_before WHERE tenant_id = $1 AND at < $2 LIMIT $3)",
        &params![tenant, oldest.0, limit],
    )?)
}

/// Removes the beginning, up to a place.
pub(crate) fn cut(tx: &mut Tx<'_>, tenant: &str, up_to: i64) -> Result<u64> {
    Ok(tx.exec(
        "DELETE FROM audit WHERE tenant_id = $1 AND seq <= $2",
        &params![tenant, up_to],
    )?)
}
