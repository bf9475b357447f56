//! Who a presented token or cookie is: signature first, then the session's row.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use vestibule_crypto::{Jws, JwsError, check_times};

use super::tokens::{NamedSession, OpaqueKind, access_audience};
use super::{Session, SignedIn, store};
use crate::Identity;
use crate::context::Cx;
use crate::error::{Error, Kind, Result};
use crate::ports::Micros;
use crate::recent::Recent;
use crate::signing_key::Purpose;

/// Clocks of other nodes may differ by so many seconds.
const LEEWAY: i64 = 30;
/// A session's last use is written down at most so often.
const TOUCH_EVERY: std::time::Duration = std::time::Duration::from_secs(300);

/// A person proven to be signed in; memory may hold the same.
pub type Authenticated = Arc<SignedIn>;

/// What a signature of ours vouches for: a key's id is made of the key itself, so no other key goes by it.
pub(crate) struct Proven {
    kid: String,
    claims: Map<String, Value>,
}

/// The claims that are looked at again; the others need not be remembered.
const LOOKED_AT: [&str; 8] = ["iss", "aud", "sub", "sid", "gen", "iat", "nbf", "exp"];

impl Proven {
    pub(super) fn new(kid: String, claims: Map<String, Value>) -> Arc<Proven> {
        let claims = claims.into_iter();
        let claims = claims.filter(|(name, _)| LOOKED_AT.contains(&&**name));
        Arc::new(Proven {
            kid,
            claims: claims.collect(),
        })
    }
}

/// By the digest of the token as it was sent.
pub(crate) type ProvenTokens = Recent<[u8; 32], Arc<Proven>>;

/// Tokens remembered before the oldest go; each takes about a kilobyte.
pub(crate) const PROVEN_TOKENS: usize = 1_024;

/// An access token whose signature, issuer, audience and kind are right.
pub(crate) struct AccessClaims {
    pub(crate) named: NamedSession,
    pub(crate) expires_at: Micros,
    /// Why it is nobody's bearer now. Who refreshes proves by it which session is his; that one's row decides.
    untimely: Option<&'static str>,
}

impl Identity {
    /// A bearer of this tenant: a JWT of any dialect it mounts, or an opaque session token.
    pub async fn authenticate_access(
        &self,
        cx: &Cx,
        token: &SecretString,
    ) -> Result<Authenticated> {
        let text = token.expose_secret();
        if let Some(named) = self.read_opaque(&cx.tenant, OpaqueKind::Session, text) {
            return self.live_session(cx, &named).await;
        }
        self.authenticate_jwt(cx, token, None).await
    }

    /// A JWT of the dialect that the request speaks; no other dialect's.
    pub async fn authenticate_dialect(
        &self,
        cx: &Cx,
        token: &SecretString,
    ) -> Result<Authenticated> {
        self.authenticate_jwt(cx, token, Some(cx.surface())).await
    }

    async fn authenticate_jwt(
        &self,
        cx: &Cx,
        token: &SecretString,
        dialect: Option<&str>,
    ) -> Result<Authenticated> {
        let mut claims = self.access_claims(cx, token.expose_secret(), dialect);
        // Boxed: rare, and as large as all the rest.
        if claims.is_err() && Box::pin(self.learn_key(cx, token)).await? {
            claims = self.access_claims(cx, token.expose_secret(), dialect);
        }
        let claims = claims?;
        if let Some(why) = claims.untimely {
            return Err(Error::with_detail(Kind::Unauthorized, why));
        }
        self.live_session(cx, &claims.named).await
    }

    /// As `authenticate_dialect`, for an answer that hands out tokens again: these renew nothing. They are of the generation
    /// of the one presented, and end with it.
    pub(crate) async fn authenticate_as_presented(
        &self,
        cx: &Cx,
        token: &SecretString,
    ) -> Result<Authenticated> {
        let mut who = self.authenticate_dialect(cx, token).await?;
        let claims = self.access_claims(cx, token.expose_secret(), Some(cx.surface()))?;
        let session = &mut Arc::make_mut(&mut who).session;
        session.generation = claims.named.generation;
        session.expires_at = session.expires_at.min(claims.expires_at);
        Ok(who)
    }

    /// The browser that this cookie value signs in.
    pub async fn authenticate_cookie(
        &self,
        cx: &Cx,
        value: &SecretString,
    ) -> Result<Authenticated> {
        let named = self
            .read_opaque(&cx.tenant, OpaqueKind::Cookie, value.expose_secret())
            .ok_or(Kind::Unauthorized)?;
        self.live_session(cx, &named).await
    }

