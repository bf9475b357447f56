//! What the binary tells this crate: the core, the dialects, and how to treat connections.

use std::fmt;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use vestibule_dialect::Dialects;
use vestibule_identity::Identity;

use crate::metrics::Metrics;

/// Everything that requests are answered from.
#[derive(Clone)]
pub struct App {
    pub identity: Identity,
    pub dialects: Dialects,
    pub settings: HttpSettings,
}

/// How connections are treated.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Peers whose `X-Forwarded-For` is believed; a single address is a network of one. Empty: believe none.
    pub trusted_proxies: Vec<IpNet>,
    /// Present in demo mode only: the page at `/` and the inbox.
    pub demo: Option<Demo>,
    /// After this the client gets a 503; the work that was begun goes on to its end.
    pub request_timeout: Duration,
    pub metrics: Metrics,
}

/// What the demo page shows and uses.
#[derive(Clone, Debug)]
pub struct Demo {
    /// The sample tenants; the page appears on their hosts only.
    pub tenants: Vec<DemoTenant>,
}

/// One sample tenant.
#[derive(Clone, Debug)]
pub struct DemoTenant {
    pub slug: String,
    /// A private API key, with which the page plays the partner's back end.
    pub api_key: SecretString,
    pub people: Vec<DemoPerson>,
}

/// A sample account; its password is shown on the page.
#[derive(Clone, Debug)]
pub struct DemoPerson {
    pub email: String,
    pub password: SecretString,
    pub role: String,
}

impl Demo {
    pub(crate) fn tenant(&self, slug: &str) -> Option<&DemoTenant> {
        self.tenants.iter().find(|tenant| tenant.slug == slug)
    }
}

impl Default for HttpSettings {
    fn default() -> HttpSettings {
        HttpSettings {
            trusted_proxies: Vec::new(),
            demo: None,
            request_timeout: Duration::from_secs(30),
            metrics: Metrics::default(),
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
