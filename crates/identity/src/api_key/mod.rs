//! Private keys of a tenant's back ends: shown once, stored as digests.

mod forwarded;
pub(crate) mod store;

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use vestibule_crypto::ApiKey;

use crate::context::Cx;
use crate::error::{Error, Kind, Result};
use crate::ports::Micros;
use crate::tenant::Tenant;
use crate::{Identity, audit};

/// A key to be made.
#[derive(Clone, Debug, Default)]
pub struct CreateApiKey {
    pub name: String,
    pub expires_in: Option<Duration>,
    pub test: bool,
}

/// A key just made; the only time its secret is seen.
#[derive(Debug)]
pub struct CreatedKey {
    pub id: String,
    pub key: SecretString,
    pub expires_at: Option<Micros>,
}

/// A key as lists show it.
#[derive(Clone, Debug, Serialize)]
pub struct ApiKeyView {
    pub id: String,
    pub name: String,
    pub test: bool,
    pub created_at: Micros,
    pub expires_at: Option<Micros>,
    pub revoked_at: Option<Micros>,
    /// Since a restore the key waits to be confirmed, and opens nothing.
    pub held_at: Option<Micros>,
}

/// A stored key that a presented one is compared with.
pub(crate) struct Stored {
    pub(crate) id: String,
    pub(crate) tenant_id: String,
    pub(crate) digest: [u8; 32],
    pub(crate) expires_at: Option<Micros>,
    pub(crate) revoked_at: Option<Micros>,
    pub(crate) held_at: Option<Micros>,
}

impl Identity {
    pub async fn create_api_key(&self, cx: &Cx, new: CreateApiKey) -> Result<CreatedKey> {
        let key = ApiKey::generate(self.random(), new.test);
        let expires_at = new.expires_in.map(|span| cx.now + span);
        let view = ApiKeyView {
            id: key.id.clone(),
            name: new.name,
            test: new.test,
            created_at: cx.now,
            expires_at,
            revoked_at: None,
            held_at: None,
        };
        let (cx, digest) = (cx.clone(), key.digest());
        self.db()
            .write(move |tx| {
                store::insert(tx, &cx.tenant.id, &view, &digest)?;
                audit::record(
                    tx,
                    &cx,
                    audit::Entry::done("api_key.created")
                        .actor("operator")
                        .target(&view.id),
                )
            })
            .await?;
        Ok(CreatedKey {
            id: key.id.clone(),
            key: key.expose(),
            expires_at,
        })
    }

    pub async fn api_keys(&self, cx: &Cx) -> Result<Vec<ApiKeyView>> {
        let tenant = cx.tenant.id.clone();
        self.db().read(move |tx| store::list(tx, &tenant)).await
    }

    /// Ends a key at once, whichever tenant's it is. Revoking twice is no error.
    pub async fn revoke_api_key(&self, id: &str) -> Result<()> {
        let (cx, id) = (self.cx_of_key(id).await?, id.to_owned());
        self.db()
            .write(move |tx| {
                store::revoke(tx, &id, cx.now)?;
                audit::record(
                    tx,
                    &cx,
                    audit::Entry::done("api_key.revoked")
                        .actor("operator")
                        .target(&id),
                )
            })
            .await
    }

    /// Lets a key that a restore holds back be used again. No error where it is not held; `NotFound` for a revoked one.
    pub async fn confirm_api_key(&self, id: &str) -> Result<()> {
        let (cx, id) = (self.cx_of_key(id).await?, id.to_owned());
        self.db()
            .write(move |tx| {
                if !store::confirm(tx, &id)? {
                    return Err(Error::with_detail(
                        Kind::NotFound,
                        format!("The API key `{id}` is revoked."),
                    ));
                }
                audit::record(
                    tx,
                    &cx,
                    audit::Entry::done("api_key.confirmed").actor("operator"),
                )
            })
            .await
    }

    /// The context of an operator's deed on a key, in the tenant that it belongs to.
    async fn cx_of_key(&self, id: &str) -> Result<Cx> {
        let wanted = id.to_owned();
        let found = self.db().read(move |tx| store::find(tx, &wanted)).await?;
        let owner = found
            .ok_or_else(|| Error::with_detail(Kind::NotFound, format!("No API key `{id}`.")))?;
        let tenant = self.directory().by_id(&owner.tenant_id).await?;
        Ok(self.operator_cx(tenant.ok_or(Kind::UnknownTenant)?))
    }

    /// The tenant whose live key this is.
    pub async fn tenant_of_key(&self, key: &SecretString) -> Result<Arc<Tenant>> {
        let stored = self.stored_key(key).await?;
        self.directory()
            .by_id(&stored.tenant_id)
            .await?
            .ok_or_else(|| Kind::UnauthorizedKey.into())
    }

    /// Proves a back end of this tenant. A key in a page's hands is refused and noted.
    /// Answers the key's id.
    pub(crate) async fn authenticate_key(&self, cx: &Cx, key: &SecretString) -> Result<String> {
        // An unknown key leaves no entry: anybody could fill the log with those.
        let stored = self.stored_key(key).await?;
        let refused = if stored.tenant_id != cx.tenant.id {
            Kind::UnauthorizedKey
        } else if cx.client.origin.is_some() {
            Kind::BrowserOrigin
        } else if stored.expires_at.is_some_and(|at| at <= cx.now) {
            Kind::ExpiredKey
        } else {
            return Ok(stored.id);
        };
        let entry = audit::Entry::refused("api_key.used", refused);
        // The id of another tenant's key is that tenant's business.
        let entry = match stored.tenant_id == cx.tenant.id {
            true => entry.by_key(&stored.id),
            false => entry.actor("back_end"),
        };
        self.note_refused(cx, entry).await?;
        Err(refused.into())
    }

    /// The row of a presented key, compared by digest in constant time, and neither revoked nor held.
    async fn stored_key(&self, key: &SecretString) -> Result<Stored> {
        let key = ApiKey::parse(key.expose_secret()).ok_or(Kind::UnauthorizedKey)?;
        let id = key.id.clone();
        let stored = self
            .db()
            .read_one(move |tx| store::find(tx, &id))
            .await?
            .ok_or(Kind::UnauthorizedKey)?;
        let ended = stored.revoked_at.is_some() || stored.held_at.is_some();
        if !vestibule_crypto::equal(&stored.digest, &key.digest()) || ended {
            return Err(Kind::UnauthorizedKey.into());
        }
        Ok(stored)
    }
}
