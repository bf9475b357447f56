//! Changes that a browser's cookie or a form of ours drives must come from our own pages.

use http::{HeaderMap, header};
use url::Url;
use vestibule_identity::{Error, Kind, Tenant};

use crate::layers::Host;

/// Passes a request whose `Origin` is the tenant's own or the host it was sent to, or that `Sec-Fetch-Site` vouches for:
/// under our `Referrer-Policy: no-referrer` browsers send forms of ours with `Origin: null` (Fetch, "append a request
/// `Origin` header"). No script can set either header.
pub(crate) fn check(headers: &HeaderMap, tenant: &Tenant, host: &Host) -> Result<(), Error> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let vouched = || {
        headers
            .get("sec-fetch-site")
            .is_some_and(|site| site == "same-origin" || site == "none")
    };
    let same = match (origins.next(), origins.next()) {
        (Some(origin), None) if origin == "null" => vouched(),
        (Some(origin), None) => origin
            .to_str()
            .is_ok_and(|origin| is_own_origin(origin, tenant, host)),
        (Some(_), Some(_)) => false,
        (None, _) => vouched(),
    };
    if same {
        Ok(())
    } else {
        Err(Error::with_detail(
            Kind::Forbidden,
            "This request did not come from our own page.",
        )
        .because("origin", 0))
    }
}

fn is_own_origin(origin: &str, tenant: &Tenant, host: &Host) -> bool {
    let Ok(url) = Url::parse(origin) else {
        return false;
    };
    // An origin and nothing more: `null`, paths and user names are none.
    if !matches!(url.scheme(), "https" | "http") || url.origin().ascii_serialization() != origin {
        return false;
    }
    let host_sent_to =
        url.host_str() == Some(host.name()) && url.port() == host.explicit_port(url.scheme());
    // Behind a proxy only the tenant's address tells the scheme: plain http on its domain may be anybody on the way.
    let is_domain = tenant
        .file
        .domains
        .iter()
        .any(|domain| domain.eq_ignore_ascii_case(host.name()));
    // A port of one's own is a proxy of one's own, unless it is the tenant's.
    let is_other_port =
        url.port().is_some() && url.port() != tenant.base_url.port_or_known_default();
    let scheme_fits = !is_domain || is_other_port || url.scheme() == tenant.base_url.scheme();
    url.origin() == tenant.base_url.origin() || (host_sent_to && scheme_fits)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::site::sample_tenant;

    fn passes(host: &str, pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        check(&headers, &sample_tenant(""), &Host::parse(host).unwrap()).is_ok()
    }

    #[test]
    fn own_pages_pass() {
        for (host, origin) in [
            ("lms.acme.test", "https://lms.acme.test"),
            ("127.0.0.1:8080", "https://lms.acme.test"),
            ("localhost:8080", "http://localhost:8080"),
            ("localhost", "http://localhost"),
            ("localhost:80", "http://localhost"),
            ("localhost:443", "https://localhost"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("other.acme.test", "https://other.acme.test"),
            ("lms.acme.test:8080", "http://lms.acme.test:8080"),
        ] {
            assert!(passes(host, &[("origin", origin)]), "{origin} at {host}");
        }
        assert!(passes(
            "lms.acme.test",
            &[("sec-fetch-site", "same-origin")]
        ));
        assert!(passes("lms.acme.test", &[("sec-fetch-site", "none")]));
    }

    #[test]
    fn others_are_refused() {
        for origin in [
            "null",
            "",
            "https://evil.test",
            "https://sub.lms.acme.test",
            "https://acme.test",
            "https://lms.acme.test.evil.test",
            "https://lms.acme.test:8443",
            "http://lms.acme.test",
            "http://lms.acme.test:8080",
            "https://lms.acme.test/",
            "https://x@lms.acme.test",
            "https://evil.test/lms.acme.test",
            "lms.acme.test",
            "HTTPS://LMS.ACME.TEST",
            "file://",
            "chrome-extension://lms.acme.test",
            "https://lms.acme.test https://evil.test",
        ] {
            assert!(
                !passes("lms.acme.test", &[("origin", origin)]),
                "{origin} passed"
            );
            let vouched = passes(
                "lms.acme.test",
                &[("origin", origin), ("sec-fetch-site", "same-origin")],
            );
            assert_eq!(vouched, origin == "null", "{origin}");
        }
        assert!(!passes("lms.acme.test", &[]));
        assert!(!passes(
            "lms.acme.test",
            &[("origin", "null"), ("sec-fetch-site", "cross-site")]
        ));
        assert!(!passes(
            "lms.acme.test",
            &[("origin", "null"), ("sec-fetch-site", "same-site")]
        ));
        assert!(!passes("lms.acme.test", &[("sec-fetch-site", "same-site")]));
        assert!(!passes(
            "lms.acme.test",
            &[("sec-fetch-site", "cross-site")]
        ));
        assert!(!passes(
            "lms.acme.test",
            &[
                ("origin", "https://lms.acme.test"),
                ("origin", "https://evil.test")
            ]
        ));
    }
}
