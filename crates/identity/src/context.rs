//! Who asks, where, and when: what every operation is told first.

use std::net::IpAddr;
use std::sync::Arc;

use crate::limit::Device;
use crate::ports::Micros;
use crate::tenant::Tenant;

/// The context of one request. Authority comes from here or from a credential that the operation itself checks.
#[derive(Clone, Debug)]
pub struct Cx {
    pub tenant: Arc<Tenant>,
    pub now: Micros,
    pub client: Client,
}

/// The far end, as the layers found it.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// The address behind trusted proxies.
    pub address: Option<IpAddr>,
    pub user_agent: Option<Arc<str>>,
    /// The `Origin` header: present when a page's script or form calls.
    pub origin: Option<Arc<str>>,
    /// Names this request in logs, audit entries and error pages.
    pub request_id: Arc<str>,
    /// The dialect that the request speaks, if any.
    pub dialect: Option<Arc<str>>,
    /// The browser, if the tenant has seen it before.
    pub device: Option<Arc<Device>>,
    /// The address of the person for whom a back end calls.
    pub forwarded: Option<Arc<Forwarded>>,
}

/// A person's address, on the word of a back end that showed a private key of this tenant.
#[derive(Clone, Debug)]
pub struct Forwarded {
    pub(crate) tenant_id: String,
    pub(crate) address: IpAddr,
}

impl Client {
    /// The far end as this tenant takes it: another tenant's back end is not believed.
    pub fn at(&self, tenant: &Tenant) -> Client {
        let forwarded = self.forwarded.as_ref();
        let forwarded = forwarded.filter(|forwarded| forwarded.tenant_id == tenant.id);
        Client {
            address: forwarded
                .map(|forwarded| forwarded.address)
                .or(self.address),
            ..self.clone()
        }
    }
}

impl Cx {
    /// The mounted dialect's name, or `native`.
    pub fn surface(&self) -> &str {
        self.client.dialect.as_deref().unwrap_or("native")
    }
}
