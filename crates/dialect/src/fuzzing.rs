//! Parsers by themselves, for the fuzzers.

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, header};

use crate::{body, json, load};

/// Whether the body has fields that a dialect could map. The whole body is there, so nothing is waited for.
pub fn body_is_read(media_type: &str, bytes: &[u8]) -> bool {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(media_type) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    let body = Ok(Bytes::copy_from_slice(bytes));
    let fields = body::fields(&headers, &body).now_or_never();
    fields.is_some_and(|fields| fields.is_ok())
}

/// Whether these bytes are JSON as dialects read it.
pub fn json_is_read(bytes: &[u8]) -> bool {
    json::parse(bytes).is_ok()
}

/// Whether the text is a dialect; every problem that it has is put into words.
pub fn dialect_is_read(text: &str) -> bool {
    match load::parse("dialect.toml", text) {
        Ok(_) => true,
        Err(problems) => problems
            .iter()
            .all(|problem| problem.to_string().is_empty()),
    }
}
