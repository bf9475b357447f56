//! The counts that a node holds in memory, within a bound.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use parking_lot::Mutex;

use super::{Limit, Numbers};
use crate::error::{Error, Result};
use crate::ports::Micros;

/// So many windows are held at most.
const MOST_WINDOWS: usize = 100_000;

/// A window as the database has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) opened: Micros,
    pub(crate) count: u32,
}

#[derive(Clone, Copy)]
struct Window {
    opened: Micros,
    span: Duration,
    count: u32,
    most: u32,
}

impl Window {
    fn is_open(&self, now: Micros) -> bool {
        now.since(self.opened) < self.span
    }

    /// How much of it is used up, in thousandths.
    fn spent(&self) -> u64 {
        u64::from(self.count) * 1_000 / u64::from(self.most.max(1))
    }

    fn refusal(&self, now: Micros) -> Error {
        let left = self.span.saturating_sub(now.since(self.opened));
        Error::rate_limited(u32::try_from(left.as_secs() + 1).unwrap_or(u32::MAX))
    }
}

/// One more towards each of these, taken before what they bound is tried.
#[derive(Debug)]
#[must_use]
pub(crate) struct Charge(Vec<u64>);

/// The counters of this node.
pub struct Limits {
    numbers: Numbers,
    /// Keyed anew at each start, so that nobody can choose keys that meet.
    hasher: RandomState,
    open: Mutex<HashMap<u64, Window>>,
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Limits")
    }
}

impl Limits {
    pub fn new(numbers: Numbers) -> Limits {
        Limits {
            numbers,
            hasher: RandomState::new(),
            open: Mutex::default(),
        }
    }

    pub(crate) fn most(&self, limit: Limit) -> u32 {
        self.numbers.most(limit)
    }

    fn slot(&self, limit: Limit, key: &str) -> u64 {
        self.hasher.hash_one((limit.name, key))
    }

    fn fresh(&self, limit: Limit, now: Micros) -> Window {
        Window {
            opened: now,
            span: limit.span,
            count: 0,
            most: self.most(limit),
        }
    }

    /// Refuses when the bound is reached; counts nothing.
    pub(crate) fn check(&self, limit: Limit, key: &str, now: Micros) -> Result<()> {
        let slot = self.slot(limit, key);
        match self.open.lock().get(&slot) {
            Some(window) if window.is_open(now) && window.count >= window.most => {
                Err(window.refusal(now))
            }
            _ => Ok(()),
        }
    }

    /// Refuses when a bound is reached and then counts none of them; else counts one for each.
    pub(crate) fn take(&self, wanted: &[(Limit, &str)], now: Micros) -> Result<Charge> {
        let mut open = self.open.lock();
        let slots = wanted.iter().map(|(limit, key)| {
            let slot = self.slot(*limit, key);
            let held = open.get(&slot).filter(|window| window.is_open(now));
            (
                slot,
                held.copied().unwrap_or_else(|| self.fresh(*limit, now)),
            )
        });
        let slots: Vec<(u64, Window)> = slots.collect();
        let longest = slots
            .iter()
            .filter(|(_, window)| window.count >= window.most)
            .max_by_key(|(_, window)| window.span.saturating_sub(now.since(window.opened)));
        if let Some((_, window)) = longest {
            return Err(window.refusal(now));
        }
        for (slot, window) in &slots {
            let counted = Window {
                count: window.count + 1,
                ..*window
            };
            make_room(&mut open, now);
            open.insert(*slot, counted);
        }
        Ok(Charge(slots.into_iter().map(|(slot, _)| slot).collect()))
    }

    /// As `take`, for what is counted however it ends.
    pub(crate) fn count(&self, wanted: &[(Limit, &str)], now: Micros) -> Result<()> {
        self.take(wanted, now).map(drop)
    }

    /// Takes back what was counted; what else was counted meanwhile stays.
    pub(crate) fn give_back(&self, charge: Charge) {
        let mut open = self.open.lock();
        for slot in charge.0 {
            if let Some(window) = open.get_mut(&slot) {
                window.count = window.count.saturating_sub(1);
            }
        }
    }

    /// Takes over what the database has counted, of this node before its start and of others.
    pub(crate) fn learn(&self, limit: Limit, key: &str, seen: Seen, now: Micros) {
        let known = Window {
            opened: seen.opened,
            count: seen.count,
            ..self.fresh(limit, now)
        };
        if !known.is_open(now) {
            return;
        }
        let slot = self.slot(limit, key);
        let mut open = self.open.lock();
        let held = open.get(&slot).filter(|window| window.is_open(now));
        if held.is_none_or(|held| held.count < known.count) {
            make_room(&mut open, now);
            open.insert(slot, known);
        }
    }
}

