//! A way that goes on by mail: what the browser that began it remembers meanwhile, sealed in a cookie.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use vestibule_identity::{Begun, Error, Identity, Tenant};

use crate::cookie::Cookie;
use crate::extract::Fields;
use crate::site::Site;

/// What was begun; one is not taken for another.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Way {
    ForgottenPassword,
    SignUp,
}

impl Way {
    /// Seconds: as long as the mailed link lives.
    fn lifetime(self) -> i64 {
        match self {
            Way::ForgottenPassword => 3_600,
            Way::SignUp => 24 * 3_600,
        }
    }
}

/// Such a way, as the browser that asked for the mail remembers it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Flow {
    way: Way,
    /// 22 random characters, without which the mailed code is worth nothing.
    name: String,
    /// As it was typed.
    pub(crate) email: String,
    /// Where it leads in the end, as it came.
    pub(crate) next: String,
    /// Seconds since the epoch.
    until: i64,
}

fn seal_context(tenant: &Tenant) -> String {
    format!("begun at tenant {}", tenant.id)
}

impl Flow {
    pub(crate) fn begin(identity: &Identity, site: &Site, way: Way, fields: &Fields) -> Flow {
        let mut name = [0; 16];
        identity.random().fill(&mut name);
        Flow {
            way,
            name: URL_SAFE_NO_PAD.encode(name),
            email: fields.get("email").trim().to_owned(),
            next: fields.get("next").to_owned(),
            until: site.cx.now.secs() + way.lifetime(),
        }
    }

    pub(crate) fn name(&self) -> SecretString {
        SecretString::from(self.name.as_str())
    }

    pub(crate) fn begun(&self) -> Begun {
        Begun {
            flow: self.name(),
            return_to: self.next.clone(),
        }
    }

    /// `Set-Cookie`.
    pub(crate) fn remember(
        &self,
        identity: &Identity,
        tenant: &Tenant,
    ) -> Result<Option<HeaderValue>, Error> {
        let plain = serde_json::to_vec(self).map_err(Error::internal)?;
        let sealed = identity.sealer().seal(&seal_context(tenant), &plain);
        let value = SecretString::from(URL_SAFE_NO_PAD.encode(sealed));
        Ok(Cookie::Flow.set(tenant, &value, self.way.lifetime()))
    }

    /// What this browser began last, if that was this and its time is not over.
    pub(crate) fn read(
        identity: &Identity,
        site: &Site,
        way: Way,
        headers: &HeaderMap,
    ) -> Option<Flow> {
        let cookie = Cookie::Flow.read(site.tenant(), headers)?;
        let sealed = URL_SAFE_NO_PAD.decode(cookie.expose_secret()).ok()?;
        let context = seal_context(site.tenant());
        let plain = identity.sealer().open(&context, &sealed).ok()?;
        let flow: Flow = serde_json::from_slice(&plain).ok()?;
        (flow.way == way && flow.until > site.cx.now.secs()).then_some(flow)
    }
}
