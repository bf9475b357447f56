//! Secrets at rest and keyed digests, under keys derived from one master key.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::hmac;
use zeroize::{Zeroize, Zeroizing};

use crate::random::SystemRandom;
use crate::token::secret_bytes;

const VERSION: u8 = 1;
const TAG_LEN: usize = 16;

/// Why sealed bytes did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Too short, or written by a version of the format that this one does not know.
    #[error("not sealed data of a known version")]
    Format,
    /// Another key, another context, or altered bytes.
    #[error("sealed data does not open with this key in this context")]
    Rejected,
}

/// Seals, opens and authenticates under keys derived by HKDF-SHA256 (RFC 5869), one for each
/// context or purpose, so that nothing made for one use is accepted in another.
pub struct Sealer {
    prk: Prk,
}

impl Sealer {
    /// Takes 32 uniformly random bytes.
    #[must_use]
    pub fn new(mut master: [u8; 32]) -> Self {
        let prk = Salt::new(HKDF_SHA256, b"vestibule").extract(&master);
        master.zeroize();
        Self { prk }
    }

    /// Encrypts with AES-256-GCM: version byte, 12 random bytes of nonce, ciphertext, 16 bytes of
    /// tag. `context` says what the value is and whose ("smtp password of tenant t1"); [`open`]
    /// must be told the same.
    ///
    /// [`open`]: Sealer::open
    #[must_use]
    pub fn seal(&self, context: &str, plain: &[u8]) -> Vec<u8> {
        self.try_seal(context, plain)
            // Only a plaintext beyond 64 GiB gets here; storing it in the clear is not an option.
            .unwrap_or_else(|_| std::process::abort())
    }

    fn try_seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let nonce = secret_bytes::<NONCE_LEN>(&SystemRandom);
        let mut out = Vec::with_capacity(1 + NONCE_LEN + plain.len() + TAG_LEN);
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plain);
        let tag = self.content_key(context)?.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(context),
            &mut out[1 + NONCE_LEN..],
        )?;
        out.extend_from_slice(tag.as_ref());
        Ok(out)
    }

    /// Decrypts what [`seal`](Sealer::seal) made under the same master key and context.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (version, rest) = sealed.split_first().ok_or(SealError::Format)?;
        let (nonce, ciphertext) = rest
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(SealError::Format)?;
        if *version != VERSION || ciphertext.len() < TAG_LEN {
            return Err(SealError::Format);
        }
        let mut plain = Zeroizing::new(ciphertext.to_vec());
        let len = self
            .content_key(context)
            .and_then(|key| {
                let nonce = Nonce::assume_unique_for_key(*nonce);
                Ok(key
                    .open_in_place(nonce, Aad::from(context), &mut plain)?
                    .len())
            })
            .map_err(|_| SealError::Rejected)?;
        plain.truncate(len);
        Ok(plain)
    }

    /// HMAC-SHA256 over `parts`, each preceded by its length so that shifting a boundary changes
    /// the result, under a key of its own for each `purpose`.
    #[must_use]
    pub fn mac(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        self.mac_key(purpose).mac(parts)
    }

    /// The key of [`mac`](Sealer::mac), for whoever needs it often.
    #[must_use]
    pub fn mac_key(&self, purpose: &str) -> MacKey {
        let key = self
            .derive("mac", purpose)
            // HKDF refuses only outputs beyond 8160 bytes.
            .unwrap_or_else(|_| std::process::abort());
        MacKey(hmac::Key::new(hmac::HMAC_SHA256, &*key))
    }

    fn content_key(&self, context: &str) -> Result<LessSafeKey, Unspecified> {
        let key = self.derive("seal", context)?;
        Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*key)?))
    }

    fn derive(&self, usage: &str, name: &str) -> Result<Zeroizing<[u8; 32]>, Unspecified> {
        let mut key = Zeroizing::new([0; 32]);
        self.prk
            .expand(
                &[b"vestibule/1/", usage.as_bytes(), b"/", name.as_bytes()],
                KeyLen,
            )?
            .fill(&mut *key)?;
        Ok(key)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

/// A key that authenticates for one purpose (HMAC-SHA256).
#[derive(Clone)]
pub struct MacKey(hmac::Key);

impl MacKey {
    /// The MAC over `parts`, each preceded by its length.
    #[must_use]
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let length = parts.iter().map(|part| 8 + part.len()).sum();
        let mut whole = Zeroizing::new(Vec::with_capacity(length));
        for part in parts {
            whole.extend_from_slice(&(part.len() as u64).to_be_bytes());
            whole.extend_from_slice(part);
        }
        let mut out = [0; 32];
        out.copy_from_slice(hmac::sign(&self.0, &whole).as_ref());
        out
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey")
    }
}

/// The length that HKDF is asked for: 32 bytes.
struct KeyLen;

impl KeyType for KeyLen {
    fn len(&self) -> usize {
        32
    }
}
