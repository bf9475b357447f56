//! Reading bodies, never beyond the limits of size and time.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

const LIMIT: usize = 64 * 1024;
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
    if announced.is_some_and(|length| length > LIMIT as u64) {
        return Err(BodyFault::TooLarge);
    }
    whole(body, TIMEOUT).await
}

async fn whole(body: Body, timeout: Duration) -> Result<Bytes, BodyFault> {
    match tokio::time::timeout(timeout, Limited::new(body, LIMIT).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyFault::TooLarge),
        Ok(Err(_)) => Err(BodyFault::Broken),
        Err(_) => Err(BodyFault::TooSlow),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::HeaderValue;

    use super::*;

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let stalled = futures_util::stream::pending::<Result<Bytes, Infallible>>();
        let read = whole(Body::from_stream(stalled), Duration::from_millis(5)).await;
        assert_eq!(read, Err(BodyFault::TooSlow));
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
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("65537"));
        assert_eq!(
            read(&headers, Body::from("short")).await,
            Err(BodyFault::TooLarge)
        );
    }
}
