//! What names a session or a person outside: signed JWTs, and opaque tokens that are a name with a keyed MAC.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use vestibule_crypto::{Algorithm, MacKey, Sealer};
use zeroize::Zeroizing;

use super::authenticate::Proven;
use super::{Session, SignedIn};
use crate::Identity;
use crate::account::Account;
use crate::context::Cx;
use crate::error::{Error, Kind, Result};
use crate::signing_key::Purpose;
use crate::tenant::Tenant;

/// A JWT that a dialect wants minted.
#[derive(Clone, Debug)]
pub struct TokenSpec {
    pub purpose: Purpose,
    pub algorithm: Algorithm,
    pub lifetime: Duration,
    /// `aud` of login tokens, where the tenant's mount names none. Access tokens are always for `{issuer}/{dialect}`.
    pub audience: Option<String>,
    pub dialect: String,
}

/// Whom a token speaks of: a login token of an account, an access token of a session.
#[derive(Clone, Copy, Debug)]
pub enum TokenSubject<'a> {
    Account(&'a Account),
    Session(&'a SignedIn),
}

/// A session and generation that a presented token names; not yet known to live.
#[derive(Clone, Debug)]
pub(crate) struct NamedSession {
    pub(crate) session_id: String,
    pub(crate) generation: i64,
    /// The account, where the token says it.
    pub(crate) account_id: Option<String>,
}

impl NamedSession {
    /// Whether the token speaks of this account, as far as it says.
    pub(super) fn is_of(&self, account_id: &str) -> bool {
        self.account_id.as_deref().is_none_or(|id| id == account_id)
    }
}

/// The opaque kinds; each is refused where another is wanted.
#[derive(Clone, Copy)]
pub(crate) enum OpaqueKind {
    Refresh,
    Session,
    Cookie,
}

impl OpaqueKind {
    fn prefix(self) -> &'static str {
        match self {
            OpaqueKind::Refresh => "vsr",
            OpaqueKind::Session => "vss",
            OpaqueKind::Cookie => "vsc",
        }
    }

    /// The tenant's number and the rest.
    fn split(self, token: &str) -> Option<(i64, &str)> {
        let (number, rest) = token
            .strip_prefix(self.prefix())?
            .strip_prefix('_')?
            .split_once('_')?;
        Some((number.parse().ok()?, rest))
    }
}

/// The keys that authenticate opaque tokens, derived once: each request brings such a token.
pub(crate) struct OpaqueKeys {
    refresh: MacKey,
    session: MacKey,
    cookie: MacKey,
}

impl OpaqueKeys {
    pub(crate) fn new(sealer: &Sealer) -> OpaqueKeys {
        let key = |kind: OpaqueKind| sealer.mac_key(kind.prefix());
        OpaqueKeys {
            refresh: key(OpaqueKind::Refresh),
            session: key(OpaqueKind::Session),
            cookie: key(OpaqueKind::Cookie),
        }
    }

    fn of(&self, kind: OpaqueKind) -> &MacKey {
        match kind {
            OpaqueKind::Refresh => &self.refresh,
            OpaqueKind::Session => &self.session,
            OpaqueKind::Cookie => &self.cookie,
        }
    }
}

