//! Turning a client away before its body is read.

use http::{HeaderMap, Method};
use secrecy::SecretString;
use vestibule_identity::{Client, Door, Identity, Result, Tenant};

use crate::bearer;
use crate::operation::Verb;
use crate::path::decode;
use crate::registry::Dialects;

/// What is known of a request before its body.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    pub headers: &'a HeaderMap,
    /// The tenant that the Host names.
    pub tenant: Option<&'a Tenant>,
    pub client: &'a Client,
}

impl Dialects {
    /// Refuses a client that used up a limit which the head of its request names: by its address or its private key.
    pub fn admit(&self, identity: &Identity, head: &Head<'_>) -> Result<()> {
        for (dialect, place) in self.answering(head.path, &decode(head.path), head.tenant) {
            let mut methods = place.methods.iter();
            let route = methods
                .find(|(method, _)| method == head.method)
                .and_then(|(_, index)| dialect.routes.get(*index));
            let Some(route) = route else { continue };
            let bearer = bearer::of(head.headers, &dialect.bearer_headers);
            match (route.operation.verb, bearer) {
                (Verb::ExchangePartnerToken, Some(key)) => {
                    identity.admit_key(&SecretString::from(key))
                }
                (Verb::SignInPassword, _) => identity.admit(Door::SignIn, head.tenant, head.client),
                (Verb::Register, _) => identity.admit(Door::SignUp, head.tenant, head.client),
                (Verb::ForgotPassword, None) => {
                    identity.admit(Door::Forgot, head.tenant, head.client)
                }
                _ => Ok(()),
            }?;
        }
        Ok(())
    }
}
