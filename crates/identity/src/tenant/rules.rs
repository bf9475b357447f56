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
        tenant.file.redirect_hosts = vec!["www.example.com".into(), "localhost".into()];
        for link in [
            "https://www.example.com/verify-token/{token}",
            "https://WWW.example.com/?t={token}",
            "https://www.example.com/#{token}",
            "http://localhost:3000/{token}",
        ] {
            assert!(link_is_allowed(&tenant, link).is_ok(), "{link}");
        }
        for link in [
            "https://www.example.com.evil.test/{token}",
            "https://www.example.com@evil.test/{token}",
            "https://www.example.com\\@evil.test/{token}",
            "https://evil.test#https://www.example.com/{token}",
            "https://evil.test/?u=https://www.example.com&t={token}",
            "//evil.test/{token}",
            "https:evil.test/{token}",
            "https:/www.example.com/{token}",
            "https://www%2eexample%2ecom:y@evil.test/{token}",
            "https://{token}.evil.test/",
            "https://{token}.www.example.com/",
            "javascript:alert({token})",
            "data:text/html,{token}",
            "http://www.example.com/{token}",
            "https://www.example.com:444/{token}",
            "https://wwwaexample.com/{token}",
            "https://www.example.com/app/%2e%2e/{token}",
            "https://www.example.com/../{token}",
            "https://www.ex\u{430}mple.com/{token}",
            "https://www.example.com./{token}",
            "https://www.example.com/\r\n{token}",
            "https://www.example.com/\t{token}",
            "https://www.example.com/",
            "https://www.example.com/{token}{token}",
            "https://www.example.com/{token",
            "https://www.example.com/{{token}}",
            "https://user@www.example.com/{token}",
            "",
            "{token}",
            "ftp://www.example.com/{token}",
            "https:///www.example.com/{token}",
            " https://www.example.com/{token}",
        ] {
            assert!(link_is_allowed(&tenant, link).is_err(), "{link:?} passed");
        }
        assert!(
            link_is_allowed(
                &tenant,
                &format!("https://www.example.com/{{token}}?{}", "a".repeat(4_096))
            )
            .is_err()
        );
    }
}
