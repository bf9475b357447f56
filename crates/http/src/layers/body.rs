//! Reading bodies, never beyond the limit.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

const LIMIT: usize = 64 * 1024;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFault {
    TooLarge,
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
    match Limited::new(body, LIMIT).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyFault::TooLarge),
        Err(_) => Err(BodyFault::Broken),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

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
