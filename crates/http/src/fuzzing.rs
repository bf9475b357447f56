//! Parsers by themselves, for the fuzzers.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, HeaderValue, header};
use ipnet::IpNet;
use secrecy::ExposeSecret;
use vestibule_identity::Tenant;

use crate::cookie::Cookie;
use crate::layers::{Host, client_address};

/// A path on our own site, if it is one.
pub fn internal_path(text: &str) -> Option<String> {
    crate::redirect::internal_path(text)
}

/// The name and the port of a `Host`.
pub fn host(text: &str) -> Option<String> {
    Host::parse(text).map(|host| format!("{} {:?}", host.name(), host.explicit_port("https")))
}

/// The session cookie's value in a `Cookie` line.
pub fn session_cookie(tenant: &Tenant, line: HeaderValue) -> Option<String> {
    let headers = HeaderMap::from_iter([(header::COOKIE, line)]);
    let value = Cookie::Session.read(tenant, &headers);
    value.map(|value| value.expose_secret().to_owned())
}

/// Who stands behind a trusted proxy on 10.0.0.1 that sends this `X-Forwarded-For`.
pub fn forwarded(line: HeaderValue) -> IpAddr {
    let headers =
        HeaderMap::from_iter([(header::HeaderName::from_static("x-forwarded-for"), line)]);
    let proxies = IpNet::from(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)));
    client_address(Ipv4Addr::new(10, 0, 0, 1).into(), &headers, &[proxies])
}

/// How many of a connection's bytes reach the parser unchanged, when so many arrive at a time.
pub fn framed(bytes: &[u8], step: usize) -> usize {
    crate::listener::framed(bytes, step)
}
