//! Signing keys and their algorithms (RFC 7518, RFC 8037).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::jws;

pub use crate::jwk::VerifyingKey;

/// The signature algorithms that tokens may carry. Nothing symmetric, and no `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519.
    EdDSA,
}

impl Algorithm {
    /// The name in a header's `alg`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = KeyError;

    fn from_str(name: &str) -> Result<Self, KeyError> {
        [Self::RS256, Self::ES256, Self::EdDSA]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
            .ok_or(KeyError::Unsupported)
    }
}

/// Why a key could not be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key type, curve, algorithm or use other than the ones listed at [`Algorithm`].
    #[error("the key is of a kind or for a use that is not supported")]
    Unsupported,
    /// Malformed, too small, or not on its curve.
    #[error("the key is malformed or too weak")]
    Invalid,
    /// The library refused to generate, encode or sign.
    #[error("the cryptographic library refused the operation")]
    Failed,
    /// Claims that are no JSON object, or more than a token may hold.
    #[error("the claims do not make a token of at most 16 KiB")]
    Claims,
}

/// A private key that signs tokens with one algorithm.
pub struct SigningKey {
    pair: Pair,
    public: VerifyingKey,
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// A new key from the system's randomness; RSA gets 2048 bits.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        Self::new(
            match algorithm {
                Algorithm::RS256 => RsaKeyPair::generate(KeySize::Rsa2048).map(Pair::Rsa),
                Algorithm::ES256 => {
                    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::P256)
                }
                Algorithm::EdDSA => Ed25519KeyPair::generate().map(Pair::Ed25519),
            }
            .map_err(|_| KeyError::Failed)?,
        )
    }

    /// Reads a PKCS#8 document (DER) that must hold a key for `algorithm`.
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        Self::new(
            match algorithm {
                Algorithm::RS256 => RsaKeyPair::from_pkcs8(der).map(Pair::Rsa),
                Algorithm::ES256 => {
                    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Pair::P256)
                }
                Algorithm::EdDSA => Ed25519KeyPair::from_pkcs8(der).map(Pair::Ed25519),
            }
            .map_err(|_| KeyError::Invalid)?,
        )
    }

    fn new(pair: Pair) -> Result<Self, KeyError> {
        let public = match &pair {
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                VerifyingKey::from_rsa(
                    public.modulus().big_endian_without_leading_zero(),
                    public.exponent().big_endian_without_leading_zero(),
                )
            }
            Pair::P256(pair) => VerifyingKey::from_p256(pair.public_key().as_ref()),
            Pair::Ed25519(pair) => VerifyingKey::from_ed25519(pair.public_key().as_ref()),
        }?;
        Ok(Self { pair, public })
    }

    /// The private key as PKCS#8 (DER), for sealing and storing.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match &self.pair {
            Pair::Rsa(pair) => pair.as_der().map(|der| der.as_ref().to_vec()),
            Pair::P256(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Pair::Ed25519(pair) => pair.to_pkcs8().map(|der| der.as_ref().to_vec()),
        }
        .map(Zeroizing::new)
        .map_err(|_| KeyError::Failed)
    }

    /// The RFC 7638 thumbprint of the public key, in base64url.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.public.kid()
    }

    /// The algorithm that the key signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// The other half of the pair.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        self.public.clone()
    }

    /// See [`VerifyingKey::public_jwk`].
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        self.public.public_jwk()
    }

    /// Makes a compact JWS of `claims`, which must serialise to a JSON object. Its header is
    /// `alg`, `typ` and `kid`, in that order.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, KeyError> {
        let mut token = jws::signing_input(self.algorithm(), typ, self.kid(), claims)?;
        let signature = self.signature(token.as_bytes())?;
        jws::append_part(&mut token, &signature)?;
        Ok(token)
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map(|()| signature)
            }
            Pair::P256(pair) => pair
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec()),
            Pair::Ed25519(pair) => pair
                .try_sign(message)
                .map(|signature| signature.as_ref().to_vec()),
        }
        .map_err(|_| KeyError::Failed)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid())
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}
