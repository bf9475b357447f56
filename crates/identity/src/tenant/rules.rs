//! What a tenant file and a caller's own link must satisfy.

use url::Url;

use super::Tenant;
use crate::email::canonical_domain;
use crate::error::{Error, Kind, Result};

mod file;

pub use file::{Fault, check_file};

/// A host as the directory keys it: lower-case A-labels, `localhost`, or an IP address in its usual spelling.
pub(crate) fn canonical_host(host: &str) -> Option<String> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<std::net::IpAddr>() {
        return Some(address.to_string());
    }
    canonical_domain(host)
}

/// A link of a caller's own for mails: https (http on loopback only), a listed host, one `{token}` after the host.
pub(crate) fn link_is_allowed(tenant: &Tenant, link: &str) -> Result<()> {
    let refuse = |why: &'static str| Err(Error::with_detail(Kind::LinkNotAllowed, why));
    if link.len() > 2_048
        || link.chars().any(|c| {
            c.is_control() || c.is_whitespace() || matches!(c, '\\' | '"' | '<' | '>' | '`')
        })
        || !link.is_ascii()
    {
        return refuse("The link holds characters that have no place there.");
    }
    if link.matches("{token}").count() != 1 || link.matches(['{', '}']).count() != 2 {
        return refuse("The link must hold {token} exactly once.");
    }
    let Some(authority_start) = ["https://", "http://"]
        .into_iter()
        .find(|scheme| link.starts_with(scheme))
        .map(str::len)
    else {
        return refuse("The link must begin with https://.");
    };
    let authority_end = link[authority_start..]
        .find(['/', '?', '#'])
        .map_or(link.len(), |at| at + authority_start);
    let authority = &link[authority_start..authority_end];
    // Read by hand and by the URL standard's parser: where the two disagree about the host, browsers may too.
    let Ok(url) = Url::parse(&link.replacen("{token}", "token", 1)) else {
        return refuse("The link is not a web address.");
    };
    let Some(host) = url.host_str() else {
        return refuse("The link is not a web address.");
    };
    let written = authority
        .rsplit_once(':')
        .map_or(authority, |(name, _)| name);
    if authority.contains(['@', '%', '{']) || !written.eq_ignore_ascii_case(host) {
        return refuse("The link's host is not written plainly.");
    }
    let path = link[authority_end..]
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase()
        .replace("%2e", ".");
    if path
        .split('/')
        .any(|segment| segment == ".." || segment == ".")
    {
        return refuse("The link's path must not hold . or .. segments.");
    }
    let loopback = host == "localhost"
        || host.ends_with(".localhost")
        || host == "127.0.0.1"
        || host == "[::1]";
    if !loopback && (url.scheme() != "https" || url.port().is_some()) {
        return refuse("The link must be https, without a port.");
    }
    let ours = tenant
        .file
        .domains
        .iter()
        .chain(&tenant.file.redirect_hosts);
    if !ours
        .into_iter()
        .filter_map(|listed| canonical_host(listed))
        .any(|listed| listed == host.to_ascii_lowercase())
    {
        return refuse("The link's host is not on this tenant's list.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::tests::tenant;

    #[test]
    fn callers_links() {
        let mut tenant = tenant("acme", "Acme");
        tenant.file.redirect_hosts = vec!["www.acme.test".into()];
        for link in [
            "https://www.acme.test/verify-token/{token}",
            "https://WWW.acme.test/?t={token}",
            "https://www.acme.test/#{token}",
        ] {
            assert!(link_is_allowed(&tenant, link).is_ok(), "{link}");
        }
        let hostile = include_str!("../../../../testdata/hostile/links.json");
        let hostile: Vec<String> = serde_json::from_str(hostile).unwrap();
        for link in hostile.iter().map(String::as_str).chain([""]) {
            assert!(link_is_allowed(&tenant, link).is_err(), "{link:?} passed");
        }
        assert!(
            link_is_allowed(
                &tenant,
                &format!("https://www.acme.test/{{token}}?{}", "a".repeat(4_096))
            )
            .is_err()
        );
        tenant.file.redirect_hosts = vec!["localhost".into()];
        assert!(link_is_allowed(&tenant, "http://localhost:3000/{token}").is_ok());
    }
}
