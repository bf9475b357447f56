//! The world around a replayed server: a clock that leaps, and a provider that signs ID tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use serde_json::json;
use vestibule_crypto::{Algorithm, SigningKey};
use vestibule_dialect::examples::IdToken;
use vestibule_identity::{Clock, Micros, Upstream};

use crate::effects::SystemClock;

/// The machine's clock, put forward.
#[derive(Debug, Default)]
pub(super) struct LeapClock(AtomicI64);

impl LeapClock {
    pub(super) fn leap(&self, span: Duration) {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        self.0.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Clock for LeapClock {
    fn now(&self) -> Micros {
        Micros(
            SystemClock
                .now()
                .0
                .saturating_add(self.0.load(Ordering::Relaxed)),
        )
    }
}

/// The provider's address; nothing is ever looked up there.
const ISSUER: &str = "https://provider.test";
const CLIENT_ID: &str = "example-client";

/// An OpenID provider with one key; also everything that the server can reach.
pub(super) struct Provider(SigningKey);

impl Provider {
    pub(super) fn start() -> anyhow::Result<Arc<Provider>> {
        Ok(Arc::new(Provider(
            SigningKey::generate(Algorithm::RS256).context("the provider's key")?,
        )))
    }

    /// Its entry in a tenant file, completed where an example's own says nothing.
    pub(super) fn complete(entry: &mut toml::Table) {
        let jwks_url = format!("{ISSUER}/jwks");
        for (name, value) in [
            ("kind", "google"),
            ("client_id", CLIENT_ID),
            ("issuer", ISSUER),
            ("jwks_url", &jwks_url),
        ] {
            entry.entry(name).or_insert_with(|| value.into());
        }
    }

    /// An ID token for the sample client, an hour long.
    pub(super) fn id_token(&self, token: &IdToken, now: Micros) -> anyhow::Result<String> {
        let claims = json!({
            "iss": ISSUER,
            "aud": CLIENT_ID,
            "sub": token.subject,
            "email": token.email,
            "email_verified": token.verified,
            "iat": now.secs(),
            "exp": now.secs() + 3600,
        });
        self.0.sign("JWT", &claims).context("the provider's token")
    }
}

#[async_trait]
impl Upstream for Provider {
    async fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        match url.strip_prefix(ISSUER) {
            Some("/jwks") => Ok(json!({ "keys": [self.0.public_jwk()] })
                .to_string()
                .into_bytes()),
            _ => Err(format!(
                "nothing answers at {url} while examples are played"
            )),
        }
    }

    async fn post_form(&self, url: &str, _form: &[(&str, &str)]) -> Result<Vec<u8>, String> {
        Err(format!(
            "nothing answers at {url} while examples are played"
        ))
    }
}
