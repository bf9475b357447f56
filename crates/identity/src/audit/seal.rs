//! Sealing entries into their chain, cutting off what is too old, and verifying what is there.

use std::sync::Arc;

use serde::Serialize;
use vestibule_db::Tx;

use super::rules::{AuditFault, Chain, Line, Walk, check_unbegun, check_unsealed};
use super::{record, store};
use crate::Identity;
use crate::context::{Client, Cx};
use crate::error::{Error, Result};
use crate::ports::Micros;
use crate::tenant::Tenant;

/// Entries of one transaction, so that none is long.
const BATCH: i64 = 500;

/// What `verify` found.
#[derive(Clone, Debug, Serialize)]
pub struct AuditReport {
    pub tenant: String,
    /// Places of the oldest entry kept and of the newest sealed one; `last` is 0 while nothing is sealed.
    pub first: i64,
    pub last: i64,
    /// The newest sealed entry's hash in hexadecimal. Noted elsewhere, it proves later that nothing up to it was lost.
    pub head: String,
    /// Entries that wait to be sealed.
    pub unsealed: i64,
    /// The first thing wrong; none when all is well.
    pub fault: Option<AuditFault>,
}

impl Identity {
    /// Puts the entries that wait into their chains, in order, and notes refusals held back for a minute; answers how many
    /// were sealed. Several nodes may do it at once: each chain is held by one of them at a time.
    pub async fn seal_audit(&self) -> Result<u64> {
        self.note_withheld(false).await?;
        let mut sealed = 0;
        let mut outcome = Ok(());
        for id in self.db().read(store::waiting_tenants).await? {
            let Some(tenant) = self.directory().by_id(&id).await? else {
                continue;
            };
            // One tenant's broken chain must not keep the others' open.
            match self.seal_tenant(&tenant).await {
                Ok(count) => sealed += count,
                Err(error) => outcome = Err(error),
            }
        }
        outcome.map(|()| sealed)
    }

    /// Notes what is held back still, and seals, before the node stops.
    pub async fn finish_audit(&self) -> Result<u64> {
        self.note_withheld(true).await?;
        self.seal_audit().await
    }

    async fn seal_tenant(&self, tenant: &Arc<Tenant>) -> Result<u64> {
        let mut sealed = 0;
        loop {
            let tenant = tenant.clone();
            let count = self.db().write(move |tx| seal_batch(tx, &tenant)).await?;
            sealed += count;
            if count < BATCH.unsigned_abs() {
                return Ok(sealed);
            }
        }
    }

    async fn note_withheld(&self, all: bool) -> Result<()> {
        for withheld in self.audit_flood().take(self.now(), all) {
            let Some(tenant) = self.directory().by_id(&withheld.tenant).await? else {
                continue;
            };
            let name = vestibule_crypto::alphanumeric(self.random(), 8);
            let cx = Cx {
                tenant,
                now: self.now(),
                client: Client {
                    request_id: format!("together-{name}").into(),
                    ..Client::default()
                },
            };
            self.db()
                .write(move |tx| record(tx, &cx, withheld.entry.clone()))
                .await?;
        }
        Ok(())
    }

    /// Removes entries older than their tenant keeps them; the chain then begins after the last of them.
    pub(crate) async fn purge_audit(&self) -> Result<u64> {
        let mut cut = 0;
        for tenant in self.directory().all().await? {
            let oldest = self.now() - tenant.file.audit.retention.0;
            while self.has_outlived(&tenant, oldest).await? {
                let tenant = tenant.clone();
                let batch = self.db().write(move |tx| cut_batch(tx, &tenant, oldest));
                match batch.await? {
                    0 => break,
                    some => cut += some,
                }
            }
        }
        Ok(cut)
    }

    /// Asked first, because most tenants have nothing to remove and a write costs all of them more.
    async fn has_outlived(&self, tenant: &Arc<Tenant>, oldest: Micros) -> Result<bool> {
        let id = tenant.id.clone();
        let first = self.db().read(move |tx| store::first_at(tx, &id)).await?;
        Ok(first.is_some_and(|at| at < oldest))
    }

    /// Walks the tenant's chain as it is at this moment.
    pub async fn verify_audit(&self, tenant: &Arc<Tenant>) -> Result<AuditReport> {
        let tenant = tenant.clone();
        self.db().read(move |tx| verify(tx, &tenant)).await
    }
}

