//! Reading bodies, never beyond the limits of size and time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use vestibule_identity::address_block;

const LIMIT: usize = 64 * 1024;
/// Nearly every body is shorter.
const SHORT: usize = 8 * 1024;
/// So many longer ones are read at the same time, or thousands of clients that stall would fill the memory.
const LONG_AT_ONCE: usize = 512;
/// So many of them for one client, so that its own wait when it stalls.
const LONG_OF_ONE: usize = 8;
/// And for one IPv6 network, whose owner has thousands of clients' blocks.
const LONG_OF_NETWORK: usize = 64;
static LONG: Semaphore = Semaphore::const_new(LONG_AT_ONCE);
/// By address block and by network, while somebody reads or waits.
static SHARES: Mutex<Option<HashMap<String, Arc<Semaphore>>>> = Mutex::new(None);
/// From the head to the last byte: over 6 KiB a second for the longest.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFault {
    TooLarge,
    TooSlow,
    Broken,
}

/// The whole body; one whose announced length is beyond the limit is not read at all.
pub(crate) async fn read(
    client: Option<IpAddr>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Bytes, BodyFault> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let announced = announced.unwrap_or_default();
    if announced > LIMIT as u64 {
        return Err(BodyFault::TooLarge);
    }
    let whole = whole(client, body, announced > SHORT as u64);
    let whole = tokio::time::timeout(TIMEOUT, whole);
    whole.await.unwrap_or(Err(BodyFault::TooSlow))
}

