//! Password hashes that other systems made: read at an import, checked until their owner signs in for the first time.

mod crypt;
mod decode;
mod given;
mod text;

pub use given::GivenHash;

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

/// A file decides what a sign-in costs until then: these keep it to seconds and 256 MiB.
const MAX_BCRYPT_COST: u32 = 15;
const MAX_PBKDF2_ROUNDS: u32 = 5_000_000;
const MAX_CRYPT_ROUNDS: u32 = 1_000_000;
/// Bytes of memory, and of memory times parallelism.
const MAX_SCRYPT_BYTES: u64 = 256 << 20;
const MAX_SCRYPT_WORK: u64 = 512 << 20;

const MAX_SALT: usize = 256;
/// A shorter hash is one that too many passwords fit.
const HASH_BYTES: std::ops::RangeInclusive<usize> = 16..=128;

/// Why a hash is not taken. Never holds any of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashFault {
    #[error("is not written in any way known here")]
    Unknown,
    #[error("names the scheme `{0}`, which is not known here")]
    UnknownScheme(String),
    #[error("is made by a faulty version of bcrypt ({0}), which is not taken")]
    FaultyBcrypt(&'static str),
    #[error("is damaged: {0}")]
    Damaged(&'static str),
    #[error("lacks what its scheme needs: {0}")]
    Lacks(&'static str),
    #[error("would take too long or too much memory to check: {0}")]
    TooCostly(&'static str),
}

/// The digests that salted hashes and PBKDF2 are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digest {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

/// Where the salt of a salted hash stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Salted {
    Before,
    After,
}

/// How a hash was made.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `hex_sha256`: of the password's SHA-256 in hex, as Django does it.
    Bcrypt {
        cost: u32,
        hex_sha256: bool,
    },
    Scrypt {
        log_n: u8,
        r: u32,
        p: u32,
    },
    /// scrypt whose output encrypts the project's signer key.
    Firebase {
        log_n: u8,
        r: u32,
        separator: Vec<u8>,
        signer: Vec<u8>,
    },
    Pbkdf2 {
        digest: Digest,
        rounds: NonZeroU32,
    },
    Salted {
        digest: Digest,
        salt: Salted,
    },
    /// `$1$`, or Apache's `$apr1$`.
    Md5Crypt {
        apache: bool,
    },
    /// `$5$` or `$6$`.
    ShaCrypt {
        digest: Digest,
        rounds: u32,
    },
}

/// A hash taken apart, its cost within bounds. Those of the crypt family are kept as the text they are written in.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Foreign {
    pub(crate) scheme: Scheme,
    pub(crate) salt: Vec<u8>,
    pub(crate) hash: Vec<u8>,
}

impl Foreign {
    /// What `hash` is if the password is right; `None` if a library refuses the parameters.
    pub(crate) fn derive(&self, password: &[u8]) -> Option<Vec<u8>> {
        let length = self.hash.len();
        match &self.scheme {
            Scheme::Bcrypt { cost, hex_sha256 } => {
                let hex = Zeroizing::new(match hex_sha256 {
                    true => decode::hex(&crate::token::digest(password)),
                    false => String::new(),
                });
                let password = if *hex_sha256 {
                    hex.as_bytes()
                } else {
                    password
                };
                bcrypt_of(*cost, &self.salt, password)
            }
            Scheme::Scrypt { log_n, r, p } => {
                let mut out = vec![0; length];
                let params = scrypt::Params::new(*log_n, *r, *p).ok()?;
                scrypt::scrypt(password, &self.salt, &params, &mut out).ok()?;
                Some(out)
            }
            Scheme::Firebase {
                log_n,
                r,
                separator,
                signer,
            } => {
                let mut key = Zeroizing::new([0; 64]);
                let params = scrypt::Params::new(*log_n, *r, 1).ok()?;
                let salt = [self.salt.as_slice(), separator].concat();
                scrypt::scrypt(password, &salt, &params, key.as_mut_slice()).ok()?;
                encrypted(&key[..32], signer)
            }
            Scheme::Pbkdf2 { digest, rounds } => {
                let mut out = vec![0; length];
                let algorithm = match digest {
                    Digest::Md5 => return None,
                    Digest::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
                    Digest::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
                    Digest::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
                };
                pbkdf2::derive(algorithm, *rounds, &self.salt, password, &mut out);
                Some(out)
            }
            Scheme::Salted { digest, salt } => Some(match salt {
                Salted::Before => digest.of(&[&self.salt, password]),
                Salted::After => digest.of(&[password, &self.salt]),
            }),
            Scheme::Md5Crypt { apache } => Some(crypt::md5(password, &self.salt, *apache)),
            Scheme::ShaCrypt { digest, rounds } => {
                crypt::sha(*digest, password, &self.salt, *rounds)
            }
        }
    }

