//! A back end that calls for a person says from which address that person comes.

use std::net::IpAddr;
use std::sync::Arc;

use secrecy::SecretString;

use crate::Identity;
use crate::context::{Client, Cx, Forwarded};
use crate::error::{Error, Kind, Result};
use crate::tenant::Tenant;

impl Identity {
    /// The client with the person's address. `host` is the tenant of the request's host, if any: the key must be its own.
    /// `UnauthorizedKey`, `ExpiredKey` or `BrowserOrigin` when the key proves nothing, `MalformedInput` when the address
    /// is none.
    pub async fn forwarded_client(
        &self,
        host: Option<&Arc<Tenant>>,
        client: &Client,
        key: Option<SecretString>,
        address: &str,
    ) -> Result<Client> {
        let address: IpAddr = address.trim().parse().map_err(|_| {
            let text = "the forwarded client address is not an IPv4 or IPv6 address";
            Error::with_detail(Kind::MalformedInput, text)
        })?;
        let key = key.ok_or(Kind::UnauthorizedKey)?;
        let tenant = match host {
            Some(tenant) => tenant.clone(),
            None => self.tenant_of_key(&key).await?,
        };
        let cx = Cx {
            tenant,
            now: self.now(),
            client: client.clone(),
        };
        self.authenticate_key(&cx, &key)
            .await
            .map_err(|error| self.bad_token(&cx, error))?;
        Ok(Client {
            forwarded: Some(Arc::new(Forwarded {
                tenant_id: cx.tenant.id.clone(),
                address: address.to_canonical(),
            })),
            ..client.clone()
        })
    }
}
