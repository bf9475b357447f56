//! The bearer credential of a request (RFC 6750, section 2.1).

use http::{HeaderMap, HeaderName};

/// The one credential that the headers carry; `None` when there is none, one is malformed, or two differ.
pub(crate) fn of<'h>(headers: &'h HeaderMap, names: &[HeaderName]) -> Option<&'h str> {
    let mut found = None;
    for value in names.iter().flat_map(|name| headers.get_all(name)) {
        let token = value.to_str().ok().and_then(token)?;
        if found.is_some_and(|earlier| earlier != token) {
            return None;
        }
        found = Some(token);
    }
    found
}

fn token(value: &str) -> Option<&str> {
    let (scheme, rest) = value.trim().split_once(' ')?;
    let token = rest.trim_start_matches(' ');
    let plain = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic() && b != b',');
    (scheme.eq_ignore_ascii_case("bearer") && plain).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(headers: &[(&'static str, &str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let names = [
            HeaderName::from_static("authorization"),
            HeaderName::from_static("authentication"),
        ];
        of(&map, &names).map(str::to_owned)
    }

    #[test]
    fn one_value_or_none() {
        for (headers, expected) in [
            (&[("authorization", "Bearer k")][..], Some("k")),
            (&[("authentication", "bearer   k")], Some("k")),
            (
                &[
                    ("authorization", "BEARER k"),
                    ("authentication", "Bearer k"),
                ],
                Some("k"),
            ),
            (
                &[
                    ("authorization", "Bearer k"),
                    ("authentication", "Bearer other"),
                ],
                None,
            ),
            (
                &[
                    ("authorization", "Bearer k"),
                    ("authorization", "Bearer other"),
                ],
                None,
            ),
            (
                &[
                    ("authorization", "Bearer k"),
                    ("authentication", "Basic eDp5"),
                ],
                None,
            ),
            (&[("authorization", "Bearer")], None),
            (&[("authorization", "Bearer ")], None),
            (&[("authorization", "k")], None),
            (&[("authorization", "Bearer a b")], None),
            (&[("authorization", "Bearer a,b")], None),
            (&[("authorization", "Bearerk")], None),
            (&[("authorization", "Basic k")], None),
            (&[("x", "Bearer k")], None),
        ] {
            assert_eq!(bearer(headers).as_deref(), expected, "{headers:?}");
        }
    }
}
