//! Our cookies: the session, the marker that there is one, and the sealed question which of two people to be.

use http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};
use vestibule_identity::{Micros, Tenant};

/// Longer cookies are dropped by browsers (RFC 6265, section 6.1).
const LONGEST: usize = 4_000;

/// One of our cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// Names the browser's session. Sent on top-level navigations, not with forms of other sites.
    Session,
    /// Holds `1` beside a session and opens nothing. Sent with forms of other sites too, where the session cookie is
    /// not: that somebody is signed in can be told even there.
    Present,
    /// A credential that waits for an answer to "which of the two do you want to be?".
    Choice,
    /// A forgotten password, in the browser that asked for the mail.
    Flow,
    /// Names the browser, sealed. It outlives sign-outs and opens nothing: it keeps strangers' wrong passwords from
    /// shutting out somebody who signed in here before.
    Device,
}

impl Cookie {
    /// Its name; over https the prefix keeps other hosts and plain http from setting it.
    fn name(self, tenant: &Tenant) -> &'static str {
        match (self, is_https(tenant)) {
            (Cookie::Session, true) => "__Host-vestibule",
            (Cookie::Session, false) => "vestibule",
            (Cookie::Present, true) => "__Host-vestibule-present",
            (Cookie::Present, false) => "vestibule-present",
            (Cookie::Choice, true) => "__Host-vestibule-choice",
            (Cookie::Choice, false) => "vestibule-choice",
            (Cookie::Flow, true) => "__Host-vestibule-flow",
            (Cookie::Flow, false) => "vestibule-flow",
            (Cookie::Device, true) => "__Host-vestibule-device",
            (Cookie::Device, false) => "vestibule-device",
        }
    }

    /// Its value in the request. Where a name comes twice the first counts, as the most specific one.
    pub(crate) fn read(self, tenant: &Tenant, headers: &HeaderMap) -> Option<SecretString> {
        let name = self.name(tenant);
        // Pair by pair: what another page put beside ours may be no ASCII.
        let pairs = headers
            .get_all(header::COOKIE)
            .iter()
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
            .filter_map(|pair| str::from_utf8(pair).ok());
        let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(key, _)| *key == name)?;
        (!value.is_empty()).then(|| SecretString::from(value))
    }

    /// `Set-Cookie` for a value of base64url characters that lives `seconds`. `None` if browsers would drop it.
    pub(crate) fn set(
        self,
        tenant: &Tenant,
        value: &SecretString,
        seconds: i64,
    ) -> Option<HeaderValue> {
        self.line(tenant, value.expose_secret(), seconds.max(0))
    }

    /// `Set-Cookie` that removes it.
    pub(crate) fn clear(self, tenant: &Tenant) -> Option<HeaderValue> {
        self.line(tenant, "", 0)
    }

    fn line(self, tenant: &Tenant, value: &str, seconds: i64) -> Option<HeaderValue> {
        let line = format!(
            "{}={value}; Path=/; Max-Age={seconds}; HttpOnly{}",
            self.name(tenant),
            self.attributes(tenant)
        );
        let mut line = HeaderValue::from_str(&line)
            .ok()
            .filter(|line| line.len() <= LONGEST)?;
        line.set_sensitive(true);
        Some(line)
    }

    fn attributes(self, tenant: &Tenant) -> &'static str {
        match (self, is_https(tenant)) {
            // Browsers take Secure on plain http from localhost only; elsewhere the marker is missing, and with it the question.
            (Cookie::Present, _) => "; Secure; SameSite=None",
            (_, true) => "; Secure; SameSite=Lax",
            (_, false) => "; SameSite=Lax",
        }
    }
}

/// Whether the tenant's pages are reached over https, by its canonical address.
pub(crate) fn is_https(tenant: &Tenant) -> bool {
    tenant.base_url.scheme() == "https"
}

/// `Set-Cookie` lines that sign this browser in until `expires_at`.
pub(crate) fn sign_in(
    tenant: &Tenant,
    value: &SecretString,
    now: Micros,
    expires_at: Micros,
) -> Vec<HeaderValue> {
    let seconds = i64::try_from(expires_at.since(now).as_secs()).unwrap_or(i64::MAX);
    let marker = SecretString::from("1");
    [
        Cookie::Session.set(tenant, value, seconds),
        Cookie::Present.set(tenant, &marker, seconds),
        Cookie::Choice.clear(tenant),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `Set-Cookie` lines that sign this browser out.
pub(crate) fn sign_out(tenant: &Tenant) -> Vec<HeaderValue> {
    [
        Cookie::Session,
        Cookie::Present,
        Cookie::Choice,
        Cookie::Flow,
    ]
    .into_iter()
    .filter_map(|cookie| cookie.clear(tenant))
    .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::site::{sample_tenant, sample_tenant_at};

    fn lines(lines: &[HeaderValue]) -> Vec<&str> {
        lines.iter().map(|line| line.to_str().unwrap()).collect()
    }

    #[test]
    fn the_session_cookie_is_locked_to_its_host() {
        let now = Micros(1_000_000);
        let (https, http) = (
            sample_tenant(""),
            sample_tenant_at("http://localhost:8080", ""),
        );
        let set = |tenant: &Tenant| {
            sign_in(
                tenant,
                &SecretString::from("vsc_abc"),
                now,
                now + Duration::from_secs(60),
            )
        };
        assert_eq!(
            lines(&set(&https)),
            [
                "__Host-vestibule=vsc_abc; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax",
                "__Host-vestibule-present=1; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=None",
                "__Host-vestibule-choice=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
            ]
        );
        assert_eq!(
            lines(&set(&http))[0],
            "vestibule=vsc_abc; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
        );
        assert!(set(&https).iter().all(HeaderValue::is_sensitive));
        assert!(
            lines(&sign_out(&https))
                .iter()
                .all(|line| line.contains("=; Path=/; Max-Age=0;"))
        );
    }

    #[test]
    fn reading_takes_the_exact_name_from_any_line() {
        let tenant = sample_tenant("");
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("vestibule=planted; x__Host-vestibule=no; a=b"),
        );
        assert!(Cookie::Session.read(&tenant, &headers).is_none());
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("c=d; __Host-vestibule=right; __Host-vestibule=second"),
        );
        assert_eq!(
            Cookie::Session
                .read(&tenant, &headers)
                .unwrap()
                .expose_secret(),
            "right"
        );
        let beside = [
            &b"caf\xe9=\xff; __Host-vestibule=right"[..],
            "m=ü; __Host-vestibule=right".as_bytes(),
        ];
        for line in beside {
            headers.insert(header::COOKIE, HeaderValue::from_bytes(line).unwrap());
            let read = Cookie::Session.read(&tenant, &headers);
            assert_eq!(read.unwrap().expose_secret(), "right");
        }
        headers.insert(
            header::COOKIE,
            HeaderValue::from_static("__Host-vestibule="),
        );
        assert!(Cookie::Session.read(&tenant, &headers).is_none());
        headers.insert(
            header::COOKIE,
            HeaderValue::from_bytes(b"__Host-vestibule=\xff").unwrap(),
        );
        assert!(Cookie::Session.read(&tenant, &headers).is_none());
    }

    #[test]
    fn what_browsers_would_drop_is_not_sent() {
        assert_eq!(
            Cookie::Choice.set(
                &sample_tenant(""),
                &SecretString::from("x".repeat(4_000)),
                600
            ),
            None
        );
        assert_eq!(
            Cookie::Choice.set(&sample_tenant(""), &SecretString::from("x\r\ny: z"), 600),
            None
        );
    }
}
