//! How long templates of others may take.
//!
//! They are bounded in steps, but some steps cost a thousand times what others do. So their work is done off the workers that go
//! on with other requests, and only by some of the processors; and one that was slow once is passed over from then on.

use std::num::NonZero;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

/// Processor time of a rendering that is too much; ours take some milliseconds.
const SLOW: Duration = Duration::from_millis(100);
/// Renderings of one tenant wait for no more work of its own than this: a flood there leaves the others their turns.
const OWN_WORK: Duration = Duration::from_millis(150);
/// Nobody waits longer for a turn: then a page of ours is better than none.
const WAIT: Duration = Duration::from_millis(300);
/// More than these do not wait at all: each takes a thread.
const MOST_WAITING: usize = 64;

static TURNS: LazyLock<Turns> = LazyLock::new(|| {
    let processors = available_parallelism().map_or(1, NonZero::get);
    Turns::new((processors / 2).max(1))
});

/// What became of an engine's work.
pub(super) enum Tried<T> {
    Filled(T),
    /// It is there, but took so much processor time that it is the last from this engine.
    Slow(Duration, T),
    /// It was slow before.
    PassedOver,
    /// How often that has happened.
    NoTurn(u64),
}

/// What is known of the templates of one tenant, or of the operator.
#[derive(Debug, Default)]
pub(super) struct Pace {
    slow: AtomicBool,
    /// Microseconds of processor time that a rendering takes, smoothed.
    cost: AtomicU64,
    /// Renderings that work or wait.
    at_once: AtomicU64,
    turned_away: AtomicU64,
}

/// A rendering that works or waits.
struct Coming<'a>(&'a Pace);

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        self.0.at_once.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pace {
    pub(super) fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed)
    }

    /// `None`: too much work of the same is waiting.
    fn come(&self) -> Option<Coming<'_>> {
        let before = self.at_once.fetch_add(1, Ordering::Relaxed);
        let coming = Coming(self);
        let work = before.saturating_mul(self.cost.load(Ordering::Relaxed));
        (Duration::from_micros(work) <= OWN_WORK).then_some(coming)
    }

    /// Whether this was the first that took too long.
    fn learn(&self, took: Duration) -> bool {
        let (took, before) = (micros(took), self.cost.load(Ordering::Relaxed));
        let cost = if before == 0 {
            took
        } else {
            (before * 7 + took) / 8
        };
        self.cost.store(cost, Ordering::Relaxed);
        took > micros(SLOW) && !self.slow.swap(true, Ordering::Relaxed)
    }

    fn turn_away<T>(&self) -> Tried<T> {
        Tried::NoTurn(self.turned_away.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// Makes the engine and fills a template in a turn of their own, unless one was slow before.
pub(super) fn patiently<E, T>(
    pace: &Pace,
    engine: impl FnOnce() -> E,
    fill: impl FnOnce(E) -> T,
) -> Tried<T> {
    if pace.is_slow() {
        return Tried::PassedOver;
    }
    let Some(_coming) = pace.come() else {
        return pace.turn_away();
    };
    let tried = in_turn(&TURNS, || {
        // Others may have found out while this one waited.
        if pace.is_slow() {
            return Tried::PassedOver;
        }
        let engine = engine();
        let begin = thread_time();
        let filled = fill(engine);
        let took = thread_time().saturating_sub(begin);
        match pace.learn(took) {
            true => Tried::Slow(took, filled),
            false => Tried::Filled(filled),
        }
    });
    tried.unwrap_or_else(|| pace.turn_away())
}

/// The processor time that this thread has had: waiting for a processor is not the template's fault.
fn thread_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime)
        .try_into()
        .unwrap_or_default()
}

/// Does the work where it keeps no other task from going on, if it gets a turn. Without workers there is nobody to keep.
fn in_turn<T>(turns: &Turns, work: impl FnOnce() -> T) -> Option<T> {
    let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    if !matches!(flavor, Ok(RuntimeFlavor::MultiThread)) {
        return Some(work());
    }
    block_in_place(|| {
        let _turn = turns.take(WAIT)?;
        Some(work())
    })
}

/// So many may work at once.
struct Turns {
    state: Mutex<State>,
    given_back: Condvar,
}

struct State {
    free: usize,
    waiting: usize,
}

struct Turn<'a>(&'a Turns);

impl Turns {
    fn new(free: usize) -> Turns {
        let state = State { free, waiting: 0 };
        Turns {
            state: Mutex::new(state),
            given_back: Condvar::new(),
        }
    }

    /// Blocks for at most that long.
    fn take(&self, wait: Duration) -> Option<Turn<'_>> {
        let mut state = self.state.lock();
        if state.free == 0 && state.waiting < MOST_WAITING {
            state.waiting += 1;
            let is_taken = |state: &mut State| state.free == 0;
            self.given_back.wait_while_for(&mut state, is_taken, wait);
            state.waiting -= 1;
        }
        state.free = state.free.checked_sub(1)?;
        Some(Turn(self))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state.lock().free += 1;
        self.0.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests;
