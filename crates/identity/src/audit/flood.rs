//! Bounds on refusals in the log, so that nobody fills the disk by knocking. What is beyond them is counted and noted in
//! one entry a minute.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::Entry;
use crate::context::Cx;
use crate::limit;
use crate::ports::Micros;

/// Refusals of one client's address block that are written one by one, and in what time.
const BLOCK: (u32, Duration) = (60, Duration::from_secs(900));
/// The same of a whole tenant, on this node.
const TENANT: (u32, Duration) = (5_000, Duration::from_secs(3_600));
/// Counts of what was held back are written after so long.
const TOGETHER: Duration = Duration::from_secs(60);
/// Beyond so many blocks at once only the tenant's bound counts.
const MOST_BLOCKS: usize = 50_000;

/// This node's counters.
#[derive(Default)]
pub(crate) struct Flood(Mutex<Counters>);

#[derive(Default)]
struct Counters {
    blocks: HashMap<String, Window>,
    tenants: HashMap<String, Window>,
    withheld: HashMap<Alike, Count>,
}

struct Window {
    opened: Micros,
    count: u32,
}

/// What refusals have in common that are noted together.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Alike {
    tenant: String,
    event: &'static str,
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

impl Flood {
    /// Whether this refusal is written; otherwise it is counted.
    pub(crate) fn admits(&self, cx: &Cx, entry: &Entry) -> bool {
        let mut counters = self.0.lock();
        let block = limit::address_key(&cx.tenant.id, &cx.client);
        let Counters {
            blocks,
            tenants,
            withheld,
        } = &mut *counters;
        if blocks.len() >= MOST_BLOCKS && !blocks.contains_key(&block) {
            blocks.retain(|_, window| cx.now.since(window.opened) < BLOCK.1);
        }
        let room = blocks.len() < MOST_BLOCKS || blocks.contains_key(&block);
        let admitted = (!room || fits(blocks, block, BLOCK, cx.now))
            && fits(tenants, cx.tenant.id.clone(), TENANT, cx.now);
        if !admitted {
            let alike = Alike {
                tenant: cx.tenant.id.clone(),
                event: entry.event,
                reason: entry.reason,
            };
            let none = Count {
                since: cx.now,
                times: 0,
            };
            withheld.entry(alike).or_insert(none).times += 1;
        }
        admitted
    }

    /// The counts that are due by `now`, or all, which start anew.
    pub(crate) fn take(&self, now: Micros, all: bool) -> Vec<Withheld> {
        let mut counters = self.0.lock();
        let due = counters
            .withheld
            .extract_if(|_, count| all || now.since(count.since) >= TOGETHER);
        let entry = |(alike, count): (Alike, Count)| Withheld {
            entry: Entry {
                outcome: "refused",
                reason: alike.reason,
                actor: "anonymous",
                ..Entry::done(alike.event).times(count.times)
            },
            tenant: alike.tenant,
        };
        due.map(entry).collect()
    }
}

/// Counts one in its window, unless that is full.
fn fits(
    windows: &mut HashMap<String, Window>,
    key: String,
    (most, span): (u32, Duration),
    now: Micros,
) -> bool {
    let window = windows.entry(key).or_insert(Window {
        opened: now,
        count: 0,
    });
    if now.since(window.opened) >= span {
        *window = Window {
            opened: now,
            count: 0,
        };
    }
    window.count += u32::from(window.count <= most);
    window.count <= most
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
        let later = Micros(0) + TENANT.1;
        assert!(flood.admits(&from(1, later), &entry), "an hour later");
    }

    #[test]
    fn so_many_blocks_that_only_the_tenants_bound_counts() {
        let flood = Flood::default();
        let entry = Entry::refused("request.refused", Kind::NotFound);
        for block in 0..60_000 {
            flood.admits(&from(block, Micros(0)), &entry);
        }
        assert_eq!(flood.0.lock().blocks.len(), MOST_BLOCKS);
        let later = Micros(0) + TENANT.1;
        assert!(flood.admits(&from(60_001, later), &entry));
        assert_eq!(flood.0.lock().blocks.len(), 1);
    }
}
