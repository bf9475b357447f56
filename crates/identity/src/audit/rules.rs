//! The chain: what an entry's hash covers, which MACs only a holder of the secret key can make, and how breaks show.
//!
//! `hash(n) = SHA-256(hash(n-1) || n || content(n))`, with n as 8 bytes big-endian and the content as a JSON array.

use serde::Serialize;
use vestibule_crypto::{MacKey, digest, equal};

use super::AuditEntry;
use crate::error::{Error, Result};

/// What an entry becomes that nobody with the secret key wrote.
const FORGED: &str = "audit.forged";
/// The entry that every chain begins with.
pub(crate) const BEGINNING: &str = "tenant.created";

/// A row of the log.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) id: String,
    /// Orders the entries of one instant of one process.
    pub(crate) turn: i64,
    pub(crate) entry: AuditEntry,
    pub(crate) hash: Option<Vec<u8>>,
    /// The writer's, until the sealing one replaces it.
    pub(crate) mac: Vec<u8>,
}

/// Where a tenant's chain begins (what came before was purged) and ends.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) first_seq: i64,
    pub(crate) first_hash: Vec<u8>,
    pub(crate) last_seq: i64,
    pub(crate) last_hash: Vec<u8>,
    pub(crate) mac: Vec<u8>,
}

/// What makes entries this installation's own. Without a key (a tenant that no directory knows) nothing can be written.
#[derive(Clone, Debug, Default)]
pub struct AuditKey(Option<MacKey>);

impl AuditKey {
    pub(crate) fn new(key: MacKey) -> AuditKey {
        AuditKey(Some(key))
    }

    fn mac(&self, parts: &[&[u8]]) -> Result<[u8; 32]> {
        let key = self.0.as_ref();
        let key = key.ok_or_else(|| Error::internal("this tenant has no key for its audit log"))?;
        Ok(key.mac(parts))
    }

    /// The MAC of an entry on its way into the chain.
    pub(crate) fn written(&self, tenant: &str, line: &Line) -> Result<[u8; 32]> {
        self.mac(&[b"written", &content(tenant, line)?])
    }

    fn sealed(&self, tenant: &str, hash: &[u8]) -> Result<[u8; 32]> {
        self.mac(&[b"sealed", tenant.as_bytes(), hash])
    }

    /// The MAC of a chain's beginning and end.
    pub(crate) fn chain(&self, tenant: &str, chain: &Chain) -> Result<[u8; 32]> {
        self.mac(&[
            b"chain",
            tenant.as_bytes(),
            &chain.first_seq.to_be_bytes(),
            &chain.first_hash,
            &chain.last_seq.to_be_bytes(),
            &chain.last_hash,
        ])
    }

    /// Refuses a chain whose ends were set by somebody without the key: going on from there would vouch for it.
    pub(crate) fn check_chain(&self, tenant: &str, chain: &Chain) -> Result<()> {
        match equal(&self.chain(tenant, chain)?, &chain.mac) {
            true => Ok(()),
            false => Err(Error::internal(
                "the record of where an audit log begins and ends was changed from outside; \
                 `vestibule audit verify` says which",
            )),
        }
    }
}

impl Chain {
    /// Of nothing yet.
    pub(crate) fn genesis(key: &AuditKey, tenant: &str) -> Result<Chain> {
        let mut chain = Chain {
            first_seq: 0,
            first_hash: vec![0; 32],
            last_seq: 0,
            last_hash: vec![0; 32],
            mac: Vec::new(),
        };
        chain.mac = key.chain(tenant, &chain)?.to_vec();
        Ok(chain)
    }

    /// Puts a line at the end. One that was put in from outside is kept and called so.
    pub(crate) fn append(&mut self, key: &AuditKey, tenant: &str, line: &mut Line) -> Result<()> {
        if !equal(&key.written(tenant, line)?, &line.mac) {
            tracing::error!(tenant, id = %line.id, "an audit entry was put in or changed from outside");
            line.entry.event = FORGED.to_owned();
        }
        self.last_seq += 1;
        let hash = link(&self.last_hash, self.last_seq, &content(tenant, line)?);
        line.entry.seq = Some(self.last_seq);
        line.hash = Some(hash.to_vec());
        line.mac = key.sealed(tenant, &hash)?.to_vec();
        self.last_hash = hash.to_vec();
        Ok(())
    }
}

fn link(before: &[u8], seq: i64, content: &[u8]) -> [u8; 32] {
    digest(&[before, &seq.to_be_bytes(), content].concat())
}

