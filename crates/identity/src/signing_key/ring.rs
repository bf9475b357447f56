//! The keys in memory, parsed once.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use serde_json::Value;
use vestibule_crypto::{Algorithm, Sealer, SigningKey, VerifyingKey};

use super::store::KeyRow;
use super::{Purpose, seal_context};
use crate::error::{Error, Result};
use crate::ports::Micros;

#[derive(Default)]
struct Ring {
    current: HashMap<(Purpose, Algorithm), Arc<SigningKey>>,
    verifying: HashMap<String, (Purpose, Arc<VerifyingKey>)>,
    public: Vec<Value>,
}

/// Each tenant's keys.
#[derive(Default)]
pub(crate) struct Rings {
    rings: RwLock<HashMap<String, Arc<Ring>>>,
    /// When each tenant's keys were last read for an unknown one. Held while they are read: whoever asks meanwhile waits.
    pub(super) asked: tokio::sync::Mutex<HashMap<String, Micros>>,
}

impl Rings {
    fn ring(&self, tenant: &str) -> Option<Arc<Ring>> {
        self.rings.read().get(tenant).cloned()
    }

    pub(crate) fn knows(&self, tenant: &str) -> bool {
        self.rings.read().contains_key(tenant)
    }

    pub(crate) fn has(&self, tenant: &str, kid: &str) -> bool {
        self.ring(tenant)
            .is_some_and(|ring| ring.verifying.contains_key(kid))
    }

    pub(crate) fn current(
        &self,
        tenant: &str,
        purpose: Purpose,
        algorithm: Algorithm,
    ) -> Option<Arc<SigningKey>> {
        self.ring(tenant)?
            .current
            .get(&(purpose, algorithm))
            .cloned()
    }

    pub(crate) fn verifying(
        &self,
        tenant: &str,
        purpose: Purpose,
        kid: &str,
    ) -> Option<Arc<VerifyingKey>> {
        let ring = self.ring(tenant)?;
        ring.verifying
            .get(kid)
            .filter(|(of, _)| *of == purpose)
            .map(|(_, key)| key.clone())
    }

    pub(crate) fn public(&self, tenant: &str) -> Vec<Value> {
        self.ring(tenant)
            .map(|ring| ring.public.clone())
            .unwrap_or_default()
    }

    /// Replaces a tenant's ring. Keys already parsed are taken over.
    pub(crate) fn load(&self, sealer: &Sealer, tenant: &str, rows: Vec<KeyRow>) -> Result<()> {
        let old = self.ring(tenant);
        let mut ring = Ring::default();
        for row in rows {
            let public: Value = serde_json::from_str(&row.public_jwk).map_err(Error::internal)?;
            let known = old
                .as_ref()
                .and_then(|ring| ring.verifying.get(&row.kid))
                .map(|(_, key)| key.clone());
            let verifying = match known {
                Some(key) => key,
                None => Arc::new(VerifyingKey::from_jwk(&public).map_err(Error::internal)?),
            };
            ring.verifying
                .insert(row.kid.clone(), (row.purpose, verifying));
            ring.public.push(public);
            if row.current {
                let place = (row.purpose, row.algorithm);
                let kept = old
                    .as_ref()
                    .and_then(|ring| ring.current.get(&place))
                    .filter(|key| key.kid() == row.kid)
                    .cloned();
                let key = match kept {
                    Some(key) => key,
                    None => Arc::new(open(sealer, tenant, &row)?),
                };
                ring.current.insert(place, key);
            }
        }
        self.rings.write().insert(tenant.to_owned(), Arc::new(ring));
        Ok(())
    }

    pub(crate) fn forget(&self, tenant: &str) {
        self.rings.write().remove(tenant);
    }
}

fn open(sealer: &Sealer, tenant: &str, row: &KeyRow) -> Result<SigningKey> {
    let context = seal_context(tenant, row.purpose, &row.kid);
    let der = sealer.open(&context, &row.sealed).map_err(|_| {
        Error::internal(format!("signing key {} cannot be opened: the secret key file is not the one it was sealed with", row.kid))
    })?;
    SigningKey::from_pkcs8(row.algorithm, &der).map_err(Error::internal)
}
