//! When to try again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often a closure is run before the caller hears [`Error::Busy`](crate::Error::Busy).
pub(super) const ATTEMPTS: u32 = 8;

/// When to run a transaction again: from half to all of 2, 4, 8 … 256 ms. Two that collided should not meet again.
fn delay(attempt: u32) -> Duration {
    within(Duration::from_millis(2 << attempt.min(7)))
}

/// Lets the time pass before a transaction is run again.
#[expect(clippy::disallowed_methods, reason = "no runtime thread runs this")]
pub(super) fn pass(attempt: u32) {
    std::thread::sleep(delay(attempt));
}

/// When to try a server again that could not be reached: from half to all of 50, 100 … 800 ms.
pub(super) fn pause(failures: u32) -> Duration {
    within(Duration::from_millis(50 << failures.min(4)))
}

/// One of `0..count`, another on each node.
pub(super) fn spread(count: usize) -> usize {
    usize::try_from(turn() >> 32).unwrap_or(0) % count.max(1)
}

fn within(full: Duration) -> Duration {
    full / 2
        + Duration::from_nanos(
            u64::try_from(full.as_nanos() / 2).unwrap_or(0) / 1024 * (turn() >> 54),
        )
}

/// Multiples of the golden ratio spread evenly, whatever number of callers takes a turn; each process begins elsewhere.
fn turn() -> u64 {
    static TURN: LazyLock<AtomicU64> =
        LazyLock::new(|| AtomicU64::new(RandomState::new().build_hasher().finish()));
    TURN.fetch_add(1, Ordering::Relaxed)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_within_bounds_and_differ() {
        for attempt in 0..ATTEMPTS {
            let full = Duration::from_millis(2 << attempt);
            let (a, b) = (delay(attempt), delay(attempt));
            assert!(
                a >= full / 2 && a <= full && a != b,
                "{attempt} {a:?} {b:?}"
            );
        }
        assert!(pause(0) <= Duration::from_millis(50));
        let long = pause(1000);
        assert!(long >= Duration::from_millis(400) && long <= Duration::from_millis(800));
    }
}
