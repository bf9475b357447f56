//! What a tenant file may say.

mod registration;

use std::collections::HashSet;
use std::hash::Hash;

use url::Url;

use super::canonical_host;
use crate::email::Email;
use crate::tenant::{Branding, Provider, TenantFile};
use crate::zone::known_zone;

/// Something wrong in a tenant file: the setting's dotted name (items of lists by their place, from 0), and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub field: String,
    pub message: String,
}

/// The faults found so far.
#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    /// Notes a fault unless all is well.
    fn unless(&mut self, ok: bool, field: &str, message: impl Into<String>) {
        if !ok {
            self.0.push(Fault {
                field: field.to_owned(),
                message: message.into(),
            });
        }
    }
}

impl TenantFile {
    /// The domains in the spelling that the directory compares, with their place in the list.
    pub fn canonical_domains(&self) -> impl Iterator<Item = (usize, String)> + '_ {
        let hosts = self.domains.iter().enumerate();
        hosts.filter_map(|(at, domain)| Some((at, canonical_host(domain)?)))
    }
}

/// Everything wrong with a tenant file; empty when it can be applied.
pub fn check_file(file: &TenantFile) -> Vec<Fault> {
    let mut faults = Faults::default();
    names(file, &mut faults);
    hosts(file, &mut faults);
    dialects(file, &mut faults);
    defaults(file, &mut faults);
    registration::check(&file.registration, &mut faults);
    policies(file, &mut faults);
    handoff(file, &mut faults);
    mail(file, &mut faults);
    branding(file, &mut faults);
    legal(file, &mut faults);
    providers(file, &mut faults);
    faults.0
}

fn names(file: &TenantFile, faults: &mut Faults) {
    let slug = &file.slug;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    faults.unless(
        (1..=63).contains(&slug.len())
            && slug.bytes().all(plain)
            && !slug.starts_with('-')
            && !slug.ends_with('-'),
        "slug",
        "a slug has 1 to 63 characters of a-z, 0-9 and -, with no - at either end",
    );
    let name = "a name has 1 to 200 characters and no control characters";
    faults.unless(is_line(&file.name), "name", name);
}

fn hosts(file: &TenantFile, faults: &mut Faults) {
    for (list, hosts) in [
        ("domains", &file.domains),
        ("redirect_hosts", &file.redirect_hosts),
    ] {
        for (at, host) in hosts.iter().enumerate() {
            faults.unless(
                canonical_host(host).is_some(),
                &format!("{list}.{at}"),
                format!("`{host}` is not a host name; write it without scheme, port and path"),
            );
        }
    }
    for at in repeated(file.canonical_domains()) {
        let message = format!("`{}` is listed twice", file.domains[at]);
        faults.unless(false, &format!("domains.{at}"), message);
    }
    if let Some(app) = &file.app_url {
        faults.unless(
            is_web_address(app),
            "app_url",
            format!("`{app}` is not a web address; it begins with https:// or http://"),
        );
    }
}

fn dialects(file: &TenantFile, faults: &mut Faults) {
    for at in repeated(file.dialects.iter().enumerate()) {
        let message = format!("`{}` is listed twice", file.dialects[at]);
        faults.unless(false, &format!("dialects.{at}"), message);
    }
    for (dialect, mount) in &file.dialect {
        for (field, value) in [("issuer", &mount.issuer), ("audience", &mount.audience)] {
            faults.unless(
                value.as_deref().is_none_or(is_line),
                &format!("dialect.{dialect}.{field}"),
                "has 1 to 200 characters and no control characters; leave it out for the usual one",
            );
        }
    }
}

fn defaults(file: &TenantFile, faults: &mut Faults) {
    let given = &file.defaults;
    faults.unless(
        is_line(&given.role),
        "defaults.role",
        "a role has 1 to 200 characters and no control characters",
    );
    faults.unless(
        is_locale(&given.locale),
        "defaults.locale",
        format!(
            "`{}` is not a language tag such as en-US or de",
            given.locale
        ),
    );
    faults.unless(
        known_zone(&given.timezone) == Some(&*given.timezone),
        "defaults.timezone",
        format!(
            "`{}` is not the name of a time zone such as Europe/Berlin or UTC",
            given.timezone
        ),
    );
}

fn policies(file: &TenantFile, faults: &mut Faults) {
    faults.unless(
        (8..=128).contains(&file.password.min_length),
        "password.min_length",
        "the least length of passwords is 8 to 128",
    );
    faults.unless(
        file.login_token.lifetime.0.as_secs() <= 3_600,
        "login_token.lifetime",
        "a login token lives one hour (`1h`) at most",
    );
    faults.unless(
        file.session.idle.0 <= file.session.absolute.0,
        "session.idle",
        "the idle time cannot exceed the absolute time",
    );
    faults.unless(
        file.session.absolute.0.as_secs() <= 90 * 86_400,
        "session.absolute",
        "a session lives 90 days (`90d`) at most",
    );
    faults.unless(
        file.account.deletion_grace.0.as_secs() <= 90 * 86_400,
        "account.deletion_grace",
        "who wants to be deleted waits 90 days (`90d`) at most",
    );
    faults.unless(
        file.audit.retention.0.as_secs() >= 86_400,
        "audit.retention",
        "audit entries are kept for one day (`1d`) at least",
    );
}

