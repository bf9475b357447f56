//! Places for connections: so many at once. Whoever comes when all are taken gets that of somebody who holds many and
//! keeps one without giving us anything to do, so that no client can keep the others out.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use vestibule_identity::address_block;

/// A connection that has just come, or a request that is arriving, is waited for so long.
const ARRIVING: Duration = Duration::from_secs(1);
/// A whole request in hand protects its connection for so long; no honest one needs more.
const IN_HAND: Duration = Duration::from_secs(5);
/// Connections become dispensable by time, which nobody tells.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Who floods us does not also fill the log.
const COMPLAIN_AGAIN: Duration = Duration::from_secs(10);

pub(super) struct Places {
    most: usize,
    started: Instant,
    taken: Mutex<Taken>,
    left: Notify,
    /// Milliseconds of `started` before which no connection that failed is logged.
    quiet_until: AtomicU64,
}

#[derive(Default)]
struct Taken {
    count: usize,
    next: u64,
    /// By the clients' address blocks, then in the order of their coming.
    blocks: HashMap<String, BTreeMap<u64, Arc<Seat>>>,
}

/// What a connection does with its place.
struct Seat {
    /// Milliseconds of `started` from which it may have to go.
    until: AtomicU64,
    told_to_leave: Notify,
}

/// Held for as long as the connection is open.
pub(super) struct Place {
    places: Arc<Places>,
    block: String,
    number: u64,
    seat: Arc<Seat>,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Places> {
        Arc::new(Places {
            most,
            started: Instant::now(),
            taken: Mutex::default(),
            left: Notify::new(),
            quiet_until: AtomicU64::new(0),
        })
    }

    /// Waits until somebody may come in.
    pub(super) async fn room(&self) {
        loop {
            let left = self.left.notified();
            {
                let taken = self.taken.lock();
                if taken.count < self.most || taken.dispensable(self.now()).is_some() {
                    return;
                }
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, left).await;
        }
    }

    /// A place for a new connection. Where all are taken, somebody dispensable loses his.
    pub(super) fn take(self: &Arc<Places>, peer: SocketAddr) -> Place {
        let block = address_block(peer.ip());
        let seat = Arc::new(Seat {
            until: AtomicU64::new(self.after(ARRIVING)),
            told_to_leave: Notify::new(),
        });
        let mut taken = self.taken.lock();
        if taken.count >= self.most {
            taken.dismiss(self.now());
        }
        let number = taken.next;
        taken.next += 1;
        taken.count += 1;
        let seats = taken.blocks.entry(block.clone()).or_default();
        seats.insert(number, Arc::clone(&seat));
        drop(taken);
        Place {
            places: Arc::clone(self),
            block,
            number,
            seat,
        }
    }

    /// Closes a quiet connection, where there is one: something else than places has run out.
    pub(super) fn make_room(&self) {
        self.taken.lock().dismiss(self.now());
    }

    /// Whether a connection that could not be accepted is worth another line in the log.
    pub(super) fn may_complain(&self) -> bool {
        let may = self.quiet_until.load(Ordering::Relaxed) <= self.now();
        if may {
            let next = self.after(COMPLAIN_AGAIN);
            self.quiet_until.store(next, Ordering::Relaxed);
        }
        may
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn after(&self, span: Duration) -> u64 {
        self.now() + span.as_millis() as u64
    }
}

impl Taken {
    /// The longest-standing dispensable connection of the block that has most, or nearly so. Who holds few is left alone
    /// for as long as somebody else holds many.
    fn dispensable(&self, now: u64) -> Option<(String, u64)> {
        let most = self.blocks.values().map(BTreeMap::len).max()?;
        let candidates = self.blocks.iter().filter_map(|(block, seats)| {
            if seats.len() < most.div_ceil(2) {
                return None;
            }
            let (number, _) = seats.iter().find(|(_, seat)| seat.is_dispensable(now))?;
            Some((seats.len(), Reverse(*number), block))
        });
        let (_, Reverse(number), block) = candidates.max()?;
        Some((block.clone(), number))
    }