fn seal_batch(tx: &mut Tx<'_>, tenant: &Tenant) -> Result<u64> {
    let (id, key) = (&tenant.id, &tenant.audit_key);
    let mut chain = match store::hold_chain(tx, id)? {
        Some(chain) => chain,
        None => begin(tx, tenant)?,
    };
    key.check_chain(id, &chain)?;
    let waiting = store::waiting(tx, id, BATCH)?;
    let count = waiting.len() as u64;
    for mut line in waiting {
        chain.append(key, id, &mut line)?;
        store::place(tx, id, &line)?;
    }
    if count > 0 {
        chain.mac = key.chain(id, &chain)?.to_vec();
        store::set_chain(tx, id, &chain)?;
    }
    Ok(count)
}

fn begin(tx: &mut Tx<'_>, tenant: &Tenant) -> Result<Chain> {
    let missing = || Error::internal("the record of where an audit log begins and ends is missing");
    if !store::sealed(tx, &tenant.id, i64::MIN, 1)?.is_empty() {
        // Unless another node began it between the two looks.
        return store::hold_chain(tx, &tenant.id)?.ok_or_else(missing);
    }
    let genesis = Chain::genesis(&tenant.audit_key, &tenant.id)?;
    store::begin_chain(tx, &tenant.id, &genesis)?;
    store::hold_chain(tx, &tenant.id)?.ok_or_else(missing)
}

fn cut_batch(tx: &mut Tx<'_>, tenant: &Tenant, oldest: Micros) -> Result<u64> {
    let (id, key) = (&tenant.id, &tenant.audit_key);
    let unchained = store::cut_before(tx, id, oldest, BATCH)?;
    let Some(mut chain) = store::hold_chain(tx, id)? else {
        return Ok(unchained);
    };
    let old = store::sealed(tx, id, chain.first_seq, BATCH)?;
    let cut = walk_off(tenant, &chain, &old, oldest).map_err(|fault| {
        Error::internal(format!(
            "the audit log of `{}` is not purged: {}",
            tenant.slug(),
            fault.message
        ))
    })?;
    (chain.first_seq, chain.first_hash) = cut;
    chain.mac = key.chain(id, &chain)?.to_vec();
    store::set_chain(tx, id, &chain)?;
    Ok(unchained + store::cut(tx, id, chain.first_seq)?)
}

/// Place and hash of the last entry that is too old. Each is checked first: one made to look old would vanish unseen.
fn walk_off(
    tenant: &Tenant,
    chain: &Chain,
    lines: &[Line],
    oldest: Micros,
) -> Result<(i64, Vec<u8>), AuditFault> {
    let mut walk = Walk::begin(&tenant.audit_key, &tenant.id, chain)?;
    for line in lines.iter().take_while(|line| line.entry.at < oldest) {
        walk.step(line)?;
    }
    Ok((walk.seq, walk.hash))
}

fn verify(tx: &mut Tx<'_>, tenant: &Tenant) -> Result<AuditReport> {
    let chain = store::chain(tx, &tenant.id)?;
    let unsealed = store::count_waiting(tx, &tenant.id)?;
    let fault = match &chain {
        Some(chain) => walk(tx, tenant, chain)?,
        None => {
            let sealed = !store::sealed(tx, &tenant.id, i64::MIN, 1)?.is_empty();
            check_unbegun(sealed, unsealed > 0).err()
        }
    };
    let fault = match fault {
        None => store::waiting(tx, &tenant.id, 10_000)?
            .iter()
            .find_map(|line| check_unsealed(&tenant.audit_key, &tenant.id, line).err()),
        fault => fault,
    };
    Ok(AuditReport {
        tenant: tenant.slug().to_owned(),
        first: chain.as_ref().map_or(1, |chain| chain.first_seq + 1),
        last: chain.as_ref().map_or(0, |chain| chain.last_seq),
        head: chain
            .as_ref()
            .map_or_else(String::new, |chain| crate::hex(&chain.last_hash)),
        unsealed,
        fault,
    })
}

/// The first fault of the sealed part.
fn walk(tx: &mut Tx<'_>, tenant: &Tenant, chain: &Chain) -> Result<Option<AuditFault>> {
    let mut walk = match Walk::begin(&tenant.audit_key, &tenant.id, chain) {
        Ok(walk) => walk,
        Err(fault) => return Ok(Some(fault)),
    };
    let mut after = i64::MIN;
    loop {
        let lines = store::sealed(tx, &tenant.id, after, 2 * BATCH)?;
        for line in &lines {
            if let Err(fault) = walk.step(line) {
                return Ok(Some(fault));
            }
        }
        if lines.is_empty() {
            return Ok(walk.end().err());
        }
        after = walk.seq;
    }
}
