//! A credential that waits in the browser for an answer: sealed, in a cookie, for ten minutes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use vestibule_identity::{
    Authenticated, BrowserCredential, Error, Identity, OpenBrowser, Opened, Tenant,
};

use crate::cookie::Cookie;
use crate::site::Site;

/// How long it waits.
pub(super) const SECONDS: i64 = 600;

/// A credential on its way, and where it leads.
#[derive(Clone)]
pub(super) struct Waiting {
    pub(super) credential: BrowserCredential,
    pub(super) leads_to: String,
    /// Whose route it came by: no other dialect takes it.
    pub(super) dialect: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    token: String,
    /// Present for an access token: the roles that may pass.
    roles: Option<Vec<String>>,
    leads_to: String,
    dialect: Option<String>,
    /// Seconds since the epoch.
    until: i64,
}

fn seal_context(tenant: &Tenant) -> String {
    format!("sign-in choice of tenant {}", tenant.id)
}

impl Waiting {
    /// Signs the browser in, or tells that somebody else is signed in and that nothing was used up.
    pub(super) async fn open(
        &self,
        identity: &Identity,
        site: &Site,
        current: Option<Authenticated>,
        confirmed: bool,
    ) -> Result<Opened, Error> {
        let mut cx = site.cx.clone();
        cx.client.dialect = self.dialect.as_deref().map(Into::into);
        let credential = self.credential.clone();
        let command = OpenBrowser {
            credential,
            current,
            confirmed,
        };
        identity.open_browser(&cx, command).await
    }

    /// The cookie's value.
    pub(super) fn seal(&self, identity: &Identity, site: &Site) -> Result<SecretString, Error> {
        let (token, roles) = match &self.credential {
            BrowserCredential::LoginToken(token) => (token, None),
            BrowserCredential::AccessToken { token, roles } => (token, Some(roles.clone())),
        };
        let sealed = Sealed {
            token: token.expose_secret().to_owned(),
            roles,
            leads_to: self.leads_to.clone(),
            dialect: self.dialect.clone(),
            until: site.cx.now.secs() + SECONDS,
        };
        let plain = serde_json::to_vec(&sealed).map_err(Error::internal)?;
        let bytes = identity.sealer().seal(&seal_context(site.tenant()), &plain);
        Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// What waits in this browser, unless its time is over.
    pub(super) fn read(identity: &Identity, site: &Site, headers: &HeaderMap) -> Option<Waiting> {
        let cookie = Cookie::Choice.read(site.tenant(), headers)?;
        let bytes = URL_SAFE_NO_PAD.decode(cookie.expose_secret()).ok()?;
        let context = seal_context(site.tenant());
        let plain = identity.sealer().open(&context, &bytes).ok()?;
        let sealed: Sealed = serde_json::from_slice(&plain).ok()?;
        if sealed.until < site.cx.now.secs() {
            return None;
        }
        let token = SecretString::from(sealed.token);
        let credential = match sealed.roles {
            None => BrowserCredential::LoginToken(token),
            Some(roles) => BrowserCredential::AccessToken { token, roles },
        };
        Some(Waiting {
            credential,
            leads_to: sealed.leads_to,
            dialect: sealed.dialect,
        })
    }
}