pub(super) fn is_session_id(text: &str) -> bool {
    text.len() == 20 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// `aud` of access tokens: one per tenant and dialect.
pub(crate) fn access_audience(tenant: &Tenant, dialect: &str) -> String {
    format!("{}/{dialect}", tenant.issuer())
}

/// `iss` and `sub` of login tokens where the mount names none: an e-mail-shaped service name, one per tenant and dialect.
fn service_name(tenant: &Tenant, dialect: &str) -> String {
    format!("{dialect}@{}", tenant.canonical_domain())
}

/// `iss` of the login tokens of a tenant's dialect.
pub(crate) fn login_issuer(tenant: &Tenant, dialect: &str) -> String {
    tenant
        .mount(dialect)
        .and_then(|mount| mount.issuer)
        .unwrap_or_else(|| service_name(tenant, dialect))
}

fn login_audience(tenant: &Tenant, spec: &TokenSpec) -> String {
    let mounted = tenant.mount(&spec.dialect).and_then(|mount| mount.audience);
    mounted
        .or_else(|| spec.audience.clone())
        .unwrap_or_else(|| access_audience(tenant, &spec.dialect))
}

impl Identity {
    /// Signs a JWT. `extra` claims never replace the registered ones.
    pub async fn mint(
        &self,
        tenant: &Tenant,
        spec: &TokenSpec,
        subject: TokenSubject<'_>,
        extra: Map<String, Value>,
    ) -> Result<SecretString> {
        let now = self.now().secs();
        let mut exp = now + i64::try_from(spec.lifetime.as_secs()).unwrap_or(i64::MAX / 2);
        let mut claims = extra;
        let typ = match subject {
            TokenSubject::Account(account) => {
                let issuer = login_issuer(tenant, &spec.dialect);
                claims.insert("iss".into(), issuer.clone().into());
                claims.insert("sub".into(), issuer.into());
                claims.insert("aud".into(), login_audience(tenant, spec).into());
                claims.insert("uid".into(), account.id.clone().into());
                "JWT"
            }
            TokenSubject::Session(signed_in) => {
                claims.insert("iss".into(), tenant.issuer().into());
                claims.insert("aud".into(), access_audience(tenant, &spec.dialect).into());
                claims.insert("sub".into(), signed_in.account.id.clone().into());
                claims.insert("sid".into(), signed_in.session.id.clone().into());
                claims.insert("gen".into(), signed_in.session.generation.into());
                exp = exp.min(signed_in.session.expires_at.secs());
                "at+jwt"
            }
        };
        claims.insert("iat".into(), now.into());
        claims.insert("exp".into(), exp.into());
        let key = self
            .signing_key(tenant, spec.purpose, spec.algorithm)
            .await?;
        let token = key.sign(typ, &claims).map_err(Error::internal)?;
        if let TokenSubject::Session(_) = subject {
            // Used soon, most likely: whose signature it has is known.
            let kid = key.kid().to_owned();
            let digest = vestibule_crypto::digest(token.as_bytes());
            self.tokens_proven().put(digest, Proven::new(kid, claims));
        }
        Ok(SecretString::from(token))
    }

    /// The refresh token of the session's present generation; the same each time it is asked for.
    pub fn refresh_token(&self, tenant: &Tenant, session: &Session) -> SecretString {
        self.opaque(tenant, OpaqueKind::Refresh, &session.id, session.generation)
            .as_str()
            .into()
    }

    /// An opaque bearer for this session at our own API.
    pub fn session_token(&self, tenant: &Tenant, session: &Session) -> SecretString {
        self.opaque(tenant, OpaqueKind::Session, &session.id, 0)
            .as_str()
            .into()
    }

    /// The browser cookie's value.
    pub fn cookie_value(&self, tenant: &Tenant, session: &Session) -> SecretString {
        self.opaque(tenant, OpaqueKind::Cookie, &session.id, 0)
            .as_str()
            .into()
    }

    fn opaque(
        &self,
        tenant: &Tenant,
        kind: OpaqueKind,
        session: &str,
        generation: i64,
    ) -> Zeroizing<String> {
        let mac = self.opaque_keys().of(kind).mac(&[
            tenant.id.as_bytes(),
            session.as_bytes(),
            &generation.to_be_bytes(),
        ]);
        let (prefix, number) = (kind.prefix(), tenant.number);
        // Room for all of it: one is made for each that comes, to be compared with.
        let mut token = Zeroizing::new(String::with_capacity(128));
        // A text in memory takes everything.
        let _ = write!(token, "{prefix}_{number}_{session}.{generation}.");
        URL_SAFE_NO_PAD.encode_string(mac, &mut token);
        token
    }

    /// Takes an opaque token apart; `None` unless it is exactly one that we gave out.
    pub(crate) fn read_opaque(
        &self,
        tenant: &Tenant,
        kind: OpaqueKind,
        token: &str,
    ) -> Option<NamedSession> {
        let (_, rest) = kind.split(token)?;
        let mut parts = rest.splitn(3, '.');
        let (session, generation) = (parts.next()?, parts.next()?.parse::<i64>().ok()?);
        if !is_session_id(session) {
            return None;
        }
        let expected = self.opaque(tenant, kind, session, generation);
        vestibule_crypto::equal(expected.as_bytes(), token.as_bytes()).then(|| NamedSession {
            session_id: session.to_owned(),
            generation,
            account_id: None,
        })
    }

    /// The tenant that a refresh token says it is of, for hosts that name none. Proves nothing yet.
    pub async fn tenant_of_refresh_token(&self, token: &SecretString) -> Result<Arc<Tenant>> {
        let (number, _) = OpaqueKind::Refresh
            .split(token.expose_secret())
            .ok_or(Kind::InvalidRefreshToken)?;
        let tenant = self.directory().by_number(number).await?;
        tenant.ok_or_else(|| Kind::InvalidRefreshToken.into())
    }

    /// The session that a refresh token names, or, where tokens are renewed as well, an access token of this dialect.
    /// Expiry does not matter here. Where the refresh token stays, an access token must not stand in: a stolen one would
    /// renew itself for as long as the session lives, and nobody would see a replay.
    pub(crate) fn names_session(
        &self,
        cx: &Cx,
        token: &SecretString,
        renews: bool,
    ) -> Result<NamedSession> {
        let text = token.expose_secret();
        if let Some(named) = self.read_opaque(&cx.tenant, OpaqueKind::Refresh, text) {
            return Ok(named);
        }
        if !renews {
            return Err(Kind::InvalidRefreshToken.into());
        }
        let claims = self
            .access_claims(cx, text, Some(cx.surface()))
            .map_err(|_| Kind::InvalidRefreshToken)?;
        Ok(claims.named)
    }
}