    async fn live_session(&self, cx: &Cx, named: &NamedSession) -> Result<Authenticated> {
        // The moment counts, not when the request came: its body may have taken its time.
        let held = self.sessions_held();
        let found = held.find(&cx.tenant.id, &named.session_id, self.now());
        let is_live = |who: &Authenticated| {
            let idle = cx.tenant.file.session.idle.0;
            who.session.expires_at > cx.now && who.session.last_seen_at > cx.now - idle
        };
        let found = match found.filter(is_live) {
            Some(who) => Some(who),
            None => Box::pin(self.read_session(cx, &named.session_id)).await?,
        };
        let who = found.filter(|who| named.is_of(&who.account.id));
        let who = who.ok_or(Kind::Unauthorized)?;
        self.note_use(cx, &who.session).await;
        Ok(who)
    }

    /// Writes down that the session is in use, if that is due.
    pub(super) async fn note_use(&self, cx: &Cx, session: &Session) {
        // Well within the time after which it would be over.
        let every = TOUCH_EVERY.min(cx.tenant.file.session.idle.0 / 10);
        if cx.now.since(session.last_seen_at) <= every {
            return;
        }
        let (cx, id) = (cx.clone(), session.id.clone());
        let touching = self.db().write(move |tx| store::touch(tx, &cx, &id));
        let touched = Box::pin(touching).await;
        // Who somebody is can be told as long as the database can be read.
        if let Err(error) = touched {
            tracing::debug!(%error, "a session's last use was not written down");
        }
    }

    async fn read_session(&self, cx: &Cx, id: &str) -> Result<Option<Authenticated>> {
        let held = self.sessions_held();
        let moment = held.moment(self.now());
        let (reading, id) = (cx.clone(), id.to_owned());
        let found = self
            .db()
            .read_one(move |tx| store::resume(tx, &reading, &id))
            .await?
            .map(Arc::new);
        if let Some(who) = &found {
            held.keep(&cx.tenant.id, who, moment);
        }
        Ok(found)
    }

    /// The claims of a token that a key of this tenant signed as an access token. Of a token seen lately the signature is not
    /// computed again; that its key is still the tenant's is looked at each time.
    fn proven(&self, cx: &Cx, token: &str) -> Option<Arc<Proven>> {
        let digest = vestibule_crypto::digest(token.as_bytes());
        let key = |kid: &str| self.verifying_key(&cx.tenant, Purpose::Access, kid);
        if let Some(proven) = self.tokens_proven().get(&digest)
            && key(&proven.kid).is_some()
        {
            return Some(proven);
        }
        let jws = Jws::parse(token).ok()?;
        if jws.typ() != Some("at+jwt") {
            return None;
        }
        let kid = jws.kid()?;
        let proven = Proven::new(kid.to_owned(), jws.verify(&*key(kid)?).ok()?);
        self.tokens_proven().put(digest, proven.clone());
        Some(proven)
    }

    /// Verifies an access token of this tenant: pinned algorithm, known key, `iss`, `aud`, `typ`. From memory.
    pub(crate) fn access_claims(
        &self,
        cx: &Cx,
        token: &str,
        dialect: Option<&str>,
    ) -> Result<AccessClaims> {
        let refuse = || Error::new(Kind::Unauthorized);
        let proven = self.proven(cx, token).ok_or_else(refuse)?;
        let claims = &proven.claims;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).ok_or_else(refuse);
        if text("iss")? != cx.tenant.issuer() {
            return Err(refuse());
        }
        let audience = text("aud")?;
        let fits = |name: &str| {
            audience == access_audience(&cx.tenant, name) && cx.tenant.mount(name).is_some()
        };
        let right = match dialect {
            Some(name) => fits(name),
            None => audience.rsplit('/').next().is_some_and(fits),
        };
        if !right {
            return Err(refuse());
        }
        let untimely = match check_times(claims, cx.now.secs(), LEEWAY) {
            Ok(_) => None,
            Err(JwsError::Expired) => Some("The token has expired."),
            // The signature is ours: a clock of ours was ahead.
            Err(JwsError::NotYetValid) => Some("The token is not valid yet."),
            Err(_) => return Err(refuse()),
        };
        let number = |name: &str| claims.get(name).and_then(Value::as_i64).ok_or_else(refuse);
        let (generation, expires) = (number("gen")?, number("exp")?);
        Ok(AccessClaims {
            named: NamedSession {
                session_id: text("sid")?.to_owned(),
                generation,
                account_id: Some(text("sub")?.to_owned()),
            },
            expires_at: Micros(expires.saturating_mul(1_000_000)),
            untimely,
        })
    }
}
