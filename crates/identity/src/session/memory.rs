//! Who used a session a moment ago, so that a busy client costs no query each time.
//!
//! What this process changes is forgotten before the change is answered. What another process changes is seen when the copy
//! is [`HELD`] old: no copy is ever used longer.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use foldhash::fast::RandomState;

use super::Authenticated;
use crate::ports::Micros;
use crate::recent::Recent;

/// How long after its reading a session is taken from memory.
pub(crate) const HELD: Duration = Duration::from_millis(500);

/// Sessions held before the oldest go; each takes about a kilobyte.
const MOST: usize = 1_024;

/// Names of what changes share so many places. Two names at one place cost a reading too many, never one too few.
const PLACES: usize = 4_096;

/// Sessions as they were read, by id.
pub(crate) struct Memory {
    recent: Recent<String, Held>,
    changes: Changes,
}

#[derive(Clone)]
struct Held {
    tenant: Arc<str>,
    who: Authenticated,
    read: Moment,
}

/// A moment before a reading.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    at: Micros,
    change: u64,
}

/// The number of the last change, and of the last one to each name.
struct Changes {
    last: AtomicU64,
    places: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Changes {
    fn place(&self, name: &str) -> &AtomicU64 {
        let place = self.hasher.hash_one(name) % PLACES as u64;
        &self.places[usize::try_from(place).unwrap_or_default()]
    }

    fn note(&self, name: &str) {
        let number = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        self.place(name).fetch_max(number, Ordering::SeqCst);
    }

    fn is_unchanged(&self, name: &str, since: u64) -> bool {
        self.place(name).load(Ordering::SeqCst) <= since
    }
}

impl Memory {
    pub(crate) fn new() -> Memory {
        Memory {
            recent: Recent::new(MOST),
            changes: Changes {
                last: AtomicU64::new(0),
                places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
                hasher: RandomState::default(),
            },
        }
    }

    /// Something by this name (the id of a session, an account or a tenant) is not as it was.
    pub(crate) fn changed(&self, name: &str) {
        self.changes.note(name);
    }

    /// To be taken before the reading: a change that the reading may have missed has a higher number.
    pub(crate) fn moment(&self, now: Micros) -> Moment {
        Moment {
            at: now,
            change: self.changes.last.load(Ordering::SeqCst),
        }
    }

    pub(crate) fn keep(&self, tenant: &str, who: &Authenticated, read: Moment) {
        let held = Held {
            tenant: tenant.into(),
            who: who.clone(),
            read,
        };
        self.recent.put(who.session.id.clone(), held);
    }

    /// The session, if it was read within [`HELD`] and nothing of it has changed here since.
    pub(crate) fn find(
        &self,
        tenant: &str,
        session: &String,
        now: Micros,
    ) -> Option<Authenticated> {
        let held = self.recent.get(session)?;
        let is_fresh = now >= held.read.at && now.since(held.read.at) < HELD;
        let names = [tenant, session, &held.who.account.id];
        let is_same = || {
            let same = |name: &&str| self.changes.is_unchanged(name, held.read.change);
            names.iter().all(same)
        };
        (is_fresh && *held.tenant == *tenant && is_same()).then_some(held.who)
    }
}

#[cfg(test)]
mod tests {

    /// Statements that change what is held must say so. Those that need not, with their reason.
    const SILENT: &[(&str, &str)] = &[
        ("session/store.rs", "hold"),          // changes nothing
        ("session/store.rs", "purge"),         // what has been over for a week
        ("account/store.rs", "lock"),          // changes nothing
        ("account/store.rs", "hold"),          // changes nothing
        ("restored/store.rs", "end_sessions"), // no server runs
    ];

    #[test]
    fn whoever_changes_what_is_held_says_so() {
        let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut seen = 0;
        for folder in std::fs::read_dir(&source).unwrap() {
            let file = folder.unwrap().path().join("store.rs");
            let Ok(text) = std::fs::read_to_string(&file) else {
                continue;
            };
            let file = file
                .strip_prefix(&source)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let text = text.replace("\npub(super) fn ", "\npub(crate) fn ");
            for function in text.split("\npub(crate) fn ").skip(1) {
                let name = function.split(['(', '<']).next().unwrap();
                let writes = ["session", "account", "team", "team_member", "project"]
                    .iter()
                    .any(|table| {
                        ["UPDATE", "DELETE\u{20}FROM"]
                            .iter()
                            .any(|verb| function.contains(&format!("\"{verb} {table} ")))
                    });
                let silent = SILENT.contains(&(file.as_str(), name));
                if writes {
                    seen += 1;
                    assert!(silent != function.contains("tx.changed("), "{file}: {name}");
                }
            }
        }
        assert!(seen > 10, "{seen}");
    }
}
