//! Cryptography for Vestibule: randomness, opaque secrets, sealing at rest, password hashing, and
//! compact JWS. No I/O and no tenant rules; every primitive comes from aws-lc-rs or, for
//! password hashes, the argon2 crate and those of the schemes that imports bring.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod jws;
pub mod keys;
pub mod password;
pub mod random;
pub mod sealing;
pub mod stretch;
pub mod token;

mod api_key;
mod foreign;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod jwk;
mod phc;
mod stored;
mod strict_json;
mod turns;

pub use api_key::ApiKey;
pub use foreign::{GivenHash, HashFault};
pub use jws::{Jws, JwsError, TimeClaims, check_times};
pub use keys::{Algorithm, KeyError, SigningKey, VerifyingKey};
pub use password::{
    HashError, HashLane, HashOptions, HashPool, PasswordPolicyParams, PoolError, Verdict,
};
pub use random::{Random, SeededRandom, SystemRandom};
pub use sealing::{MacKey, SealError, Sealer};
pub use stretch::pbkdf2_sha256;
pub use token::{Opaque, alphanumeric, digest, digits, equal, secret_bytes, spelt};
