//! Where a browser may be sent: internal paths checked before and after decoding, hand-off destinations, the tenant's app.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;
use vestibule_identity::Tenant;

const LONGEST: usize = 2048;
const MOST_DECODINGS: usize = 3;
/// RFC 3986 unreserved characters stay; everything else in a path segment is encoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
/// A path on this host, safe to be followed: exactly one leading `/`; no scheme, host, backslash, control character or
/// `//`, as it stands and however often it is decoded. `None` for anything else.
pub(crate) fn internal_path(text: &str) -> Option<String> {
    let mut seen = text.to_owned();
    for round in 0.. {
        if !is_plain_path(&seen) || round > MOST_DECODINGS {
            return None;
        }
        let decoded = percent_decode_str(&seen).decode_utf8().ok()?.into_owned();
        if decoded == seen {
            break;
        }
        seen = decoded;
    }
    // As a browser reads it; also encodes what a header cannot carry.
    let base = Url::parse("https://host.invalid").ok()?;
    let url = base
        .join(text)
        .ok()
        .filter(|url| url.origin() == base.origin())?;
    let path = &url[url::Position::BeforePath..];
    (is_plain_path(path) && path.len() <= LONGEST).then(|| path.to_owned())
}

/// What a page is asked to lead to in the end, fit to be kept in cookies, mails and the addresses of further pages: an
/// internal path, or empty.
pub(crate) fn way_on(text: &str) -> String {
    const LONGEST: usize = 1_024;
    let path = internal_path(text).filter(|path| path.len() <= LONGEST);
    path.unwrap_or_default()
}

fn is_plain_path(text: &str) -> bool {
    let one_slash = text.starts_with('/') && !text.contains("//");
    one_slash
        && text.len() <= LONGEST
        && !text
            .chars()
            .any(|c| c == '\\' || c.is_control() || is_invisible(c))
}

/// Line separators and direction marks, which some readers drop.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The origin that redirects after our forms lead to, for `form-action`.
pub(crate) fn app_origin(tenant: &Tenant) -> Option<String> {
    let app = Url::parse(tenant.file.app_url.as_deref()?).ok()?;
    matches!(app.scheme(), "https" | "http").then(|| app.origin().ascii_serialization())
}

/// Where `/` leads a signed-in person: the app, unless that is this very address.
pub(crate) fn home_from_root(tenant: &Tenant) -> String {
    let is_here = |app: &Url| {
        let host = app.host_str().unwrap_or_default();
        host == tenant.canonical_domain() || tenant.file.domains.iter().any(|domain| domain == host)
    };
    match tenant
        .file
        .app_url
        .as_deref()
        .and_then(|app| Url::parse(app).ok())
    {
        Some(app) if app.path() == "/" && is_here(&app) => "/account".to_owned(),
        _ => tenant.home().to_owned(),
    }
}

/// The hand-off destination `name`, its placeholders filled and encoded. `None`: no such destination, or a placeholder
/// that nothing fills or that would climb out of its segment.
pub(crate) fn destination(
    tenant: &Tenant,
    name: &str,
    values: &BTreeMap<String, String>,
) -> Option<String> {
    let template = tenant.file.handoff.get(name)?;
    let mut filled = String::with_capacity(template.len() + 16);
    let mut rest = template.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        let (key, tail) = after.split_once('}')?;
        let value = values
            .get(key)
            .filter(|value| !matches!(value.as_str(), "" | "." | ".."))?;
        filled.push_str(before);
        filled.extend(utf8_percent_encode(value, SEGMENT));
        rest = tail;
    }
    filled.push_str(rest);
    Some(filled)
}

/// `target` with `options` added to its query, before any fragment.
pub(crate) fn with_options(target: &str, options: &[(String, String)]) -> String {
    if options.is_empty() {
        return target.to_owned();
    }
    let (before, fragment) = match target.split_once('#') {
        Some((before, fragment)) => (before, format!("#{fragment}")),
        None => (target, String::new()),
    };
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(options)
        .finish();
    let joint = match before.find('?') {
        None => "?",
        Some(at) if at + 1 == before.len() || before.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{before}{joint}{query}{fragment}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::sample_tenant;

    #[test]
    fn internal_paths_pass() {
        for (text, path) in [
            ("/", "/"),
            ("/dashboard/education", "/dashboard/education"),
            ("/a?b=c&d=%2Fe#f", "/a?b=c&d=%2Fe#f"),
            (
                "/onboarding?next=%2Fdashboard%3Fa%3Db",
                "/onboarding?next=%2Fdashboard%3Fa%3Db",
            ),
            ("/über uns", "/%C3%BCber%20uns"),
            ("/a/../b", "/b"),
            ("/mail/ada@example.com", "/mail/ada@example.com"),
            ("/100%25", "/100%25"),
        ] {
            assert_eq!(internal_path(text).as_deref(), Some(path), "{text:?}");
        }
    }

    #[test]
    fn hostile_shapes_are_dropped() {
        let hostile = include_str!("../../../testdata/hostile/paths.json");
        let hostile: Vec<String> = serde_json::from_str(hostile).unwrap();
        for text in &hostile {
            assert_eq!(internal_path(text), None, "{text:?} passed");
        }
        assert_eq!(internal_path(&format!("/{}", "a".repeat(2048))), None);
        assert!(internal_path(&format!("/{}", "a".repeat(2047))).is_some());
        assert_eq!(
            internal_path(&format!("/{}", "ü".repeat(1000))),
            None,
            "longer than allowed once encoded"
        );
    }

    #[test]
    fn destinations_are_filled_and_encoded() {
        let tenant = sample_tenant("");
        let fill = |value: &str| {
            destination(
                &tenant,
                "trainee",
                &BTreeMap::from([("enrollmentId".to_owned(), value.to_owned())]),
            )
        };
        assert_eq!(fill("4711").as_deref(), Some("/course/4711"));
        assert_eq!(
            fill("a/b?c#d e").as_deref(),
            Some("/course/a%2Fb%3Fc%23d%20e")
        );
        assert_eq!(fill(".."), None);
        assert_eq!(fill(""), None);
        assert_eq!(destination(&tenant, "trainee", &BTreeMap::new()), None);
        assert_eq!(destination(&tenant, "nobody", &BTreeMap::new()), None);
    }

    #[test]
    fn root_does_not_lead_to_itself() {
        assert_eq!(home_from_root(&sample_tenant("")), "/account");
        assert_eq!(
            home_from_root(&sample_tenant("app_url = 'https://lms.acme.test/'")),
            "/account"
        );
        assert_eq!(
            home_from_root(&sample_tenant("app_url = 'https://lms.acme.test/start'")),
            "https://lms.acme.test/start"
        );
        assert_eq!(
            home_from_root(&sample_tenant("app_url = 'https://app.example/'")),
            "https://app.example/"
        );
    }

    #[test]
    fn options_join_the_query() {
        let options = [("a b".to_owned(), "c&d".to_owned())];
        for (target, with) in [
            ("/x", "/x?a+b=c%26d"),
            ("/x?y=1", "/x?y=1&a+b=c%26d"),
            ("/x?", "/x?a+b=c%26d"),
            ("/x?y=1#z", "/x?y=1&a+b=c%26d#z"),
        ] {
            assert_eq!(with_options(target, &options), with);
        }
        assert_eq!(with_options("/x", &[]), "/x");
    }
}