fn handoff(file: &TenantFile, faults: &mut Faults) {
    for (name, path) in &file.handoff {
        let field = format!("handoff.{name}");
        faults.unless(
            path.starts_with('/')
                && !path.starts_with("//")
                && !path.contains('\\')
                && !path.chars().any(char::is_control),
            &field,
            "a destination is a path of the tenant's own host and begins with one /",
        );
        faults.unless(
            has_sound_placeholders(path),
            &field,
            "a placeholder is a name between one { and one }, as in /course/{enrollmentId}",
        );
    }
}

fn mail(file: &TenantFile, faults: &mut Faults) {
    if let Some(from) = &file.mail.from {
        faults.unless(
            !from.chars().any(char::is_control),
            "mail.from",
            "a sender is one line without control characters",
        );
    }
    if let Some(url) = &file.mail.smtp_url
        && (url.starts_with("env:") || url.starts_with("file:"))
    {
        faults.unless(
            is_reference(url),
            "mail.smtp_url",
            "names no place: write env:NAME or file:PATH",
        );
    }
}

fn branding(file: &TenantFile, faults: &mut Faults) {
    let given = &file.branding;
    faults.unless(
        given.product.as_deref().is_none_or(is_line),
        "branding.product",
        "a product has 1 to 200 characters and no control characters; leave it out for the tenant's name",
    );
    if let Some(color) = &given.color {
        let digits = color.strip_prefix('#').unwrap_or_default();
        faults.unless(
            digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()),
            "branding.color",
            "a colour is written `#rrggbb`",
        );
    }
    if let Some(support) = &given.support {
        faults.unless(
            is_web_address(support) || Email::parse(support).is_ok(),
            "branding.support",
            format!(
                "`{support}` is neither an e-mail address nor a web address with https:// or http://"
            ),
        );
    }
}

fn legal(file: &TenantFile, faults: &mut Faults) {
    let Branding { terms, privacy, .. } = &file.branding;
    for (field, page) in [("branding.terms", terms), ("branding.privacy", privacy)] {
        if let Some(page) = page {
            let message =
                format!("`{page}` is not a web address; it begins with https:// or http://");
            faults.unless(is_web_address(page), field, message);
        }
    }
}

fn providers(file: &TenantFile, faults: &mut Faults) {
    let kinds = file.provider.iter().map(|provider| provider.kind);
    for at in repeated(kinds.enumerate()) {
        let message = "there is a provider of this kind already; a tenant has one of each";
        faults.unless(false, &format!("provider.{at}.kind"), message);
    }
    for (at, provider) in file.provider.iter().enumerate() {
        let Provider {
            client_id,
            jwks_url,
            issuer,
            ..
        } = provider;
        faults.unless(
            is_line(client_id),
            &format!("provider.{at}.client_id"),
            "the client id is what the provider gave you for this tenant",
        );
        if let Some(url) = jwks_url {
            let message = format!("`{url}` is not a web address");
            faults.unless(
                is_web_address(url),
                &format!("provider.{at}.jwks_url"),
                message,
            );
        }
        faults.unless(
            issuer.as_deref().is_none_or(is_line),
            &format!("provider.{at}.issuer"),
            "has 1 to 200 characters and no control characters; leave it out for the usual one",
        );
    }
}

/// The places of items that stand further up already.
fn repeated<T: Eq + Hash>(items: impl Iterator<Item = (usize, T)>) -> Vec<usize> {
    let mut seen = HashSet::new();
    items
        .filter_map(|(at, item)| (!seen.insert(item)).then_some(at))
        .collect()
}

/// 1 to 200 characters that say something, on one line.
fn is_line(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= 200 && !text.chars().any(char::is_control)
}

fn is_web_address(text: &str) -> bool {
    !text.chars().any(char::is_control)
        && Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.host().is_some()
                && url.username().is_empty()
                && url.password().is_none()
        })
}

/// `env:NAME` or `file:PATH`, with a name or path.
fn is_reference(text: &str) -> bool {
    let name_is_plain = |name: &str| {
        !name.is_empty()
            && !name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control())
    };
    match text.split_once(':') {
        Some(("env", name)) => name_is_plain(name),
        Some(("file", path)) => !path.trim().is_empty() && !path.chars().any(char::is_control),
        _ => false,
    }
}

/// A tag by the shape of BCP 47: a language of two to eight letters, then subtags of up to eight letters and digits.
fn is_locale(text: &str) -> bool {
    let mut subtags = text.split('-');
    let language = subtags.next().unwrap_or_default();
    (2..=8).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && text.len() <= 35
        && subtags.all(|subtag| {
            (1..=8).contains(&subtag.len()) && subtag.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

/// Whether each `{` has its `}`, with a name of letters, digits and `_` between them, and no `}` is left over.
fn has_sound_placeholders(path: &str) -> bool {
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, tail)) = after.split_once('}') else {
            return false;
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if before.contains('}') || name.is_empty() || !name.bytes().all(plain) {
            return false;
        }
        rest = tail;
    }
    !rest.contains('}')
}

#[cfg(test)]
mod tests;
