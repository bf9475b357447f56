//! Reading bodies, never beyond the limits of size and time.

use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::Semaphore;

const LIMIT: usize = 64 * 1024;
/// Nearly every body is shorter.
const SHORT: usize = 8 * 1024;
/// So many longer ones are read at the same time, or thousands of clients that stall would fill the memory.
static LONG: Semaphore = Semaphore::const_new(512);
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
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, BodyFault> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let announced = announced.unwrap_or_default();
    if announced > LIMIT as u64 {
        return Err(BodyFault::TooLarge);
    }
    let whole = tokio::time::timeout(TIMEOUT, whole(body, announced > SHORT as u64));
    whole.await.unwrap_or(Err(BodyFault::TooSlow))
}

/// What is going to be long waits for its turn before it is read.
async fn whole(body: Body, is_long: bool) -> Result<Bytes, BodyFault> {
    let turn = async || LONG.acquire().await.ok();
    let mut turn_taken = if is_long { turn().await } else { None };
    let (mut body, mut whole) = (pin!(Limited::new(body, LIMIT)), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error.is::<LengthLimitError>() {
            true => BodyFault::TooLarge,
            false => BodyFault::Broken,
        })?;
        let data = frame.into_data().unwrap_or_default();
        if turn_taken.is_none() && whole.len() + data.len() > SHORT {
            turn_taken = turn().await;
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::HeaderValue;

    use super::*;

    fn stalled() -> Body {
        Body::from_stream(futures_util::stream::pending::<Result<Bytes, Infallible>>())
    }

    fn announcing(length: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from_static(length))])
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let read = read(&HeaderMap::new(), stalled()).await;
        assert_eq!(read, Err(BodyFault::TooSlow));
    }

    #[tokio::test(start_paused = true)]
    async fn long_bodies_that_stall_hold_up_long_ones_only() {
        let places = LONG.available_permits();
        let reads = (0..2 * places).map(|_| async { read(&announcing("60000"), stalled()).await });
        let reads = tokio::spawn(futures_util::future::join_all(reads.collect::<Vec<_>>()));
        tokio::task::yield_now().await;
        assert_eq!(LONG.available_permits(), 0);
        let short = read(&announcing("5"), Body::from("short")).await;
        assert_eq!(short, Ok(Bytes::from("short")));
        let chunked = Body::from(vec![b'x'; SHORT + 1]);
        let (begun, long) = (
            tokio::time::Instant::now(),
            tokio::spawn(whole(chunked, false)),
        );
        assert_eq!(long.await.unwrap().map(|body| body.len()), Ok(SHORT + 1));
        assert_eq!(
            begun.elapsed(),
            TIMEOUT,
            "until the first ones are given up"
        );
        for told in reads.await.unwrap() {
            assert_eq!(told, Err(BodyFault::TooSlow));
        }
        assert_eq!(LONG.available_permits(), places);
    }

    #[tokio::test]
    async fn the_limit_is_exact_and_announcements_count() {
        let read_of = async |length: usize| {
            read(&HeaderMap::new(), Body::from(vec![b'x'; length]))
                .await
                .map(|body| body.len())
        };
        assert_eq!(read_of(LIMIT).await, Ok(LIMIT));
        assert_eq!(read_of(LIMIT + 1).await, Err(BodyFault::TooLarge));
        let announced = read(&announcing("65537"), Body::from("short")).await;
        assert_eq!(announced, Err(BodyFault::TooLarge));
    }
}
