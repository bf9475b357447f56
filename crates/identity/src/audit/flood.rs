//! Bounds on refusals in the log, so that nobody fills the disk by knocking. What is beyond them is counted and noted in
//! one entry a minute.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::Entry;
use crate::context::Cx;
use crate::limit::{Limit, Limits, Numbers, Place, address_key};
use crate::ports::Micros;

/// Refusals of one client's address block that are written one by one, on this node.
const BLOCK: Limit = Limit {
    name: "audit_address",
    counts: "refusals written one by one",
    by: "client address and tenant",
    most: 60,
    span: Duration::from_secs(900),
    place: Place::Node,
};
/// The same of a whole tenant.
const TENANT: Limit = Limit {
    name: "audit_tenant",
    by: "tenant",
    most: 5_000,
    span: Duration::from_secs(3_600),
    ..BLOCK
};
/// Counts of what was held back are written after so long.
const TOGETHER: Duration = Duration::from_secs(60);

/// This node's counters.
pub(crate) struct Flood {
    limits: Limits,
    withheld: Mutex<HashMap<Alike, Count>>,
}

/// What refusals have in common that are noted together.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Alike {
    tenant: String,
    event: &'static str,
    outcome: &'static str,
    reason: Option<&'static str>,
}

struct Count {
    since: Micros,
    times: i64,
}

/// Refusals that were not written one by one.
pub(crate) struct Withheld {
    pub(crate) tenant: String,
    pub(crate) entry: Entry,
}

impl Default for Flood {
    fn default() -> Flood {
        Flood {
            limits: Limits::new(Numbers::default()),
            withheld: Mutex::default(),
        }
    }
}

impl Flood {
    /// Whether this refusal is written; otherwise it is counted.
    pub(crate) fn admits(&self, cx: &Cx, entry: &Entry) -> bool {
        let block = address_key(&cx.tenant.id, &cx.client);
        let bounds = [(BLOCK, &*block), (TENANT, &*cx.tenant.id)];
        let admitted = self.limits.count(&bounds, cx.now).is_ok();
        if !admitted {
            let alike = Alike {
                tenant: cx.tenant.id.clone(),
                event: entry.event,
                outcome: entry.outcome,
                reason: entry.reason,
            };
            let none = Count {
                since: cx.now,
                times: 0,
            };
            self.withheld.lock().entry(alike).or_insert(none).times += 1;
        }
        admitted
    }

    /// The counts that are due by `now`, or all, which start anew.
    pub(crate) fn take(&self, now: Micros, all: bool) -> Vec<Withheld> {
        let mut withheld = self.withheld.lock();
        let due = withheld.extract_if(|_, count| all || now.since(count.since) >= TOGETHER);
        let entry = |(alike, count): (Alike, Count)| Withheld {
            entry: Entry {
                outcome: alike.outcome,
                reason: alike.reason,
                actor: "anonymous",
                ..Entry::done(alike.event).times(count.times)
            },
            tenant: alike.tenant,
        };
        due.map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::context::Client;
    use crate::error::Kind;

    fn from(block: u32, now: Micros) -> Cx {
        let client = Client {
            address: Some(block.to_be_bytes().into()),
            ..Client::default()
        };
        let tenant = Arc::new(crate::tenant::tests::tenant("acme", "Acme"));
        Cx {
            tenant,
            now,
            client,
        }
    }

    #[test]
    fn a_tenants_refusals_are_bounded_from_wherever_they_come() {
        let (flood, entry) = (
            Flood::default(),
            Entry::refused("request.refused", Kind::NotFound),
        );
        let admitted = (0..5_100).filter(|block| flood.admits(&from(*block, Micros(0)), &entry));
        assert_eq!(admitted.count(), 5_000);
        assert_eq!(flood.take(Micros(59_999_999), false).len(), 0);
        let together = flood.take(Micros(60_000_000), false);
        assert_eq!((together.len(), together[0].entry.times), (1, 100));
        assert_eq!(flood.take(Micros(0), true).len(), 0);
        let later = Micros(0) + TENANT.span;
        assert!(flood.admits(&from(1, later), &entry), "an hour later");
    }
}
