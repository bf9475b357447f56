//! Bounds on how often something may be tried: fixed windows in memory, per node.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;

use crate::context::Cx;
use crate::email::Email;
use crate::error::{Error, Result};
use crate::ports::Micros;

/// So many within a span, for each key.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    name: &'static str,
    most: u32,
    span: Duration,
}

const QUARTER: Duration = Duration::from_secs(900);

/// Wrong passwords for one address in one tenant, known or not.
pub const SIGN_IN: Limit = Limit {
    name: "sign_in",
    most: 50,
    span: QUARTER,
};
/// Wrong partner secrets for one account.
pub const UID_MISMATCH: Limit = Limit {
    name: "uid_mismatch",
    most: 10,
    span: QUARTER,
};
/// Questions for an address's existence from one block of client addresses.
pub const EMAIL_EXISTS: Limit = Limit {
    name: "email_exists",
    most: 30,
    span: Duration::from_secs(60),
};
/// Requests for a forgotten password of one address in one tenant.
pub const FORGOT: Limit = Limit {
    name: "forgot_password",
    most: 20,
    span: Duration::from_secs(3_600),
};

/// Every limit, for the documentation.
pub const ALL: [Limit; 4] = [SIGN_IN, UID_MISMATCH, EMAIL_EXISTS, FORGOT];

impl Limit {
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn most(&self) -> u32 {
        self.most
    }

    pub fn span(&self) -> Duration {
        self.span
    }
}

/// Below so many keys nothing is swept.
const SWEEP_FROM: usize = 100_000;

#[derive(Clone, Copy)]
struct Window {
    opened: Micros,
    count: u32,
    span: Duration,
}

/// The counters of this node.
#[derive(Default)]
pub struct Limits(Mutex<Windows>);

#[derive(Default)]
struct Windows {
    open: HashMap<(&'static str, String), Window>,
    /// At so many keys those whose window is over are dropped; twice what was left the time before, so that a flood of
    /// keys does not buy a sweep with each.
    sweep_at: usize,
}

impl Windows {
    fn sweep(&mut self, now: Micros) {
        if self.open.len() > self.sweep_at.max(SWEEP_FROM) {
            self.open
                .retain(|_, window| now.since(window.opened) < window.span);
            self.sweep_at = self.open.len() * 2;
        }
    }
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Limits")
    }
}

impl Limits {
    /// Refuses when the bound is reached; counts nothing.
    pub(crate) fn check(&self, limit: Limit, key: &str, now: Micros) -> Result<()> {
        self.at(limit, key, now, 0)
    }

    /// Counts one.
    pub(crate) fn count(&self, limit: Limit, key: &str, now: Micros) {
        let _ = self.at(limit, key, now, 1);
    }

    /// Refuses when the bound is reached, else counts one.
    pub(crate) fn take(&self, limit: Limit, key: &str, now: Micros) -> Result<()> {
        self.at(limit, key, now, 1)
    }

    /// Takes back one that was counted.
    pub(crate) fn give_back(&self, limit: Limit, key: &str) {
        if let Some(window) = self.0.lock().open.get_mut(&(limit.name, key.to_owned())) {
            window.count = window.count.saturating_sub(1);
        }
    }

    fn at(&self, limit: Limit, key: &str, now: Micros, add: u32) -> Result<()> {
        let mut windows = self.0.lock();
        windows.sweep(now);
        let full_key = (limit.name, key.to_owned());
        let fresh = Window {
            opened: now,
            count: 0,
            span: limit.span,
        };
        let mut window = windows
            .open
            .get(&full_key)
            .copied()
            .filter(|window| now.since(window.opened) < limit.span)
            .unwrap_or(fresh);
        if window.count >= limit.most {
            let left = limit.span.saturating_sub(now.since(window.opened));
            return Err(Error::rate_limited(
                u32::try_from(left.as_secs() + 1).unwrap_or(u32::MAX),
            ));
        }
        if add > 0 {
            window.count += add;
            windows.open.insert(full_key, window);
        }
        Ok(())
    }
}

/// One address in one tenant, however it is spelt.
pub(crate) fn email_key(cx: &Cx, email: &Email) -> String {
    format!("{}/{}", cx.tenant.id, email.canonical())
}

/// The client's block: an IPv4 address, or the /64 of an IPv6 one.
pub(crate) fn address_key(cx: &Cx) -> String {
    let block = match cx.client.address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        None => "unknown".to_owned(),
    };
    format!("{}/{block}", cx.tenant.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_window_fills_refuses_and_opens_again() {
        let limits = Limits::default();
        let at = |seconds: i64| Micros(seconds * 1_000_000);
        for _ in 0..EMAIL_EXISTS.most() {
            limits.take(EMAIL_EXISTS, "a", at(10)).unwrap();
        }
        let refused = limits.take(EMAIL_EXISTS, "a", at(40)).unwrap_err();
        assert_eq!(
            (refused.kind, refused.retry_after),
            (Kind::RateLimited, Some(31))
        );
        limits.give_back(EMAIL_EXISTS, "a");
        limits.take(EMAIL_EXISTS, "a", at(40)).unwrap();
        limits.take(EMAIL_EXISTS, "a", at(40)).unwrap_err();
        limits.give_back(EMAIL_EXISTS, "c");
        limits.take(EMAIL_EXISTS, "b", at(40)).unwrap();
        limits.take(UID_MISMATCH, "a", at(40)).unwrap();
        limits.take(EMAIL_EXISTS, "a", at(70)).unwrap();
    }
}
