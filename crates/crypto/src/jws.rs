//! Compact JWS (RFC 7515), read as strictly as RFC 8725 advises.
//!
//! A token never chooses its algorithm or its key: the caller looks up a [`VerifyingKey`], by
//! [`Jws::kid`] or otherwise, and the key says which algorithm it verifies.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::keys::{Algorithm, KeyError, VerifyingKey};
use crate::strict_json;
use crate::token::digest;

/// The longest token that is read or made.
const MAX_LEN: usize = 16 * 1024;

/// Header members that would change how a token is read or which key checks it. Refused in every
/// token: what we ignore here, another reader of the same token might obey.
const REFUSED: [&str; 8] = ["crit", "b64", "jwk", "jku", "x5u", "x5c", "zip", "enc"];

/// Why a token was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Not a compact JWS, or with header members or JSON that are not accepted.
    #[error("the token is malformed")]
    Malformed,
    /// The header's `alg` is not the key's.
    #[error("the token's algorithm is not the key's")]
    Algorithm,
    /// No key, or not this one, goes by the header's `kid`.
    #[error("the token names an unknown key")]
    UnknownKey,
    /// The signature does not verify.
    #[error("the token's signature is wrong")]
    Signature,
    /// The claim is missing or of the wrong type.
    #[error("the token's claim `{0}` is missing or invalid")]
    Claim(&'static str),
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
}

/// A token taken apart but not yet believed: only [`verify`](Jws::verify) gives out its claims.
pub struct Jws<'a> {
    signing_input: &'a str,
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Reads a token of our own making: header members other than `alg`, `typ` and `kid` are
    /// refused.
    pub fn parse(token: &'a str) -> Result<Self, JwsError> {
        Self::parse_with(token, |name| matches!(name, "alg" | "typ" | "kid"))
    }

    /// Reads another issuer's token: unknown header members are ignored, but not those that
    /// carry keys or change the meaning of the rest.
    pub fn parse_foreign(token: &'a str) -> Result<Self, JwsError> {
        Self::parse_with(token, |name| !REFUSED.contains(&name))
    }

    fn parse_with(token: &'a str, allowed: fn(&str) -> bool) -> Result<Self, JwsError> {
        if token.len() > MAX_LEN {
            return Err(JwsError::Malformed);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(JwsError::Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(JwsError::Malformed)?;
        let mut header = strict_json::object(&decode(header)?).ok_or(JwsError::Malformed)?;
        if !header.keys().all(|name| allowed(name)) {
            return Err(JwsError::Malformed);
        }
        Ok(Self {
            signing_input,
            alg: text(&mut header, "alg")?.ok_or(JwsError::Malformed)?,
            typ: text(&mut header, "typ")?,
            kid: text(&mut header, "kid")?,
            payload: decode(payload)?,
            signature: decode(signature)?,
        })
    }

    /// The id of the key that the token says it was signed with: input for a lookup, no more.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The declared type, such as `at+jwt`, as written.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// The declared algorithm, as written; it may be any text.
    #[must_use]
    pub fn alg_name(&self) -> &str {
        &self.alg
    }

    /// The claims, if `key` made the signature. Times, audience and type are for the caller to
    /// check; see [`check_times`].
    pub fn verify(&self, key: &VerifyingKey) -> Result<Map<String, Value>, JwsError> {
        if self.alg != key.algorithm().as_str() {
            return Err(JwsError::Algorithm);
        }
        if self.kid.as_ref().is_some_and(|kid| kid != key.kid()) {
            return Err(JwsError::UnknownKey);
        }
        if !key.accepts(self.signing_input.as_bytes(), &self.signature) {
            return Err(JwsError::Signature);
        }
        strict_json::object(&self.payload).ok_or(JwsError::Malformed)
    }

    /// SHA-256 of header and payload as sent. It names the token whatever its signature: ECDSA
    /// allows anyone to turn a valid signature into a second one.
    #[must_use]
    pub fn signing_digest(&self) -> [u8; 32] {
        digest(self.signing_input.as_bytes())
    }
}

impl std::fmt::Debug for Jws<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jws")
            .field("alg", &self.alg)
            .field("typ", &self.typ)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// The times of a token, in seconds since 1970 (RFC 7519, NumericDate).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeClaims {
    /// When it stops being valid.
    pub exp: i64,
    /// When it starts being valid.
    pub nbf: Option<i64>,
    /// When it was made.
    pub iat: Option<i64>,
}

/// Checks `exp` (required), `nbf` and `iat` against `now_secs`, give or take `leeway_secs`.
///
/// A time that is present must be a whole, non-negative number; any other value is an error and
/// never counts as absent.
pub fn check_times(
    claims: &Map<String, Value>,
    now_secs: i64,
    leeway_secs: i64,
) -> Result<TimeClaims, JwsError> {
    let times = TimeClaims {
        exp: time(claims, "exp")?.ok_or(JwsError::Claim("exp"))?,
        nbf: time(claims, "nbf")?,
        iat: time(claims, "iat")?,
    };
    if times.exp <= now_secs.saturating_sub(leeway_secs) {
        return Err(JwsError::Expired);
    }
    let latest = now_secs.saturating_add(leeway_secs);
    if times.nbf.max(times.iat).is_some_and(|start| start > latest) {
        return Err(JwsError::NotYetValid);
    }
    Ok(times)
}

fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, JwsError> {
    claims
        .get(name)
        .map(|value| {
            let seconds = value.as_i64().filter(|seconds| *seconds >= 0);
            seconds.ok_or(JwsError::Claim(name))
        })
        .transpose()
}

/// Takes a header member that must be a string if it is there.
fn text(header: &mut Map<String, Value>, name: &str) -> Result<Option<String>, JwsError> {
    match header.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(JwsError::Malformed),
    }
}

/// Decodes a part. The alphabet leaves no room for a fourth dot, white space or padding, and the
/// engine refuses stray trailing bits, so that one token has one spelling.
fn decode(part: &str) -> Result<Vec<u8>, JwsError> {
    match URL_SAFE_NO_PAD.decode(part) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        _ => Err(JwsError::Malformed),
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'a str,
    kid: &'a str,
}

/// Header and payload, encoded and joined: what gets signed.
pub(crate) fn signing_input(
    algorithm: Algorithm,
    typ: &str,
    kid: &str,
    claims: &impl Serialize,
) -> Result<String, KeyError> {
    let alg = algorithm.as_str();
    let header = serde_json::to_vec(&Header { alg, typ, kid }).map_err(|_| KeyError::Claims)?;
    let payload = serde_json::to_vec(claims).map_err(|_| KeyError::Claims)?;
    if !payload.starts_with(b"{") {
        return Err(KeyError::Claims);
    }
    let mut token = URL_SAFE_NO_PAD.encode(header);
    append_part(&mut token, &payload)?;
    Ok(token)
}

pub(crate) fn append_part(token: &mut String, part: &[u8]) -> Result<(), KeyError> {
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(part, token);
    if token.len() > MAX_LEN {
        return Err(KeyError::Claims);
    }
    Ok(())
}
