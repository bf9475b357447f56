//! Upstream keys, cached.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use vestibule_crypto::{Jws, VerifyingKey};

use super::{Person, rules};
use crate::Identity;
use crate::context::Cx;
use crate::error::{Error, Kind, Result};
use crate::ports::Micros;
use crate::tenant::Provider;

/// An unknown `kid` has the keys fetched again at most so often; one that does not answer is asked again after so long.
const PAUSE: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_secs(5);
/// Keys are asked for anew after so long, and believed for a day when the upstream does not answer.
const FRESH: Duration = Duration::from_secs(3_600);
const STALE: Duration = Duration::from_secs(86_400);

#[derive(Clone, Default)]
struct Set {
    keys: Arc<HashMap<String, Arc<VerifyingKey>>>,
    fetched_at: Option<Micros>,
    /// No fetch before this.
    not_before: Option<Micros>,
}

/// Key sets by address; one fetch at a time for each.
#[derive(Default)]
pub(crate) struct JwksCache {
    sets: Mutex<HashMap<String, Set>>,
    fetching: tokio::sync::Mutex<()>,
}

impl JwksCache {
    fn set(&self, url: &str) -> Set {
        self.sets.lock().get(url).cloned().unwrap_or_default()
    }
}

impl Identity {
    pub(crate) async fn verify_id_token(
        &self,
        cx: &Cx,
        provider: &Provider,
        token: &SecretString,
    ) -> Result<Person> {
        let refuse = |why: &str| {
            tracing::info!(
                provider = provider.kind.name(),
                tenant = cx.tenant.slug(),
                why,
                "an ID token was refused"
            );
            Error::new(Kind::InvalidProviderData)
        };
        let jws = Jws::parse_foreign(token.expose_secret()).map_err(|_| refuse("form"))?;
        let kid = jws.kid().ok_or_else(|| refuse("kid"))?;
        let key = self
            .upstream_key(rules::jwks_url(provider), kid, cx.now)
            .await?
            .ok_or_else(|| refuse("unknown key"))?;
        let claims = jws.verify(&key).map_err(|_| refuse("signature"))?;
        rules::person(provider, &claims, cx.now.secs()).map_err(refuse)
    }

    async fn upstream_key(
        &self,
        url: &str,
        kid: &str,
        now: Micros,
    ) -> Result<Option<Arc<VerifyingKey>>> {
        let known = |set: &Set, within: Duration| {
            set.fetched_at
                .filter(|at| now.since(*at) < within)
                .and_then(|_| set.keys.get(kid).cloned())
        };
        if let Some(key) = known(&self.jwks_cache().set(url), FRESH) {
            return Ok(Some(key));
        }
        let _one_at_a_time = self.jwks_cache().fetching.lock().await;
        let mut set = self.jwks_cache().set(url);
        if let Some(key) = known(&set, FRESH) {
            return Ok(Some(key));
        }
        if set.not_before.is_some_and(|at| now < at) {
            return settle(&set, known(&set, STALE), now);
        }
        let held_current = set.fetched_at.is_some_and(|at| now.since(at) < FRESH);
        match self
            .ports()
            .upstream
            .get(url)
            .await
            .and_then(|body| parse(&body))
        {
            Ok(keys) => {
                set.keys = Arc::new(keys);
                set.fetched_at = Some(now);
                set.not_before = held_current.then(|| now + PAUSE);
            }
            Err(error) => {
                tracing::warn!(url, error, "an upstream's keys cannot be fetched");
                set.not_before = Some(now + RETRY);
            }
        }
        self.jwks_cache()
            .sets
            .lock()
            .insert(url.to_owned(), set.clone());
        settle(&set, known(&set, STALE), now)
    }
}

/// A key we hold, an honest "unknown" when the set is current, or "cannot tell" when the upstream is down.
fn settle(
    set: &Set,
    known: Option<Arc<VerifyingKey>>,
    now: Micros,
) -> Result<Option<Arc<VerifyingKey>>> {
    let current = set.fetched_at.is_some_and(|at| now.since(at) < FRESH);
    match known {
        Some(key) => Ok(Some(key)),
        None if current => Ok(None),
        None => Err(Error::unavailable("the upstream's keys are not known")),
    }
}

/// The usable keys of a JWK set; those we cannot use are passed over.
fn parse(body: &[u8]) -> Result<HashMap<String, Arc<VerifyingKey>>, String> {
    let document: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let list = document
        .get("keys")
        .and_then(Value::as_array)
        .ok_or("the document has no `keys`")?;
    let mut keys = HashMap::new();
    for jwk in list.iter().take(64) {
        if let (Some(kid), Ok(key)) = (
            jwk.get("kid").and_then(Value::as_str),
            VerifyingKey::from_jwk(jwk),
        ) {
            keys.insert(kid.to_owned(), Arc::new(key));
        }
    }
    Ok(keys)
}
