//! Times as commands print them.

use vestibule_identity::Micros;

/// For names of files: `20261231T235959Z`.
pub(crate) fn compact(at: Micros) -> String {
    at.rfc3339().replace(['-', ':'], "")
}

/// RFC 3339, or `-`.
pub(crate) fn or_dash(at: Option<Micros>) -> String {
    at.map_or_else(|| "-".to_owned(), Micros::rfc3339)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms() {
        assert_eq!(or_dash(None), "-");
        assert_eq!(compact(Micros(0)), "19700101T000000Z");
    }
}
