//! What a tenant file and a caller's own link must satisfy.

use url::Url;

use super::{Captcha, Tenant, TenantFile};
use crate::email::canonical_domain;
use crate::error::{Error, Kind, Result};

/// Something wrong in a tenant file: the setting's dotted name, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub field: String,
    pub message: String,
}

fn fault(field: &str, message: impl Into<String>) -> Fault {
    Fault {
        field: field.to_owned(),
        message: message.into(),
    }
}

/// A host as the directory keys it: lower-case A-labels, `localhost`, or an IP address in its usual spelling.
pub(crate) fn canonical_host(host: &str) -> Option<String> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<std::net::IpAddr>() {
        return Some(address.to_string());
    }
    canonical_domain(host)
}

/// Everything wrong with a tenant file; empty when it can be applied.
pub fn check_file(file: &TenantFile) -> Vec<Fault> {
    let mut faults = Vec::new();
    let slug_ok = (1..=63).contains(&file.slug.len())
        && file
            .slug
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !file.slug.starts_with('-')
        && !file.slug.ends_with('-');
    if !slug_ok {
        faults.push(fault(
            "slug",
            "a slug has 1 to 63 characters of a-z, 0-9 and -, with no - at either end",
        ));
    }
    if file.name.trim().is_empty()
        || file.name.chars().count() > 200
        || file.name.chars().any(char::is_control)
    {
        faults.push(fault(
            "name",
            "a name has 1 to 200 characters and no control characters",
        ));
    }
    for domain in &file.domains {
        if canonical_host(domain).is_none() {
            faults.push(fault(
                "domains",
                format!("`{domain}` is not a host name; write it without scheme, port and path"),
            ));
        }
    }
    for host in &file.redirect_hosts {
        if canonical_host(host).is_none() {
            faults.push(fault(
                "redirect_hosts",
                format!("`{host}` is not a host name; write it without scheme, port and path"),
            ));
        }
    }
    if let Some(app) = &file.app_url
        && !Url::parse(app).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.host().is_some()
                && url.username().is_empty()
        })
    {
        faults.push(fault(
            "app_url",
            format!("`{app}` is not a web address; it begins with https:// or http://"),
        ));
    }
    for (name, path) in &file.handoff {
        if !path.starts_with('/')
            || path.starts_with("//")
            || path.contains('\\')
            || path.chars().any(char::is_control)
        {
            faults.push(fault(
                &format!("handoff.{name}"),
                "a destination is a path of the tenant's own host and begins with one /",
            ));
        }
    }
    policy_faults(file, &mut faults);
    faults
}

fn policy_faults(file: &TenantFile, faults: &mut Vec<Fault>) {
    if !(8..=128).contains(&file.password.min_length) {
        faults.push(fault(
            "password.min_length",
            "the least length of passwords is 8 to 128",
        ));
    }
    if file.login_token.lifetime.0.as_secs() > 3_600 {
        faults.push(fault(
            "login_token.lifetime",
            "a login token lives one hour (`1h`) at most",
        ));
    }
    if file.session.idle.0 > file.session.absolute.0 {
        faults.push(fault(
            "session.idle",
            "the idle time cannot exceed the absolute time",
        ));
    }
    if file.session.absolute.0.as_secs() > 90 * 86_400 {
        faults.push(fault(
            "session.absolute",
            "a session lives 90 days (`90d`) at most",
        ));
    }
    match file.registration.captcha {
        Captcha::None => {}
        Captcha::Pow => faults.push(fault(
            "registration.captcha",
            "`pow` is not available in this version; use none, turnstile, hcaptcha or recaptcha",
        )),
        _ if file.registration.captcha_secret.is_none() => {
            faults.push(fault(
                "registration.captcha_secret",
                "this captcha needs its secret, as `env:NAME` or `file:PATH`",
            ));
        }
        _ => {}
    }
    if let Some(color) = &file.branding.color
        && !(color.len() == 7
            && color.starts_with('#')
            && color[1..].bytes().all(|b| b.is_ascii_hexdigit()))
    {
        faults.push(fault("branding.color", "a colour is written `#rrggbb`"));
    }
    for provider in &file.provider {
        for (field, value) in [
            ("provider.jwks_url", &provider.jwks_url),
            ("provider.issuer", &provider.issuer),
        ] {
            if let Some(url) = value
                && !Url::parse(url).is_ok_and(|url| {
                    matches!(url.scheme(), "http" | "https") && url.host().is_some()
                })
                && field == "provider.jwks_url"
            {
                faults.push(fault(field, format!("`{url}` is not a web address")));
            }
        }
        if provider.client_id.trim().is_empty() {
            faults.push(fault(
                "provider.client_id",
                "the client id is what the provider gave you for this tenant",
            ));
        }
    }
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

    #[test]
    fn tenant_files() {
        let good = tenant("acme", "Acme").file;
        assert_eq!(check_file(&good), []);
        let faulty = |change: fn(&mut TenantFile)| {
            let mut file = good.clone();
            change(&mut file);
            check_file(&file)
                .into_iter()
                .map(|fault| fault.field)
                .collect::<Vec<_>>()
        };
        assert_eq!(faulty(|file| file.slug = "../x".into()), ["slug"]);
        assert_eq!(faulty(|file| file.name = " ".into()), ["name"]);
        assert_eq!(
            faulty(|file| file.domains = vec!["https://x.test".into()]),
            ["domains"]
        );
        assert_eq!(
            faulty(|file| file.app_url = Some("javascript:alert(1)".into())),
            ["app_url"]
        );
        assert_eq!(
            faulty(|file| {
                file.handoff.insert("x".into(), "//evil".into());
            }),
            ["handoff.x"]
        );
        assert_eq!(
            faulty(|file| file.password.min_length = 4),
            ["password.min_length"]
        );
        assert_eq!(
            faulty(|file| file.login_token.lifetime = "2h".parse().unwrap()),
            ["login_token.lifetime"]
        );
        assert_eq!(
            faulty(|file| file.branding.color = Some("red".into())),
            ["branding.color"]
        );
    }
}
