//! Places for connections: so many at once. Whoever comes when all are taken gets that of somebody who holds many and
//! does nothing with one of them, so that no client can keep the others out.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use vestibule_identity::address_block;

/// A request in hand protects its connection for so long; no honest one needs more.
const PROTECTED: Duration = Duration::from_secs(5);

pub(super) struct Places {
    most: usize,
    started: Instant,
    taken: Mutex<Taken>,
    left: Notify,
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
    /// Milliseconds of `started` at which the request in hand began; `IDLE` without one.
    busy_since: AtomicU64,
    told_to_leave: Notify,
}

const IDLE: u64 = u64::MAX;

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
            // Seats become dispensable by time as well, which nobody tells.
            let _ = tokio::time::timeout(PROTECTED / 5, left).await;
        }
    }

    /// A place for a new connection. Where all are taken, somebody dispensable loses his.
    pub(super) fn take(self: &Arc<Places>, peer: SocketAddr) -> Place {
        let block = address_block(peer.ip());
        let seat = Arc::new(Seat {
            busy_since: AtomicU64::new(IDLE),
            told_to_leave: Notify::new(),
        });
        let mut taken = self.taken.lock();
        if taken.count >= self.most
            && let Some((block, number)) = taken.dispensable(self.now())
            && let Some(seat) = taken.remove(&block, number)
        {
            tracing::debug!(client = block, "closing a quiet connection to make room");
            seat.told_to_leave.notify_one();
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

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(IDLE - 1)
    }
}

impl Taken {
    /// The longest-standing connection without a request, or with one that takes too long, of the block that has most.
    fn dispensable(&self, now: u64) -> Option<(String, u64)> {
        let quiet = |seats: &BTreeMap<u64, Arc<Seat>>| {
            let found = seats.iter().find(|(_, seat)| seat.is_dispensable(now));
            found.map(|(number, _)| *number)
        };
        let candidates = self.blocks.iter().filter_map(|(block, seats)| {
            let number = quiet(seats)?;
            Some((seats.len(), std::cmp::Reverse(number), block))
        });
        let (_, std::cmp::Reverse(number), block) = candidates.max()?;
        Some((block.clone(), number))
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
        let since = self.busy_since.load(Ordering::Relaxed);
        since == IDLE || now.saturating_sub(since) > PROTECTED.as_millis() as u64
    }
}

impl Place {
    /// Ends when the place was given to somebody else.
    pub(super) fn lost(&self) -> impl Future<Output = ()> + use<> {
        let seat = Arc::clone(&self.seat);
        async move { seat.told_to_leave.notified().await }
    }

    /// A request has come.
    pub(super) fn works(&self) {
        self.seat
            .busy_since
            .store(self.places.now(), Ordering::Relaxed);
    }

    /// Its answer is ready.
    pub(super) fn rests(&self) {
        self.seat.busy_since.store(IDLE, Ordering::Relaxed);
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

    #[tokio::test(start_paused = true)]
    async fn the_oldest_quiet_one_of_those_who_hold_most_has_to_go() {
        let places = Places::new(4);
        let (lonely, first) = (places.take(from(1)), places.take(from(2)));
        let (second, third) = (places.take(from(2)), places.take(from(2)));
        first.works();
        places.room().await;
        let newcomer = places.take(from(3));
        assert!(has_lost(&second));
        for stays in [&lonely, &first, &third, &newcomer] {
            assert!(!has_lost(stays));
        }
        drop(second);
        assert_eq!(places.taken.lock().count, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn who_answers_is_left_alone_for_a_while() {
        let places = Places::new(2);
        let (first, second) = (places.take(from(1)), places.take(from(2)));
        first.works();
        second.works();
        let waits = tokio::time::timeout(PROTECTED, places.room());
        waits.await.unwrap_err();
        tokio::time::timeout(PROTECTED, places.room())
            .await
            .unwrap();
        let _third = places.take(from(3));
        assert!(has_lost(&first) && !has_lost(&second));
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_left_is_free() {
        let places = Places::new(1);
        let first = places.take(from(1));
        first.works();
        let waiting = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.room().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        let before = Instant::now();
        drop(first);
        waiting.await.unwrap();
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert!(places.taken.lock().blocks.is_empty());
    }
}