/// Drops windows that are over; if that is not enough, those that are used up least. A flood of fresh keys so pushes out
/// fresh keys, and never the window of somebody who is under attack.
fn make_room(open: &mut HashMap<u64, Window>, now: Micros) {
    if open.len() < MOST_WINDOWS {
        return;
    }
    open.retain(|_, window| window.is_open(now));
    let surplus = open.len().saturating_sub(MOST_WINDOWS / 8 * 7);
    if surplus == 0 {
        return;
    }
    let mut ranked: Vec<(u64, Micros, u64)> = open
        .iter()
        .map(|(slot, window)| (window.spent(), window.opened, *slot))
        .collect();
    ranked.select_nth_unstable(surplus - 1);
    for (_, _, slot) in &ranked[..surplus] {
        open.remove(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BAD_TOKENS, EMAIL_EXISTS, SIGN_IN_ACCOUNT, SIGN_IN_ADDRESS};
    use super::*;
    use crate::error::Kind;

    fn at(seconds: i64) -> Micros {
        Micros(seconds * 1_000_000)
    }

    fn limits() -> Limits {
        Limits::new(Numbers::default())
    }

    #[test]
    fn a_window_fills_refuses_and_opens_again() {
        let limits = limits();
        let take = |key, seconds| limits.take(&[(EMAIL_EXISTS, key)], at(seconds));
        let first = take("a", 10).unwrap();
        for _ in 1..EMAIL_EXISTS.most {
            let _ = take("a", 10).unwrap();
        }
        let refused = take("a", 40).unwrap_err();
        assert_eq!(
            (refused.kind, refused.retry_after),
            (Kind::RateLimited, Some(31))
        );
        limits.check(EMAIL_EXISTS, "a", at(40)).unwrap_err();
        limits.give_back(first);
        limits.check(EMAIL_EXISTS, "a", at(40)).unwrap();
        let _ = take("a", 40).unwrap();
        take("a", 40).unwrap_err();
        let _ = take("b", 40).unwrap();
        let _ = limits.take(&[(BAD_TOKENS, "a")], at(40)).unwrap();
        let _ = take("a", 70).unwrap();
    }

    #[test]
    fn all_are_counted_or_none() {
        let mut numbers = Numbers::default();
        assert!(numbers.set("sign_in_account", 2) && numbers.set("sign_in_address", 3));
        assert!(!numbers.set("sign_in_acount", 2));
        let limits = Limits::new(numbers);
        let both =
            |account| limits.take(&[(SIGN_IN_ACCOUNT, account), (SIGN_IN_ADDRESS, "x")], at(0));
        let _ = both("a").unwrap();
        let _ = both("a").unwrap();
        both("a").unwrap_err();
        let _ = both("b").unwrap();
        both("b").unwrap_err();
        let _ = limits.take(&[(SIGN_IN_ACCOUNT, "b")], at(0)).unwrap();
    }

    #[test]
    fn what_the_database_counted_is_taken_over_once() {
        let limits = limits();
        let seen = |opened, count| Seen {
            opened: at(opened),
            count,
        };
        limits.learn(SIGN_IN_ACCOUNT, "a", seen(0, 49), at(800));
        limits.learn(SIGN_IN_ACCOUNT, "a", seen(0, 20), at(800));
        let _ = limits.take(&[(SIGN_IN_ACCOUNT, "a")], at(800)).unwrap();
        let refused = limits.take(&[(SIGN_IN_ACCOUNT, "a")], at(800)).unwrap_err();
        assert_eq!(refused.retry_after, Some(101));
        limits.learn(SIGN_IN_ACCOUNT, "b", seen(0, 50), at(900));
        let _ = limits.take(&[(SIGN_IN_ACCOUNT, "b")], at(900)).unwrap();
    }

    #[test]
    fn a_flood_of_keys_is_bounded_and_clears_nobody_under_attack() {
        let limits = limits();
        for _ in 0..SIGN_IN_ACCOUNT.most {
            let _ = limits.take(&[(SIGN_IN_ACCOUNT, "victim")], at(0)).unwrap();
        }
        for key in 0..MOST_WINDOWS + 10 {
            let key = key.to_string();
            let _ = limits.take(&[(SIGN_IN_ACCOUNT, &*key)], at(1)).unwrap();
        }
        assert!(limits.open.lock().len() <= MOST_WINDOWS);
        limits
            .take(&[(SIGN_IN_ACCOUNT, "victim")], at(2))
            .unwrap_err();
        let _ = limits.take(&[(SIGN_IN_ACCOUNT, "new")], at(901)).unwrap();
        assert!(limits.open.lock().len() <= MOST_WINDOWS);
    }
}
