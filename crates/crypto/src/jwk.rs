//! Public keys as JSON Web Keys (RFC 7517, RFC 7518, RFC 8037).

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::keys::{Algorithm, KeyError};
use crate::token::digest;

/// A public key, parsed and checked once, that verifies signatures of one algorithm.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: String,
    algorithm: Algorithm,
    members: Members,
    key: ParsedPublicKey,
}

/// The members that define the key, in base64url as JWK and thumbprint want them.
#[derive(Clone)]
enum Members {
    Rsa { n: String, e: String },
    P256 { x: String, y: String },
    Ed25519 { x: String },
}

impl VerifyingKey {
    /// Reads a public JWK: RSA of 2048 to 8192 bits, EC on P-256, or OKP on Ed25519.
    ///
    /// Without `alg` the key type decides the algorithm; `alg`, `use` or `key_ops` that rule out
    /// verifying with it are an error. Without `kid` the thumbprint takes its place. Private
    /// members are not looked at.
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        let mut key = match member(jwk, "kty")? {
            "RSA" => Self::from_rsa(&bytes(jwk, "n")?, &bytes(jwk, "e")?),
            "EC" if member(jwk, "crv")? == "P-256" => {
                Self::from_p256(&[&[4], &*bytes(jwk, "x")?, &*bytes(jwk, "y")?].concat())
            }
            "OKP" if member(jwk, "crv")? == "Ed25519" => Self::from_ed25519(&bytes(jwk, "x")?),
            _ => Err(KeyError::Unsupported),
        }?;
        if jwk.get("alg").is_some() && member(jwk, "alg")? != key.algorithm.as_str()
            || jwk.get("use").is_some() && member(jwk, "use")? != "sig"
        {
            return Err(KeyError::Unsupported);
        }
        if let Some(operations) = jwk.get("key_ops") {
            let operations = operations.as_array().ok_or(KeyError::Invalid)?;
            if !operations.iter().any(|operation| operation == "verify") {
                return Err(KeyError::Unsupported);
            }
        }
        if jwk.get("kid").is_some() {
            key.kid = member(jwk, "kid")?.to_owned();
        }
        Ok(key)
    }

    /// `n` and `e` are big-endian without leading zeros.
    pub(crate) fn from_rsa(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
        // FIPS 186-5: 65537 <= e, odd. Beyond four bytes only verification gets slower.
        let exponent = e
            .iter()
            .fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
        if !(2048..=8192).contains(&bits)
            || e.len() > 4
            || exponent < 65537
            || exponent.is_multiple_of(2)
        {
            return Err(KeyError::Invalid);
        }
        let key = RsaPublicKeyComponents { n, e }
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            .map_err(|_| KeyError::Invalid)?;
        let members = Members::Rsa {
            n: URL_SAFE_NO_PAD.encode(n),
            e: URL_SAFE_NO_PAD.encode(e),
        };
        Ok(Self::new(Algorithm::RS256, members, key))
    }

    /// `point` is uncompressed: 0x04, x, y of 32 bytes each (SEC 1).
    pub(crate) fn from_p256(point: &[u8]) -> Result<Self, KeyError> {
        if point.len() != 65 || point[0] != 4 {
            return Err(KeyError::Invalid);
        }
        let key =
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| KeyError::Invalid)?;
        let members = Members::P256 {
            x: URL_SAFE_NO_PAD.encode(&point[1..33]),
            y: URL_SAFE_NO_PAD.encode(&point[33..]),
        };
        Ok(Self::new(Algorithm::ES256, members, key))
    }

    /// `x` is the 32 bytes of RFC 8032.
    pub(crate) fn from_ed25519(x: &[u8]) -> Result<Self, KeyError> {
        if x.len() != 32 {
            return Err(KeyError::Invalid);
        }
        let key = ParsedPublicKey::new(&ED25519, x).map_err(|_| KeyError::Invalid)?;
        let x = URL_SAFE_NO_PAD.encode(x);
        Ok(Self::new(Algorithm::EdDSA, Members::Ed25519 { x }, key))
    }

    fn new(algorithm: Algorithm, members: Members, key: ParsedPublicKey) -> Self {
        let kid = URL_SAFE_NO_PAD.encode(digest(members.canonical().as_bytes()));
        Self {
            kid,
            algorithm,
            members,
            key,
        }
    }

    /// The key's id: the JWK's own, or the RFC 7638 thumbprint.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The only algorithm that this key verifies.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The entry for a JWKS: `kty`, `alg`, `use`, `kid`, and the public members.
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        let (alg, kid) = (self.algorithm.as_str(), &self.kid);
        match &self.members {
            Members::Rsa { n, e } => {
                json!({ "kty": "RSA", "alg": alg, "use": "sig", "kid": kid, "n": n, "e": e })
            }
            Members::P256 { x, y } => json!({
                "kty": "EC", "alg": alg, "use": "sig", "kid": kid, "crv": "P-256", "x": x, "y": y
            }),
            Members::Ed25519 { x } => json!({
                "kty": "OKP", "alg": alg, "use": "sig", "kid": kid, "crv": "Ed25519", "x": x
            }),
        }
    }

    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Members {
    /// What RFC 7638 hashes: the required members only, sorted by name, no white space. base64url
    /// needs no JSON escapes.
    fn canonical(&self) -> String {
        match self {
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            Self::P256 { x, y } => format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
        }
    }
}

fn member<'a>(jwk: &'a Value, name: &str) -> Result<&'a str, KeyError> {
    let value = jwk.get(name).and_then(Value::as_str);
    value.ok_or(KeyError::Invalid)
}

fn bytes(jwk: &Value, name: &str) -> Result<Vec<u8>, KeyError> {
    let text = member(jwk, name)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyError::Invalid)
}

#[cfg(test)]
mod tests;
