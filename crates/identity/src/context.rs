//! Who asks, where, and when: what every operation is told first.

use std::net::IpAddr;
use std::sync::Arc;

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
    pub user_agent: Option<String>,
    /// The `Origin` header: present when a page's script or form calls.
    pub origin: Option<String>,
    /// Names this request in logs, audit entries and error pages.
    pub request_id: String,
    /// The dialect that the request speaks, if any.
    pub dialect: Option<Arc<str>>,
}

impl Cx {
    /// The mounted dialect's name, or `native`.
    pub fn surface(&self) -> &str {
        self.client.dialect.as_deref().unwrap_or("native")
    }
}
