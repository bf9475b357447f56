//! What an ID token must say before anybody believes it.

use serde_json::{Map, Value};
use vestibule_crypto::check_times;

use super::Person;
use crate::email::Email;
use crate::tenant::{Provider, ProviderKind};

/// Clocks of upstreams may differ by so many seconds.
const LEEWAY: i64 = 60;
/// Older ID tokens than this are refused even while their `exp` is ahead.
const MAX_AGE: i64 = 86_400;

/// Issuers that the provider signs as.
pub(crate) fn issuers(provider: &Provider) -> Vec<&str> {
    match (&provider.issuer, provider.kind) {
        (Some(issuer), _) => vec![issuer],
        (None, ProviderKind::Google) => vec!["https://accounts.google.com", "accounts.google.com"],
    }
}

pub(crate) fn jwks_url(provider: &Provider) -> &str {
    match (&provider.jwks_url, provider.kind) {
        (Some(url), _) => url,
        (None, ProviderKind::Google) => "https://www.googleapis.com/oauth2/v3/certs",
    }
}

/// The person of verified claims; the error says for the log what is wrong.
pub(crate) fn person(
    provider: &Provider,
    claims: &Map<String, Value>,
    now: i64,
) -> Result<Person, &'static str> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if !text("iss").is_some_and(|iss| issuers(provider).contains(&iss)) {
        return Err("iss");
    }
    let ours = provider.client_id.as_str();
    match claims.get("aud") {
        Some(Value::String(aud)) if aud == ours => {}
        Some(Value::Array(list)) if list.len() == 1 && list[0] == ours => {}
        Some(Value::Array(list))
            if list.iter().any(|aud| aud == ours) && text("azp") == Some(ours) => {}
        _ => return Err("aud"),
    }
    if claims.contains_key("azp") && text("azp") != Some(ours) {
        return Err("azp");
    }
    let times = check_times(claims, now, LEEWAY).map_err(|_| "exp, nbf or iat")?;
    if times.iat.is_none_or(|iat| iat < now - MAX_AGE) {
        return Err("iat");
    }
    // Exactly true: a string or a number would be somebody's guess.
    if claims.get("email_verified") != Some(&Value::Bool(true)) {
        return Err("email_verified");
    }
    let subject = text("sub")
        .filter(|sub| !sub.is_empty() && sub.len() <= 255 && !sub.contains(char::is_control))
        .ok_or("sub")?;
    let email = Email::parse(text("email").ok_or("email")?).map_err(|_| "email")?;
    let name = |claim: &str| {
        text(claim)
            .and_then(|name| crate::account::check_line(name).ok())
            .unwrap_or_default()
    };
    Ok(Person {
        subject: subject.to_owned(),
        email,
        first_name: name("given_name"),
        last_name: name("family_name"),
    })
}
