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

/// A provider is asked for its keys at most so often, whatever `kid`s arrive and however it answers.
const PAUSE: Duration = Duration::from_secs(30);
/// Keys are asked for anew after so long, and believed for a day when the upstream does not answer.
const FRESH: Duration = Duration::from_secs(3_600);
const STALE: Duration = Duration::from_secs(86_400);

#[derive(Clone, Default)]
struct Set {
    keys: Arc<HashMap<String, Arc<VerifyingKey>>>,
    fetched_at: Option<Micros>,
    asked_at: Option<Micros>,
}

impl Set {
    fn is_younger(&self, than: Duration, now: Micros) -> bool {
        self.fetched_at.is_some_and(|at| now.is_within(than, at))
    }

    fn key(&self, kid: &str, within: Duration, now: Micros) -> Option<Arc<VerifyingKey>> {
        self.keys
            .get(kid)
            .filter(|_| self.is_younger(within, now))
            .cloned()
    }

    /// A key we hold, an honest "unknown" when the set is current, or "cannot tell" when the upstream is down.
    fn settle(&self, kid: &str, now: Micros) -> Result<Option<Arc<VerifyingKey>>> {
        match self.key(kid, STALE, now) {
            Some(key) => Ok(Some(key)),
            None if self.is_younger(FRESH, now) && self.fetched_at == self.asked_at => Ok(None),
            None => {
                let asked = self.asked_at.map_or(PAUSE, |at| now.since(at));
                let wait = PAUSE.saturating_sub(asked).as_secs().max(1);
                let mut error = Error::unavailable("the upstream's keys are not known");
                error.retry_after = u32::try_from(wait).ok();
                Err(error)
            }
        }
    }
}

/// One provider's keys; one fetch at a time.
#[derive(Default)]
struct Keys {
    set: Mutex<Set>,
    fetching: tokio::sync::Mutex<()>,
}

/// Key sets by address. They are apart: one provider that hangs holds up nobody else's.
#[derive(Default)]
pub(crate) struct JwksCache(Mutex<HashMap<String, Arc<Keys>>>);

impl JwksCache {
    fn of(&self, url: &str) -> Arc<Keys> {
        let mut all = self.0.lock();
        match all.get(url) {
            Some(keys) => Arc::clone(keys),
            None => Arc::clone(all.entry(url.to_owned()).or_default()),
        }
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
        let keys = self.jwks_cache().of(url);
        let held = keys.set.lock().clone();
        if let Some(key) = held.key(kid, FRESH, now) {
            return Ok(Some(key));
        }
        let _one_at_a_time = match (keys.fetching.try_lock(), held.key(kid, STALE, now)) {
            (Ok(guard), _) => guard,
            // Somebody is asking already; a key that was good an hour ago need not wait for the answer.
            (Err(_), Some(key)) => return Ok(Some(key)),
            (Err(_), None) => keys.fetching.lock().await,
        };
        let mut set = keys.set.lock().clone();
        let asked_lately = set.asked_at.is_some_and(|at| now.is_within(PAUSE, at));
        if asked_lately || set.key(kid, FRESH, now).is_some() {
            return set.settle(kid, now);
        }
        let answer = self.ports().upstream.get(url).await;
        set.asked_at = Some(now);
        match answer.and_then(|body| parse(&body)) {
            Ok(found) => {
                set.keys = Arc::new(found);
                set.fetched_at = Some(now);
            }
            Err(error) => tracing::warn!(url, error, "an upstream's keys cannot be fetched"),
        }
        *keys.set.lock() = set.clone();
        set.settle(kid, now)
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
    if keys.is_empty() {
        // Good keys are not given up for such an answer.
        return Err("the document has no key that we can use".to_owned());
    }
    Ok(keys)
}