    /// Refuses what costs too much, or is too short or long to be what it says.
    fn checked(self) -> Result<Foreign, HashFault> {
        let costly = |is: bool, what| match is {
            true => Err(HashFault::TooCostly(what)),
            false => Ok(()),
        };
        match &self.scheme {
            Scheme::Bcrypt { cost, .. } => {
                costly(*cost > MAX_BCRYPT_COST, "the cost is beyond 15")?;
                if *cost < 4 {
                    return Err(HashFault::Damaged("bcrypt has a cost of at least 4"));
                }
            }
            Scheme::Scrypt { log_n, r, p } => check_scrypt(*log_n, *r, *p)?,
            Scheme::Firebase { log_n, r, .. } => check_scrypt(*log_n, *r, 1)?,
            Scheme::Pbkdf2 { digest, rounds } => {
                let blocks = self.hash.len().div_ceil(digest.length());
                let work = u64::from(rounds.get()) * blocks as u64;
                let most = u64::from(MAX_PBKDF2_ROUNDS);
                costly(
                    work > most,
                    "more than 5,000,000 rounds, counted for each block of the digest",
                )?;
            }
            Scheme::ShaCrypt { rounds, .. } => {
                costly(*rounds > MAX_CRYPT_ROUNDS, "more than 1,000,000 rounds")?;
            }
            Scheme::Salted { .. } | Scheme::Md5Crypt { .. } => {}
        }
        if let Some(length) = self.fixed_length()
            && self.hash.len() != length
        {
            return Err(HashFault::Damaged("the hash is cut short or too long"));
        }
        if !HASH_BYTES.contains(&self.hash.len()) {
            return Err(HashFault::Damaged(
                "the hash is shorter than 16 or longer than 128 bytes",
            ));
        }
        if self.salt.len() > MAX_SALT {
            return Err(HashFault::Damaged("the salt is longer than 256 bytes"));
        }
        Ok(self)
    }

    /// How many bytes the hash must have, where the scheme says so.
    fn fixed_length(&self) -> Option<usize> {
        match &self.scheme {
            Scheme::Bcrypt { .. } => Some(23),
            Scheme::Scrypt { .. } | Scheme::Pbkdf2 { .. } => None,
            Scheme::Firebase { signer, .. } => Some(signer.len()),
            Scheme::Salted { digest, .. } => Some(digest.length()),
            Scheme::Md5Crypt { .. } => Some(22),
            Scheme::ShaCrypt { digest, .. } => Some((digest.length() * 8).div_ceil(6)),
        }
    }
}

impl Digest {
    fn length(self) -> usize {
        match self {
            Digest::Md5 => 16,
            Digest::Sha1 => 20,
            Digest::Sha256 => 32,
            Digest::Sha512 => 64,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Digest::Md5 => "md5",
            Digest::Sha1 => "sha1",
            Digest::Sha256 => "sha256",
            Digest::Sha512 => "sha512",
        }
    }

    fn named(name: &str) -> Option<Digest> {
        [Digest::Md5, Digest::Sha1, Digest::Sha256, Digest::Sha512]
            .into_iter()
            .find(|digest| digest.name() == name)
    }

    fn of(self, parts: &[&[u8]]) -> Vec<u8> {
        use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512};
        let algorithm = match self {
            Digest::Md5 => return crypt::md5_of(parts).to_vec(),
            Digest::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
            Digest::Sha256 => &SHA256,
            Digest::Sha512 => &SHA512,
        };
        let mut context = Context::new(algorithm);
        parts.iter().for_each(|part| context.update(part));
        context.finish().as_ref().to_vec()
    }
}

fn check_scrypt(log_n: u8, r: u32, p: u32) -> Result<(), HashFault> {
    if !(1..=40).contains(&log_n) || r == 0 || p == 0 {
        return Err(HashFault::Damaged("scrypt has no such parameters"));
    }
    let memory = (128_u64 << log_n).saturating_mul(u64::from(r));
    // The blocks that are mixed side by side take memory as well.
    let blocks = (128 * u64::from(r)).saturating_mul(u64::from(p));
    let work = memory.saturating_mul(u64::from(p));
    match memory > MAX_SCRYPT_BYTES || work > MAX_SCRYPT_WORK || blocks > MAX_SCRYPT_BYTES {
        true => Err(HashFault::TooCostly(
            "scrypt with more than 256 MiB, or 512 MiB counted for each lane",
        )),
        false => Ok(()),
    }
}

/// Like all of its kind: the password with a zero byte, of which 72 bytes count.
fn bcrypt_of(cost: u32, salt: &[u8], password: &[u8]) -> Option<Vec<u8>> {
    let salt = salt.try_into().ok()?;
    let counted = &password[..password.len().min(72)];
    let mut key = Zeroizing::new(counted.to_vec());
    if key.len() < 72 {
        key.push(0);
    }
    Some(bcrypt::bcrypt(cost, salt, &key)[..23].to_vec())
}

/// AES-256 in counter mode from zero: each key encrypts one text only.
fn encrypted(key: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let key = UnboundCipherKey::new(&AES_256, key).ok()?;
    let key = EncryptingKey::ctr(key).ok()?;
    let mut out = text.to_vec();
    let start = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    key.less_safe_encrypt(&mut out, start).ok()?;
    Some(out)
}

fn new_md5() -> Md5 {
    Md5::new()
}
