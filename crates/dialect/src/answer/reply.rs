//! The reply: tokens minted as it names them, and the body written.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::Value;
use secrecy::{ExposeSecret, SecretString};
use vestibule_identity::{Error, Kind, Result, Tenant, TokenSpec, TokenSubject};

use super::headers;
use super::visit::Visit;
use crate::call::Answer;
use crate::load::{Reply, Token, TokenKind};
use crate::operation::Subject;
use crate::scope::{Outcome, ReplyScope};
use crate::size::is_too_long;

impl Visit<'_> {
    pub(super) async fn reply(&self, tenant: &Arc<Tenant>, outcome: &Outcome) -> Result<Answer> {
        let reply = self
            .route
            .reply
            .and_then(|index| self.dialect.replies.get(index));
        let reply = reply.ok_or_else(|| Error::internal("the route has no reply"))?;
        let mut scope = ReplyScope::new(outcome, tenant, self.call.now);
        if !reply.tokens.is_empty() {
            let tokens = self.tokens(reply, tenant, outcome, &scope).await?;
            scope = scope.with_tokens(tokens);
        }
        let body = reply
            .body
            .render(&Value::from_object(scope))
            .map_err(unwritable)?;
        Ok(Answer::Plain {
            status: reply.status,
            headers: headers(),
            body,
        })
    }

    /// Mints what the reply names, and nothing else.
    async fn tokens(
        &self,
        reply: &Reply,
        tenant: &Tenant,
        outcome: &Outcome,
        scope: &ReplyScope,
    ) -> Result<BTreeMap<String, Value>> {
        let scope = Value::from_object(scope.clone());
        let mut tokens = BTreeMap::new();
        for token in reply.minted(&self.dialect.tokens) {
            let secret = self.token(token, tenant, outcome, &scope).await?;
            tokens.insert(token.name.clone(), Value::from(secret.expose_secret()));
        }
        Ok(tokens)
    }

    async fn token(
        &self,
        token: &Token,
        tenant: &Tenant,
        outcome: &Outcome,
        scope: &Value,
    ) -> Result<SecretString> {
        let signed_in = || {
            outcome
                .signed_in
                .as_ref()
                .ok_or_else(|| Error::internal("nobody is signed in"))
        };
        let (spec, lifetime) = match &token.kind {
            TokenKind::Refresh => {
                return Ok(self.identity.refresh_token(tenant, &signed_in()?.session));
            }
            TokenKind::Session => {
                return Ok(self.identity.session_token(tenant, &signed_in()?.session));
            }
            TokenKind::Jwt { spec, lifetime } => (spec, lifetime),
        };
        let subject = match (token.needs(), &outcome.account) {
            (Subject::Account, Some(account)) => TokenSubject::Account(account),
            (Subject::Account, None) => TokenSubject::Account(&signed_in()?.account),
            _ => TokenSubject::Session(signed_in()?),
        };
        let extra = match token
            .claims
            .as_ref()
            .map(|claims| claims.json(scope))
            .transpose()
            .map_err(unwritable)?
        {
            Some(serde_json::Value::Object(claims)) => claims,
            _ => serde_json::Map::new(),
        };
        let spec = TokenSpec {
            lifetime: lifetime.of(tenant),
            ..spec.clone()
        };
        self.identity.mint(tenant, &spec, subject, extra).await
    }
}

/// A reply that cannot be written is our fault, unless what people call themselves made it too long.
fn unwritable(error: minijinja::Error) -> Error {
    match is_too_long(&error) {
        true => Error::with_detail(Kind::MalformedInput, "the answer is too long"),
        false => Error::internal(error),
    }
}