/// What is going to be long waits for its turn before it is read.
async fn whole(client: Option<IpAddr>, body: Body, is_long: bool) -> Result<Bytes, BodyFault> {
    let mut turn_taken = if is_long { turn(client).await } else { None };
    let (mut body, mut whole) = (pin!(Limited::new(body, LIMIT)), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error.is::<LengthLimitError>() {
            true => BodyFault::TooLarge,
            false => BodyFault::Broken,
        })?;
        let data = frame.into_data().unwrap_or_default();
        if turn_taken.is_none() && whole.len() + data.len() > SHORT {
            turn_taken = turn(client).await;
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// The right to read a long body. Given back in the order of the fields.
struct Turn {
    _all: SemaphorePermit<'static>,
    _of_network: Option<Taken>,
    _own: Taken,
}

async fn turn(client: Option<IpAddr>) -> Option<Turn> {
    let block = client.map(address_block).unwrap_or_default();
    let own = Share::of(block, LONG_OF_ONE).take().await?;
    let of_network = match client.and_then(network) {
        Some(network) => Some(Share::of(network, LONG_OF_NETWORK).take().await?),
        None => None,
    };
    let all = LONG.acquire().await.ok()?;
    Some(Turn {
        _all: all,
        _of_network: of_network,
        _own: own,
    })
}

/// The /48 that sites are given, of an IPv6 address; IPv4 has none.
fn network(address: IpAddr) -> Option<String> {
    match address.to_canonical() {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            Some(format!("{a:x}:{b:x}:{c:x}::/48"))
        }
    }
}

/// The share of the turns that some addresses have, forgotten when nobody has it any more.
struct Share {
    of: String,
    turns: Arc<Semaphore>,
}

struct Taken {
    _turn: OwnedSemaphorePermit,
    _share: Share,
}

impl Share {
    fn of(of: String, size: usize) -> Share {
        let mut shares = SHARES.lock();
        let turns = shares.get_or_insert_default().entry(of.clone());
        let turns = Arc::clone(turns.or_insert_with(|| Arc::new(Semaphore::new(size))));
        Share { of, turns }
    }

    async fn take(self) -> Option<Taken> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok()?;
        Some(Taken {
            _turn: turn,
            _share: self,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut shares = SHARES.lock();
        // The table's and this one.
        if Arc::strong_count(&self.turns) == 2
            && let Some(shares) = shares.as_mut()
        {
            shares.remove(&self.of);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::HeaderValue;

    use super::*;

    /// The turns are the whole process's.
    static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    fn stalled() -> Body {
        Body::from_stream(futures_util::stream::pending::<Result<Bytes, Infallible>>())
    }

    fn announcing(length: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from_static(length))])
    }

    fn from(host: u8) -> Option<IpAddr> {
        Some([198, 51, 100, host].into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let read = read(None, &HeaderMap::new(), stalled()).await;
        assert_eq!(read, Err(BodyFault::TooSlow));
    }

    #[tokio::test(start_paused = true)]
    async fn long_bodies_that_stall_hold_up_their_own_client_first() {
        let _alone = ONE_AT_A_TIME.lock().await;
        let stall = |host| async move { read(from(host), &announcing("60000"), stalled()).await };
        let timed = async |host, body: Vec<u8>| {
            let begun = tokio::time::Instant::now();
            let read = read(from(host), &HeaderMap::new(), Body::from(body)).await;
            (read.map(|body| body.len()), begun.elapsed())
        };
        let (short, long) = (vec![b'x'; 5], vec![b'x'; SHORT + 1]);
        // Those whose address is not known have one share, too.
        let of_nobody = (0..LONG_OF_ONE).map(|_| async {
            let body = Body::from(vec![b'x'; SHORT + 1]);
            read(None, &announcing("60000"), body).await
        });
        let read_all = futures_util::future::join_all(of_nobody).await;
        assert!(read_all.iter().all(Result::is_ok), "{read_all:?}");
        let of_one = (0..2 * LONG_AT_ONCE).map(|_| stall(1));
        let of_one = tokio::spawn(futures_util::future::join_all(of_one.collect::<Vec<_>>()));
        for _ in 0..LONG_AT_ONCE {
            tokio::task::yield_now().await;
        }
        assert_eq!(LONG.available_permits(), LONG_AT_ONCE - LONG_OF_ONE);
        for (host, body) in [(1, &short), (2, &short), (2, &long)] {
            let read = timed(host, body.clone()).await;
            assert_eq!(read, (Ok(body.len()), Duration::ZERO), "{host}");
        }
        let of_many = (1..=LONG_AT_ONCE).map(|at| stall((at / LONG_OF_ONE) as u8 + 2));
        let of_many = tokio::spawn(futures_util::future::join_all(of_many.collect::<Vec<_>>()));
        // Some dozens begin at a time.
        for _ in 0..LONG_AT_ONCE {
            tokio::task::yield_now().await;
        }
        assert_eq!(LONG.available_permits(), 0);
        assert_eq!(timed(200, short).await, (Ok(5), Duration::ZERO));
        let begun = tokio::time::Instant::now();
        let late = whole(from(200), Body::from(long), true).await;
        let late = (late.map(|body| body.len()), begun.elapsed());
        assert_eq!(
            late,
            (Ok(SHORT + 1), TIMEOUT),
            "until the first are given up"
        );
        for told in of_one
            .await
            .unwrap()
            .into_iter()
            .chain(of_many.await.unwrap())
        {
            assert_eq!(told, Err(BodyFault::TooSlow));
        }
        assert_eq!(LONG.available_permits(), LONG_AT_ONCE);
        assert_eq!(SHARES.lock().as_ref().map(HashMap::len), Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_a_network_of_blocks_has_one_share() {
        let _alone = ONE_AT_A_TIME.lock().await;
        let stall = |at: usize| async move {
            let client: IpAddr = [0x2001, 0xdb8, 7, at as u16, 0, 0, 0, 1].into();
            read(Some(client), &announcing("60000"), stalled()).await
        };
        let stalling: Vec<_> = (0..2 * LONG_AT_ONCE).map(stall).collect();
        let stalling = tokio::spawn(futures_util::future::join_all(stalling));
        for _ in 0..LONG_AT_ONCE {
            tokio::task::yield_now().await;
        }
        assert_eq!(LONG.available_permits(), LONG_AT_ONCE - LONG_OF_NETWORK);
        stalling.await.unwrap();
        assert_eq!(SHARES.lock().as_ref().map(HashMap::len), Some(0));
    }

    #[tokio::test]
    async fn the_limit_is_exact_and_announcements_count() {
        let _alone = ONE_AT_A_TIME.lock().await;
        let read_of = async |length: usize| {
            read(None, &HeaderMap::new(), Body::from(vec![b'x'; length]))
                .await
                .map(|body| body.len())
        };
        assert_eq!(read_of(LIMIT).await, Ok(LIMIT));
        assert_eq!(read_of(LIMIT + 1).await, Err(BodyFault::TooLarge));
        let announced = read(None, &announcing("65537"), Body::from("short")).await;
        assert_eq!(announced, Err(BodyFault::TooLarge));
    }
}