/// Everything that an entry says, as JSON without a choice of spelling.
fn content(tenant: &str, line: &Line) -> Result<Vec<u8>> {
    let entry = &line.entry;
    let fields = (
        (tenant, &line.id, entry.at.0, line.turn),
        (&entry.event, &entry.outcome, &entry.reason),
        (&entry.account_id, &entry.actor, &entry.actor_id),
        (&entry.target, &entry.surface, entry.times),
        (&entry.client_address, &entry.user_agent, &entry.request_id),
    );
    serde_json::to_vec(&fields).map_err(Error::internal)
}

/// The first thing that is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditFault {
    /// The entry, by its place; none where no one entry is to blame.
    pub seq: Option<i64>,
    pub message: String,
}

impl AuditFault {
    fn at(seq: i64, message: impl Into<String>) -> AuditFault {
        AuditFault {
            seq: Some(seq),
            message: message.into(),
        }
    }

    fn of_all(message: impl Into<String>) -> AuditFault {
        AuditFault {
            seq: None,
            message: message.into(),
        }
    }
}

/// Walks a chain from its beginning.
pub(crate) struct Walk<'a> {
    key: &'a AuditKey,
    tenant: &'a str,
    chain: &'a Chain,
    /// Place and hash of the entry passed last.
    pub(crate) seq: i64,
    pub(crate) hash: Vec<u8>,
}

impl<'a> Walk<'a> {
    pub(crate) fn begin(
        key: &'a AuditKey,
        tenant: &'a str,
        chain: &'a Chain,
    ) -> Result<Walk<'a>, AuditFault> {
        key.check_chain(tenant, chain).map_err(|_| {
            AuditFault::of_all("the record of where the log begins and ends was changed")
        })?;
        Ok(Walk {
            key,
            tenant,
            chain,
            seq: chain.first_seq,
            hash: chain.first_hash.clone(),
        })
    }

    /// Takes the next sealed entry, or says what is wrong with it.
    pub(crate) fn step(&mut self, line: &Line) -> Result<(), AuditFault> {
        let seq = self.seq + 1;
        let found = line.entry.seq.unwrap_or_default();
        if found > seq {
            return Err(AuditFault::at(seq, format!("entry {seq} was removed")));
        }
        if found < seq || seq > self.chain.last_seq {
            return Err(AuditFault::at(
                found,
                format!(
                    "entry {found} was put in: the log goes from {} to {}",
                    self.chain.first_seq + 1,
                    self.chain.last_seq
                ),
            ));
        }
        let unreadable = |_| AuditFault::at(seq, format!("entry {seq} cannot be read"));
        let hash = link(
            &self.hash,
            seq,
            &content(self.tenant, line).map_err(unreadable)?,
        );
        let mac = self.key.sealed(self.tenant, &hash).map_err(unreadable)?;
        if line.hash.as_deref() != Some(&hash) || !equal(&mac, &line.mac) {
            return Err(AuditFault::at(
                seq,
                format!(
                    "entry {seq} (request {}) was changed, exchanged for another or put in its place",
                    line.entry.request_id
                ),
            ));
        }
        if line.entry.event == FORGED {
            return Err(AuditFault::at(
                seq,
                format!(
                    "entry {seq} (request {}) was put in or changed before it was sealed",
                    line.entry.request_id
                ),
            ));
        }
        if seq == 1 && line.entry.event != BEGINNING {
            return Err(AuditFault::at(
                seq,
                "the log does not begin with the tenant's creation: what came before was removed",
            ));
        }
        (self.seq, self.hash) = (seq, hash.to_vec());
        Ok(())
    }

    /// Whether the walk ended where the chain does.
    pub(crate) fn end(&self) -> Result<(), AuditFault> {
        let last = self.chain.last_seq;
        if self.seq < last {
            let next = self.seq + 1;
            return Err(AuditFault::at(
                next,
                format!("entries {next} to {last} were removed from the end"),
            ));
        }
        if self.hash != self.chain.last_hash {
            return Err(AuditFault::at(
                last,
                format!("entry {last} is not the one that was sealed last"),
            ));
        }
        Ok(())
    }
}

/// An entry on its way into the chain that nobody with the key wrote.
pub(crate) fn check_unsealed(key: &AuditKey, tenant: &str, line: &Line) -> Result<(), AuditFault> {
    match key.written(tenant, line) {
        Ok(mac) if equal(&mac, &line.mac) => Ok(()),
        _ => Err(AuditFault::of_all(format!(
            "an entry not sealed yet (request {}) was put in or changed",
            line.entry.request_id
        ))),
    }
}

/// A log without a chain: fine for as long as nothing could have been sealed.
pub(crate) fn check_unbegun(sealed: bool, waiting: bool) -> Result<(), AuditFault> {
    match (sealed, waiting) {
        (true, _) => Err(AuditFault::of_all(
            "the record of where the log begins and ends was removed",
        )),
        (false, false) => Err(AuditFault::of_all(
            "the log is empty: it was removed, the tenant's creation included",
        )),
        (false, true) => Ok(()),
    }
}
