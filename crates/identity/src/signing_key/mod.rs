//! Each tenant's own signing keys: one current key a purpose and algorithm, the next one published before it signs, older
//! ones kept until their last token dies.

mod aged;
mod change;
mod ring;
pub(crate) mod store;

pub(crate) use ring::Rings;

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use vestibule_crypto::{Algorithm, Jws, SigningKey, VerifyingKey};

use crate::Identity;
use crate::context::Cx;
use crate::error::{Error, Result};
use crate::ports::Micros;
use crate::tenant::Tenant;

/// Retired keys verify for so long: longer than any token of ours lives, refresh by an expired one included.
pub(crate) const KEEP_RETIRED: Duration = Duration::from_secs(90 * 86_400);

/// A new key stands in the JWKS for so long before it signs: twice as long as that document may be remembered (its
/// `max-age`), so that who checks tokens has it in time.
pub(crate) const PUBLISHED_BEFORE: Duration = Duration::from_secs(600);

/// Of so many tenants the keys are read in one transaction.
const LOADED_TOGETHER: usize = 200;

/// An unknown key is looked for in the database so often at most.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// What a key signs. A key of one purpose never verifies for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Hand-off tokens that open a browser session.
    Login,
    /// Access tokens.
    Access,
}

/// What has one current key.
type Place = (Purpose, Algorithm);

impl Purpose {
    pub(crate) const ALL: [Purpose; 2] = [Purpose::Login, Purpose::Access];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Purpose::Login => "login",
            Purpose::Access => "access",
        }
    }
}

/// A key as lists show it.
#[derive(Clone, Debug, Serialize)]
pub struct KeyView {
    pub kid: String,
    pub algorithm: String,
    pub purpose: String,
    /// `next`, `current`, `retired` or `revoked`.
    pub state: &'static str,
    pub created_at: Micros,
    /// When it begins to sign, or began.
    pub activates_at: Micros,
}

/// A key about to be stored.
pub(crate) struct NewKey {
    pub(crate) key: Arc<SigningKey>,
    pub(crate) purpose: Purpose,
    pub(crate) sealed: Vec<u8>,
    pub(crate) public_jwk: String,
}

/// Binds a sealed key to its place, so that rows cannot be swapped.
pub(crate) fn seal_context(tenant: &str, purpose: Purpose, kid: &str) -> String {
    format!("signing-key/{tenant}/{}/{kid}", purpose.name())
}

