//! The cookie by which a tenant knows a browser again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use vestibule_identity::{Account, Device, Identity, Tenant};

use crate::cookie::Cookie;
use crate::site::Site;

/// A year.
const SECONDS: i64 = 365 * 86_400;

/// The browser that sends the request, if the tenant has seen it.
pub(crate) fn read(identity: &Identity, tenant: &Tenant, headers: &HeaderMap) -> Option<Device> {
    let cookie = Cookie::Device.read(tenant, headers)?;
    let sealed = URL_SAFE_NO_PAD.decode(cookie.expose_secret()).ok()?;
    identity.open_device(tenant, &sealed)
}

/// `Set-Cookie` that remembers the sign-in. None for an unproven address: whoever signed up with it may not be its owner.
pub(crate) fn remember(identity: &Identity, site: &Site, account: &Account) -> Option<HeaderValue> {
    if !account.email_verified {
        return None;
    }
    let (tenant, device) = (site.tenant(), site.cx.client.device.as_deref());
    let sealed = identity.seal_device(tenant, device, account);
    let value = SecretString::from(URL_SAFE_NO_PAD.encode(sealed));
    Cookie::Device.set(tenant, &value, SECONDS)
}
