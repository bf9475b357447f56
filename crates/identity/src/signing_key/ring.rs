//! The keys in memory, parsed once.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use serde_json::{Value, json};
use vestibule_crypto::{Algorithm, Sealer, SigningKey, VerifyingKey};

use super::store::{KeyRow, Mark};
use super::{Place, Purpose, seal_context};
use crate::error::{Error, Result};
use crate::ports::Micros;
use crate::tenant::Seen;

#[derive(Default)]
struct Ring {
    /// The key in force and those to come, each with the time from which it signs.
    signing: foldhash::HashMap<Place, Vec<(Micros, Arc<SigningKey>)>>,
    verifying: foldhash::HashMap<String, (Purpose, Arc<VerifyingKey>)>,
    /// The JWKS document, where there is a key.
    public: Option<Arc<str>>,
    marks: Vec<Mark>,
}

/// Each tenant's keys.
#[derive(Default)]
pub(crate) struct Rings {
    rings: RwLock<foldhash::HashMap<String, Arc<Ring>>>,
    /// How the catalogue stood when all were last as in the database.
    compared: RwLock<Option<Seen>>,
    /// Held from reading keys to putting them here, so that none are replaced by older ones.
    pub(super) loading: tokio::sync::Mutex<()>,
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

    /// Whether there is a key to sign with in each of these places.
    pub(crate) fn has_all(&self, tenant: &str, wanted: &[Place]) -> bool {
        self.ring(tenant)
            .is_some_and(|ring| wanted.iter().all(|place| ring.signing.contains_key(place)))
    }

    /// The key that signs at that time.
    pub(crate) fn current(
        &self,
        tenant: &str,
        purpose: Purpose,
        algorithm: Algorithm,
        now: Micros,
    ) -> Option<Arc<SigningKey>> {
        let ring = self.ring(tenant)?;
        let keys = ring.signing.get(&(purpose, algorithm))?;
        let in_force = keys.iter().rev().find(|(from, _)| *from <= now);
        // Where a clock is behind, the first one will do.
        in_force.or(keys.first()).map(|(_, key)| key.clone())
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

    pub(crate) fn public(&self, tenant: &str) -> Option<Arc<str>> {
        self.ring(tenant)?.public.clone()
    }

    pub(super) fn compared(&self) -> Option<Seen> {
        self.compared.read().clone()
    }

    pub(super) fn set_compared(&self, seen: Seen) {
        *self.compared.write() = Some(seen);
    }

    /// The tenants whose keys are not, or not so, in memory.
    pub(super) fn unlike(&self, mut marks: HashMap<String, Vec<Mark>>) -> Vec<String> {
        let rings = self.rings.read();
        for tenant in rings.keys() {
            marks.entry(tenant.clone()).or_default();
        }
        let differs = |(tenant, mut marks): (String, Vec<Mark>)| {
            marks.sort_unstable();
            let same = rings.get(&tenant).is_some_and(|ring| ring.marks == marks);
            (!same).then_some(tenant)
        };
        marks.into_iter().filter_map(differs).collect()
    }

    /// Replaces a tenant's ring. Keys already parsed are taken over.
    pub(crate) fn load(
        &self,
        sealer: &Sealer,
        tenant: &str,
        rows: Vec<KeyRow>,
        now: Micros,
    ) -> Result<()> {
        let old = self.ring(tenant).unwrap_or_default();
        let mut ring = Ring {
            marks: rows.iter().map(KeyRow::mark).collect(),
            ..Ring::default()
        };
        ring.marks.sort_unstable();
        let mut keys = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let public: Value = serde_json::from_str(&row.public_jwk).map_err(Error::internal)?;
            let verifying = match old.verifying.get(&row.kid) {
                Some((_, key)) => key.clone(),
                None => Arc::new(VerifyingKey::from_jwk(&public).map_err(Error::internal)?),
            };
            ring.verifying
                .insert(row.kid.clone(), (row.purpose, verifying));
            keys.push(public);
            let followed = rows[index + 1..]
                .iter()
                .any(|later| later.place() == row.place() && later.activates_at <= now);
            if !followed {
                let key = match old.signing_key(row) {
                    Some(key) => key,
                    None => Arc::new(open(sealer, tenant, row)?),
                };
                let signing = ring.signing.entry(row.place()).or_default();
                signing.push((row.activates_at, key));
            }
        }
        let document = || json!({ "keys": keys }).to_string().into();
        ring.public = (!keys.is_empty()).then(document);
        self.rings.write().insert(tenant.to_owned(), Arc::new(ring));
        Ok(())
    }

    pub(crate) fn forget(&self, tenant: &str) {
        self.rings.write().remove(tenant);
    }
}

impl Ring {
    fn signing_key(&self, row: &KeyRow) -> Option<Arc<SigningKey>> {
        let keys = self.signing.get(&row.place())?;
        let found = keys.iter().find(|(_, key)| key.kid() == row.kid);
        found.map(|(_, key)| key.clone())
    }
}

fn open(sealer: &Sealer, tenant: &str, row: &KeyRow) -> Result<SigningKey> {
    let context = seal_context(tenant, row.purpose, &row.kid);
    let der = sealer.open(&context, &row.sealed).map_err(|_| {
        Error::internal(format!("signing key {} cannot be opened: the secret key file is not the one it was sealed with", row.kid))
    })?;
    SigningKey::from_pkcs8(row.algorithm, &der).map_err(Error::internal)
}