impl Identity {
    /// Makes a key off the runtime: an RSA key takes a tenth of a second.
    async fn generate_key(
        &self,
        tenant: &str,
        purpose: Purpose,
        algorithm: Algorithm,
    ) -> Result<NewKey> {
        let key = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm))
            .await
            .map_err(Error::internal)?
            .map_err(Error::internal)?;
        let der = key.to_pkcs8().map_err(Error::internal)?;
        let sealed = self
            .sealer()
            .seal(&seal_context(tenant, purpose, key.kid()), &der);
        let public_jwk = key.public_jwk().to_string();
        Ok(NewKey {
            key: Arc::new(key),
            purpose,
            sealed,
            public_jwk,
        })
    }

    /// The key that signs now; made at the first wish for one. Two nodes wishing at once end up with one key.
    pub(crate) async fn signing_key(
        &self,
        tenant: &Tenant,
        purpose: Purpose,
        algorithm: Algorithm,
    ) -> Result<Arc<SigningKey>> {
        let current = || {
            let now = self.now();
            self.rings().current(&tenant.id, purpose, algorithm, now)
        };
        if let Some(key) = current() {
            return Ok(key);
        }
        self.load_ring(&tenant.id).await?;
        if let Some(key) = current() {
            return Ok(key);
        }
        let new = self.generate_key(&tenant.id, purpose, algorithm).await?;
        let (id, now) = (tenant.id.clone(), self.now());
        self.db()
            .write(move |tx| {
                crate::tenant::store::bump_catalog(tx, &id, now)?;
                store::insert(tx, &id, &new, now, now)
            })
            .await?;
        self.load_ring(&tenant.id).await?;
        current().ok_or_else(|| Error::internal("a signing key just made is not there"))
    }

    /// Makes the keys that are missing, so that they stand in the JWKS before the first token does.
    pub async fn ensure_signing_keys(
        &self,
        tenant: &Tenant,
        wanted: &[(Purpose, Algorithm)],
    ) -> Result<()> {
        if self.rings().has_all(&tenant.id, wanted) {
            return Ok(());
        }
        for (purpose, algorithm) in wanted {
            Box::pin(self.signing_key(tenant, *purpose, *algorithm)).await?;
        }
        Ok(())
    }

    pub(crate) fn verifying_key(
        &self,
        tenant: &Tenant,
        purpose: Purpose,
        kid: &str,
    ) -> Option<Arc<VerifyingKey>> {
        self.rings().verifying(&tenant.id, purpose, kid)
    }

    /// Whether the key that this token names is there after all: another node may have made it a moment ago. Reads
    /// a tenant's keys for unknown ones once a second, and between only whether any changed, so that made-up ones cost little.
    pub(crate) async fn learn_key(&self, cx: &Cx, token: &SecretString) -> Result<bool> {
        let Some(kid) = Jws::parse(token.expose_secret())
            .ok()
            .and_then(|jws| jws.kid().map(str::to_owned))
        else {
            return Ok(false);
        };
        let tenant = &cx.tenant.id;
        // There by now: it may have come after the caller looked.
        if self.rings().has(tenant, &kid) {
            return Ok(true);
        }
        let mut asked = self.rings().asked.lock().await;
        let lately = |last: &Micros| cx.now >= *last && cx.now.since(*last) < ASK_EVERY;
        if asked.get(tenant).is_some_and(lately) {
            drop(asked);
            // Made since then, it has raised the catalogue's version, which is one small reading.
            self.reload().await?;
        } else {
            asked.insert(tenant.clone(), cx.now);
            self.load_ring(tenant).await?;
        }
        Ok(self.rings().has(tenant, &kid))
    }

    /// Reads a tenant's keys into memory.
    pub(crate) async fn load_ring(&self, tenant: &str) -> Result<()> {
        self.load_rings(vec![tenant.to_owned()]).await
    }

    async fn load_rings(&self, tenants: Vec<String>) -> Result<()> {
        let now = self.now();
        let oldest = now - KEEP_RETIRED;
        let _loading = self.rings().loading.lock().await;
        let read = self
            .db()
            .read(move |tx| {
                let mut read = Vec::new();
                for tenant in &tenants {
                    read.push((tenant.clone(), store::keys(tx, tenant, oldest)?));
                }
                Ok::<_, Error>(read)
            })
            .await?;
        for (tenant, rows) in read {
            self.rings().load(self.sealer(), &tenant, rows, now)?;
        }
        Ok(())
    }

    /// Reads the keys that have changed since that was last seen to, of all tenants. Answers at once where the catalogue
    /// has not moved. A failure half-way is made up for by the next call.
    pub(crate) async fn sync_rings(&self) -> Result<()> {
        let seen = self.directory().seen();
        let compared = self.rings().compared();
        if compared
            .as_ref()
            .is_some_and(|compared| compared.version == seen.version)
        {
            return Ok(());
        }
        let marked = compared.and_then(|compared| seen.changed_since(&compared));
        match marked {
            Some(tenants) => self.load_all_of(tenants).await?,
            None => self.compare_rings().await?,
        }
        self.rings().set_compared(seen);
        Ok(())
    }

    /// Reads all keys that are not in memory as they are in the database, and forgets those that are past.
    pub(crate) async fn compare_rings(&self) -> Result<()> {
        let oldest = self.now() - KEEP_RETIRED;
        let marks = self.db().read(move |tx| store::marks(tx, oldest)).await?;
        self.load_all_of(self.rings().unlike(marks)).await
    }

    async fn load_all_of(&self, tenants: Vec<String>) -> Result<()> {
        for some in tenants.chunks(LOADED_TOGETHER) {
            self.load_rings(some.to_vec()).await?;
        }
        Ok(())
    }

    /// The public keys of a tenant as a JWKS document (RFC 7517), from memory; `None` where there is none.
    pub async fn jwks(&self, tenant: &Tenant) -> Result<Option<Arc<str>>> {
        if !self.rings().knows(&tenant.id) {
            Box::pin(self.load_ring(&tenant.id)).await?;
        }
        Ok(self.rings().public(&tenant.id))
    }
}
