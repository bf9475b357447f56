//! Argon2 hashes as PHC strings: `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`. Ours are Argon2id of version 19; the others
//! come from imports.

use argon2::{Algorithm, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::password::PasswordPolicyParams;

/// Stored hashes decide how much work a sign-in costs, and imported ones come from outside: these
/// bound it to 256 MiB and 16 passes.
const MAX_M_KIB: u32 = 256 * 1024;
const MAX_T: u32 = 16;
const MAX_P: u32 = 8;

const SALT_LEN: usize = 16;
const HASH_LEN: usize = 32;
const MAX_BYTES: usize = 64;

/// A hash taken apart: parameters within bounds, salt of 8 to 64 bytes, hash of 16 to 64.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Phc {
    pub(crate) algorithm: Algorithm,
    pub(crate) version: Version,
    pub(crate) params: PasswordPolicyParams,
    pub(crate) salt: Vec<u8>,
    pub(crate) hash: Vec<u8>,
}

impl Phc {
    /// An all-zero hash to be filled in.
    pub(crate) fn blank(params: PasswordPolicyParams, salt: [u8; SALT_LEN]) -> Self {
        Self {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params,
            salt: salt.to_vec(),
            hash: vec![0; HASH_LEN],
        }
    }

    /// Reads a hash in the one form that [`Phc::to_text`] writes; everything else is `None`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.strip_prefix("$argon2")?.split_once("$v=")?;
        let algorithm = match kind {
            "id" => Algorithm::Argon2id,
            "i" => Algorithm::Argon2i,
            "d" => Algorithm::Argon2d,
            _ => return None,
        };
        let (version, rest) = rest.split_once("$m=")?;
        let version = match version {
            "16" => Version::V0x10,
            "19" => Version::V0x13,
            _ => return None,
        };
        let (m_kib, rest) = rest.split_once(",t=")?;
        let (t, rest) = rest.split_once(",p=")?;
        let (p, rest) = rest.split_once('$')?;
        let (salt, hash) = rest.split_once('$')?;
        let params = PasswordPolicyParams {
            m_kib: number(m_kib)?,
            t: number(t)?,
            p: number(p)?,
        };
        params.argon2(None)?;
        let (salt, hash) = (bytes(salt, 8)?, bytes(hash, 16)?);
        Some(Self {
            algorithm,
            version,
            params,
            salt,
            hash,
        })
    }

    pub(crate) fn to_text(&self) -> String {
        let PasswordPolicyParams { m_kib, t, p } = self.params;
        let salt = STANDARD_NO_PAD.encode(&self.salt);
        let hash = STANDARD_NO_PAD.encode(&self.hash);
        let (kind, version) = (self.algorithm.as_str(), u32::from(self.version));
        format!("${kind}$v={version}$m={m_kib},t={t},p={p}${salt}${hash}")
    }

    /// Whether the hash is what we would make today.
    pub(crate) fn is_current(&self, params: PasswordPolicyParams) -> bool {
        let ours = (self.algorithm, self.version) == (Algorithm::Argon2id, Version::V0x13);
        ours && self.params == params && self.salt.len() >= SALT_LEN && self.hash.len() == HASH_LEN
    }
}

impl PasswordPolicyParams {
    /// The library's parameters for a hash of `hash_len` bytes, if they are allowed.
    pub(crate) fn argon2(self, hash_len: Option<usize>) -> Option<Params> {
        let allowed = self.m_kib <= MAX_M_KIB && self.t <= MAX_T && self.p <= MAX_P;
        allowed
            .then(|| Params::new(self.m_kib, self.t, self.p, hash_len).ok())
            .flatten()
    }

    /// Parameters that cost about so many thousandths of these.
    pub(crate) fn share(self, thousandths: u32) -> PasswordPolicyParams {
        let m_kib = u64::from(self.m_kib) * u64::from(thousandths.min(1_000)) / 1_000;
        PasswordPolicyParams {
            m_kib: u32::try_from(m_kib).unwrap_or(self.m_kib).max(8),
            t: self.t,
            p: 1,
        }
    }

    /// Parameters that cost what these lack of `whole`: memory filled, times passes. `None` where next to nothing lacks.
    pub(crate) fn lacking(self, whole: PasswordPolicyParams) -> Option<PasswordPolicyParams> {
        let work = |params: PasswordPolicyParams| params.m_kib * params.t;
        let lack = work(whole)
            .checked_sub(work(self))
            .filter(|lack| *lack >= 8)?;
        let t = lack.div_ceil(whole.m_kib);
        Some(PasswordPolicyParams {
            m_kib: lack / t,
            t,
            p: 1,
        })
    }
}

/// A decimal without sign or leading zeros.
fn number(text: &str) -> Option<u32> {
    text.parse()
        .ok()
        .filter(|value: &u32| value.to_string() == text)
}

fn bytes(text: &str, min: usize) -> Option<Vec<u8>> {
    // Checked before decoding so that a huge string costs nothing.
    if text.len() > MAX_BYTES * 2 {
        return None;
    }
    let bytes = STANDARD_NO_PAD.decode(text).ok()?;
    (min..=MAX_BYTES).contains(&bytes.len()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_of_a_hash_costs_the_difference() {
        let params = |m_kib, t, p| PasswordPolicyParams { m_kib, t, p };
        let whole = params(47_104, 3, 1);
        for old in [
            params(8, 1, 1),
            params(19_456, 2, 1),
            params(47_104, 1, 4),
            params(47_104, 2, 1),
        ] {
            let rest = old.lacking(whole).unwrap();
            let all = old.m_kib * old.t + rest.m_kib * rest.t;
            assert!(all.abs_diff(47_104 * 3) <= rest.t, "{old:?} {rest:?}");
            assert!(rest.m_kib <= whole.m_kib && rest.argon2(None).is_some());
        }
        for enough in [whole, params(47_103, 3, 1), params(65_536, 3, 1)] {
            assert_eq!(enough.lacking(whole), None);
        }
    }
}
