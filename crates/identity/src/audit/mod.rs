//! The audit log: who did what from where, and how it ended. Written in the transaction that does it.

pub(crate) mod store;

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
}

impl Entry {
    pub(crate) fn done(event: &'static str) -> Entry {
        Entry {
            event,
            outcome: "done",
            reason: None,
            account_id: None,
            actor: "person",
        }
    }

    pub(crate) fn refused(event: &'static str, kind: Kind) -> Entry {
        Entry {
            event,
            outcome: "refused",
            reason: Some(kind.code()),
            account_id: None,
            actor: "person",
        }
    }

    pub(crate) fn account(mut self, id: &str) -> Entry {
        self.account_id = Some(id.to_owned());
        self
    }

    pub(crate) fn maybe_account(mut self, id: Option<&str>) -> Entry {
        self.account_id = id.map(str::to_owned);
        self
    }

    pub(crate) fn reason(mut self, why: &'static str) -> Entry {
        self.reason = Some(why);
        self
    }

    pub(crate) fn actor(mut self, who: &'static str) -> Entry {
        self.actor = who;
        self
    }
}

/// A line of the log.
#[derive(Clone, Debug, Serialize)]
pub struct AuditEntry {
    pub at: Micros,
    pub event: String,
    /// `done` or `refused`.
    pub outcome: String,
    pub reason: Option<String>,
    pub account_id: Option<String>,
    /// `person`, `back_end`, `anonymous` or `operator`.
    pub actor: String,
    /// The dialect, or `native`.
    pub surface: String,
    pub client_address: Option<String>,
    pub request_id: String,
}

impl Identity {
    /// The newest entries of a tenant first.
    pub async fn audit_entries(&self, cx: &Cx, limit: i64) -> Result<Vec<AuditEntry>> {
        let tenant = cx.tenant.id.clone();
        self.db()
            .read(move |tx| store::newest(tx, &tenant, limit.clamp(1, 10_000)))
            .await
    }
}
