//! Turning clients away by what the head of their request tells, before the body is read. What comes through is counted
//! where it is tried.

use secrecy::{ExposeSecret, SecretString};
use vestibule_crypto::ApiKey;

use super::{
    ANYWHERE, BAD_TOKENS, FORGOT_ADDRESS, SIGN_IN_ADDRESS, SIGN_UP_ADDRESS, SIGN_UP_TENANT,
    WRONG_UID_KEY, address_key,
};
use crate::Identity;
use crate::context::{Client, Cx};
use crate::error::{Error, Kind, Result};
use crate::tenant::Tenant;

/// What a client comes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    SignIn,
    SignUp,
    /// A forgotten password, by somebody who proves nothing.
    Forgot,
}

impl Identity {
    /// Refuses a client whose address, or a tenant whose sign-ups, used up what this door allows. Without a tenant: at a
    /// host that names none.
    pub fn admit(&self, door: Door, tenant: Option<&Tenant>, client: &Client) -> Result<()> {
        let tenant = tenant.map_or(ANYWHERE, |tenant| &tenant.id);
        let address = address_key(tenant, client);
        let (limits, now) = (self.limits(), self.now());
        match door {
            // Whether a device is known to the account can be told only when the account is.
            Door::SignIn if client.device.is_some() => Ok(()),
            Door::SignIn => limits.check(SIGN_IN_ADDRESS, &address, now),
            Door::SignUp => {
                limits.check(SIGN_UP_ADDRESS, &address, now)?;
                limits.check(SIGN_UP_TENANT, tenant, now)
            }
            Door::Forgot => limits.check(FORGOT_ADDRESS, &address, now),
        }
    }

    /// Refuses a private key with which too many wrong partner secrets came.
    pub fn admit_key(&self, key: &SecretString) -> Result<()> {
        let key = ApiKey::parse(key.expose_secret());
        key.map_or(Ok(()), |key| {
            self.limits().check(WRONG_UID_KEY, &key.id, self.now())
        })
    }

    /// Counts a credential that was refused. Good ones are never held up: nobody guesses 256 bits, and others may share
    /// the address.
    pub(crate) fn bad_token(&self, cx: &Cx, error: Error) -> Error {
        let counts = matches!(
            error.kind,
            Kind::InvalidToken
                | Kind::InvalidCaptcha
                | Kind::InvalidRefreshToken
                | Kind::InvalidLoginToken
                | Kind::ExpiredLoginToken
                | Kind::InvalidProviderData
                | Kind::UnauthorizedKey
        );
        if !counts {
            return error;
        }
        let address = address_key(&cx.tenant.id, &cx.client);
        match self.limits().count(&[(BAD_TOKENS, &address)], cx.now) {
            Ok(()) => error,
            Err(limited) => limited,
        }
    }
}