    fn dismiss(&mut self, now: u64) {
        if let Some((block, number)) = self.dispensable(now)
            && let Some(seat) = self.remove(&block, number)
        {
            tracing::debug!(client = block, "closing a quiet connection to make room");
            seat.told_to_leave.notify_one();
        }
    }

    fn remove(&mut self, block: &str, number: u64) -> Option<Arc<Seat>> {
        let seats = self.blocks.get_mut(block)?;
        let seat = seats.remove(&number)?;
        if seats.is_empty() {
            self.blocks.remove(block);
        }
        self.count -= 1;
        Some(seat)
    }
}

impl Seat {
    fn is_dispensable(&self, now: u64) -> bool {
        self.until.load(Ordering::Relaxed) <= now
    }
}

impl Place {
    /// Ends when the place was given to somebody else.
    pub(super) fn lost(&self) -> impl Future<Output = ()> + use<> {
        let seat = Arc::clone(&self.seat);
        async move { seat.told_to_leave.notified().await }
    }

    /// A request has begun to come.
    pub(super) fn receives(&self) {
        self.protect(self.places.after(ARRIVING));
    }

    /// A request is here as a whole.
    pub(super) fn works(&self) {
        self.protect(self.places.after(IN_HAND));
    }

    /// Its answer is ready.
    pub(super) fn rests(&self) {
        self.protect(0);
    }

    fn protect(&self, until: u64) {
        self.seat.until.store(until, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.lock().remove(&self.block, self.number);
        self.places.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(host: u8) -> SocketAddr {
        ([198, 51, 100, host], 4_000).into()
    }

    fn has_lost(place: &Place) -> bool {
        let lost = std::pin::pin!(place.lost());
        let waker = std::task::Waker::noop();
        lost.poll(&mut std::task::Context::from_waker(waker))
            .is_ready()
    }

    /// Asserts how long somebody waits for room, as exactly as timers are.
    async fn assert_waits(places: &Places, expected: Duration) {
        let before = Instant::now();
        places.room().await;
        let waited = before.elapsed();
        let timers = Duration::from_millis(2);
        assert!(
            waited + timers >= expected && waited <= expected + LOOK_AGAIN + timers,
            "{waited:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_quiet_one_of_those_who_hold_most_has_to_go() {
        let places = Places::new(4);
        let (lonely, first) = (places.take(from(1)), places.take(from(2)));
        let (second, third) = (places.take(from(2)), places.take(from(2)));
        tokio::time::sleep(ARRIVING).await;
        first.works();
        assert_waits(&places, Duration::ZERO).await;
        let newcomer = places.take(from(3));
        assert!(has_lost(&second));
        for stays in [&lonely, &first, &third, &newcomer] {
            assert!(!has_lost(stays));
        }
        drop(second);
        assert_eq!(places.taken.lock().count, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn who_holds_few_keeps_them_while_somebody_holds_many() {
        let places = Places::new(5);
        let quiet = places.take(from(1));
        let many = [0; 4].map(|_| places.take(from(2)));
        tokio::time::sleep(ARRIVING).await;
        quiet.rests();
        many.iter().for_each(Place::receives);
        assert_waits(&places, ARRIVING).await;
        let _newcomer = places.take(from(3));
        assert!(has_lost(&many[0]) && !has_lost(&quiet));
    }

    #[tokio::test(start_paused = true)]
    async fn who_works_is_left_alone_for_a_while() {
        let places = Places::new(2);
        let (first, second) = (places.take(from(1)), places.take(from(2)));
        first.works();
        second.works();
        assert_waits(&places, IN_HAND).await;
        let _third = places.take(from(3));
        assert!(has_lost(&first) && !has_lost(&second));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_logged_now_and_then() {
        let places = Places::new(1);
        let mut lines = 0;
        for _ in 0..301 {
            lines += u32::from(places.may_complain());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(lines, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_left_is_free() {
        let places = Places::new(1);
        let first = places.take(from(1));
        first.works();
        let waiting = tokio::spawn({
            let places = Arc::clone(&places);
            async move { assert_waits(&places, Duration::ZERO).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
        assert!(places.taken.lock().blocks.is_empty());
    }
}
