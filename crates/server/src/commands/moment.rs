//! Times as commands print them.

use chrono::{DateTime, SecondsFormat};
use vestibule_identity::Micros;

/// RFC 3339 in UTC, whole seconds.
pub(crate) fn rfc3339(at: Micros) -> String {
    DateTime::from_timestamp(at.secs(), 0).map_or_else(
        || at.0.to_string(),
        |at| at.to_rfc3339_opts(SecondsFormat::Secs, true),
    )
}

/// For names of files: `20261231T235959Z`.
pub(crate) fn compact(at: Micros) -> String {
    rfc3339(at).replace(['-', ':'], "")
}

/// RFC 3339, or `-`.
pub(crate) fn or_dash(at: Option<Micros>) -> String {
    at.map_or_else(|| "-".to_owned(), rfc3339)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_to_the_second() {
        assert_eq!(
            rfc3339(Micros(1_700_000_000_999_999)),
            "2023-11-14T22:13:20Z"
        );
        assert_eq!(rfc3339(Micros(0)), "1970-01-01T00:00:00Z");
        assert_eq!(or_dash(None), "-");
        assert_eq!(compact(Micros(0)), "19700101T000000Z");
    }
}
