//! The audit log: who did what from where, and how it ended. Written in the transaction that does it, and sealed into a
//! chain of hashes for each tenant a moment later (docs/decisions: the audit chain).

mod flood;
mod rules;
mod seal;
pub(crate) mod store;

pub(crate) use flood::Flood;
pub(crate) use rules::BEGINNING;
pub use rules::{AuditFault, AuditKey};
pub use seal::AuditReport;
pub(crate) use store::record;

use serde::Serialize;

use crate::Identity;
use crate::context::Cx;
use crate::error::{Kind, Result};
use crate::ports::Micros;

/// A line about to be written.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    event: &'static str,
    outcome: &'static str,
    reason: Option<&'static str>,
    account_id: Option<String>,
    actor: &'static str,
    actor_id: Option<String>,
    target: Option<String>,
    times: i64,
}

impl Entry {
    /// Something a person did, unless told otherwise.
    pub(crate) fn done(event: &'static str) -> Entry {
        Entry {
            event,
            outcome: "done",
            reason: None,
            account_id: None,
            actor: "person",
            actor_id: None,
            target: None,
            times: 1,
        }
    }

    /// Something somebody tried who has proven nothing, unless told otherwise.
    pub(crate) fn refused(event: &'static str, kind: Kind) -> Entry {
        Entry {
            outcome: "refused",
            reason: Some(kind.code()),
            actor: "anonymous",
            ..Entry::done(event)
        }
    }

    /// Whom it is about.
    pub(crate) fn account(self, id: &str) -> Entry {
        self.maybe_account(Some(id))
    }

    pub(crate) fn maybe_account(mut self, id: Option<&str>) -> Entry {
        self.account_id = id.map(str::to_owned);
        self
    }

    pub(crate) fn reason(self, why: &'static str) -> Entry {
        self.maybe_reason(Some(why))
    }

    pub(crate) fn maybe_reason(mut self, why: Option<&'static str>) -> Entry {
        self.reason = why;
        self
    }

    pub(crate) fn actor(mut self, who: &'static str) -> Entry {
        self.actor = who;
        self
    }

    /// A back end, by the key that it showed.
    pub(crate) fn by_key(mut self, id: &str) -> Entry {
        self.actor = "back_end";
        self.actor_id = Some(id.to_owned());
        self
    }

    /// A person to somebody else's account.
    pub(crate) fn by_account(mut self, id: &str) -> Entry {
        self.actor_id = Some(id.to_owned());
        self
    }

    /// The thing it was done to: the id of a key or session.
    pub(crate) fn target(mut self, id: &str) -> Entry {
        self.target = Some(id.to_owned());
        self
    }

    /// One line that stands for so many.
    pub(crate) fn times(mut self, count: i64) -> Entry {
        self.times = count;
        self
    }
}

/// A line of the log.
#[derive(Clone, Debug, Serialize)]
pub struct AuditEntry {
    /// Its place in the tenant's chain, from 1; none until it is sealed.
    pub seq: Option<i64>,
    pub at: Micros,
    pub event: String,
    /// `done` or `refused`.
    pub outcome: String,
    /// A code: why it was refused, or why it was done.
    pub reason: Option<String>,
    /// Whom it is about.
    pub account_id: Option<String>,
    /// `person`, `back_end`, `anonymous` or `operator`.
    pub actor: String,
    /// The person's account or the back end's key.
    pub actor_id: Option<String>,
    /// The key or session that it was done to.
    pub target: Option<String>,
    /// The dialect, or `native`.
    pub surface: String,
    pub client_address: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: String,
    /// More than 1: so many like it that were not written one by one.
    pub times: i64,
}

/// Which entries to list; what is absent does not matter.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// An account's id, as the one it is about or the one who did it.
    pub account: Option<String>,
    /// What the event begins with.
    pub action: Option<String>,
    pub outcome: Option<String>,
    pub request: Option<String>,
    pub since: Option<Micros>,
    /// At most 10,000.
    pub limit: i64,
}

impl Identity {
    /// The newest entries of a tenant first: those not sealed yet, then down the chain.
    pub async fn audit_entries(&self, cx: &Cx, limit: i64) -> Result<Vec<AuditEntry>> {
        let query = AuditQuery {
            limit,
            ..AuditQuery::default()
        };
        self.audit_query(cx, query).await
    }

    /// The account's latest sign-ins, done and refused, newest first.
    pub async fn sign_ins(&self, cx: &Cx, account_id: &str, limit: i64) -> Result<Vec<AuditEntry>> {
        let (tenant, id) = (cx.tenant.id.clone(), account_id.to_owned());
        self.db()
            .read(move |tx| store::sign_ins(tx, &tenant, &id, limit.clamp(1, 200)))
            .await
    }

    /// The newest entries that fit first.
    pub async fn audit_query(&self, cx: &Cx, mut query: AuditQuery) -> Result<Vec<AuditEntry>> {
        query.limit = query.limit.clamp(1, 10_000);
        let tenant = cx.tenant.id.clone();
        self.db()
            .read(move |tx| store::find(tx, &tenant, &query))
            .await
    }

    /// Notes a refusal that has no effect to share a transaction with, within the bounds on those.
    pub(crate) async fn note_refused(&self, cx: &Cx, entry: Entry) -> Result<()> {
        if !self.audit_flood().admits(cx, &entry) {
            return Ok(());
        }
        let cx = cx.clone();
        self.db()
            .write(move |tx| record(tx, &cx, entry.clone()))
            .await
    }

    /// Notes what a surface refused or failed to do, so that the reference on the page leads to an entry.
    pub async fn note_refusal(&self, cx: &Cx, event: &'static str, kind: Kind) -> Result<()> {
        self.note_refused(cx, Entry::refused(event, kind)).await
    }
}
