//! Headers that every answer carries.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use vestibule_identity::Tenant;

use crate::{cookie, redirect};

const DATA_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
static ALWAYS: [(HeaderName, HeaderValue); 4] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];
/// What rules a page in its window: data has no scripts that it could hold back.
static PAGES: [(HeaderName, HeaderValue); 2] = [
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(
            "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
             identity-credentials-get=(), microphone=(), midi=(), payment=(), usb=()",
        ),
    ),
];

/// Adds what the handler has not set itself.
pub(crate) fn add_headers(response: &mut Response, tenant: Option<&Tenant>) {
    let leads_on = response.status().is_redirection();
    let headers = response.headers_mut();
    let page = is_page(headers);
    let here = match page {
        true => &PAGES[..],
        // A window that is led on from one page of ours to another must not be somebody's on the way.
        false if leads_on => &PAGES[..1],
        false => &[],
    };
    // Those, four that follow, and what the connection adds: grown once.
    headers.reserve(ALWAYS.len() + here.len() + 6);
    for (name, value) in ALWAYS.iter().chain(here) {
        headers.insert(name, value.clone());
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        let policy = if page {
            page_policy(tenant, &Beyond::NOTHING)
        } else {
            DATA_POLICY
        };
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if tenant.is_some_and(cookie::is_https) {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
}

fn is_page(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("text/html"))
}

/// What a page may load beyond our own files: sources in the words of Content-Security-Policy, separated by blanks.
pub(crate) struct Beyond {
    pub(crate) script: &'static str,
    pub(crate) style: &'static str,
    pub(crate) connect: &'static str,
    pub(crate) frame: &'static str,
}

impl Beyond {
    pub(crate) const NOTHING: Beyond = Beyond {
        script: "",
        style: "",
        connect: "",
        frame: "",
    };
    /// Scripts of ours may ask our own addresses.
    pub(crate) const OWN_FETCHES: Beyond = Beyond {
        connect: "'self'",
        ..Beyond::NOTHING
    };
}

/// Pages load our own files only and submit to us; the tenant's app is named because Chromium counts a form's redirects.
pub(crate) fn page_policy(tenant: Option<&Tenant>, beyond: &Beyond) -> HeaderValue {
    let app = tenant
        .and_then(redirect::app_origin)
        .map(|origin| format!(" {origin}"))
        .unwrap_or_default();
    let own = |directive, more| match more {
        "" => format!(" {directive} 'self';"),
        more => format!(" {directive} 'self' {more};"),
    };
    let only = |directive, sources| match sources {
        "" => String::new(),
        sources => format!(" {directive} {sources};"),
    };
    let policy = format!(
        "default-src 'none';{}{} img-src 'self' data:;{}{} form-action 'self'{app}; base-uri 'none'; frame-ancestors 'none'",
        own("style-src", beyond.style),
        own("script-src", beyond.script),
        only("connect-src", beyond.connect),
        only("frame-src", beyond.frame),
    );
    HeaderValue::from_str(&policy).unwrap_or(DATA_POLICY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::{sample_tenant, sample_tenant_at};

    fn headers_of(content_type: &'static str, tenant: Option<&Tenant>) -> HeaderMap {
        let mut response = Response::default();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        add_headers(&mut response, tenant);
        response.headers().clone()
    }

    #[test]
    fn pages_may_load_and_submit_to_us_and_the_app_only() {
        let tenant = sample_tenant("app_url = 'https://app.example/start'");
        let headers = headers_of("text/html; charset=utf-8", Some(&tenant));
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(
            policy.contains("form-action 'self' https://app.example;"),
            "{policy}"
        );
        assert!(
            policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(
            headers[header::STRICT_TRANSPORT_SECURITY],
            "max-age=31536000"
        );
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert!(PAGES.iter().all(|(name, value)| headers[name] == value));
    }

    #[test]
    fn data_and_plain_http() {
        let headers = headers_of(
            "application/json",
            Some(&sample_tenant_at("http://localhost:8080", "")),
        );
        assert_eq!(headers[header::CONTENT_SECURITY_POLICY], DATA_POLICY);
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
        assert!(!headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
        assert!(PAGES.iter().all(|(name, _)| !headers.contains_key(name)));
    }
}
