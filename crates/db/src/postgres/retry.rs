//! When to run a transaction again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often a closure is run before the caller hears [`Error::Busy`](crate::Error::Busy).
pub(super) const ATTEMPTS: u32 = 8;

/// From half to all of 2, 4, 8 … 256 ms: two transactions that collided should not meet again.
pub(super) fn delay(attempt: u32) -> Duration {
    static TURN: AtomicU64 = AtomicU64::new(0);
    // Multiples of the golden ratio spread evenly, whatever number of callers takes a turn.
    let turn = TURN
        .fetch_add(1, Ordering::Relaxed)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let full = 2_000_u64 << attempt.min(7);
    Duration::from_micros(full / 2 + (turn >> 32) * (full / 2) / (1 << 32))
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
    }
}
