//! The ways in which hashes are written: `$scheme$…`, Django's, passlib's, Werkzeug's and LDAP's; and the one of them in
//! which each is kept.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD, STANDARD_NO_PAD};

use super::decode::{BASE64, NUMBER, SHAPE, b64, exponent, lenient, log2, named, number, unhex};
use super::{Digest, Foreign, HashFault, Salted, Scheme, crypt};

/// Longer texts are no hashes.
const MAX_TEXT: usize = 1_024;

const BCRYPT: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);

type Parsed = Result<Foreign, HashFault>;

impl Foreign {
    /// Reads a hash in any of the ways known, but for Argon2.
    pub(crate) fn parse(text: &str) -> Parsed {
        if text.len() > MAX_TEXT {
            return Err(HashFault::Damaged("it has more than 1024 characters"));
        }
        let (scheme, rest) = head(text).ok_or(HashFault::Unknown)?;
        let parts: Vec<&str> = rest.split('$').collect();
        let foreign = match (scheme, &*parts) {
            ("$2a" | "$2b" | "$2y", [cost, body]) => bcrypt(cost, body, false),
            ("$2x", _) => Err(HashFault::FaultyBcrypt("2x")),
            ("$2", _) => Err(HashFault::FaultyBcrypt("2")),
            ("bcrypt", ["", "2a" | "2b" | "2y", cost, body]) => bcrypt(cost, body, false),
            ("bcrypt_sha256", ["", "2a" | "2b" | "2y", cost, body]) => bcrypt(cost, body, true),
            ("$scrypt", [params, salt, hash]) => scrypt(params, salt, hash),
            ("scrypt", [n, salt, r, p, hash]) => scrypt_of(
                log2(n)?,
                number(r)?,
                number(p)?,
                salt.as_bytes(),
                b64(hash)?,
            ),
            ("$fbscrypt", [params, salt, hash]) => firebase(params, salt, hash),
            ("$pbkdf2" | "$pbkdf2-sha1", _) => pbkdf2(Digest::Sha1, &parts),
            ("$pbkdf2-sha256", _) => pbkdf2(Digest::Sha256, &parts),
            ("$pbkdf2-sha512", _) => pbkdf2(Digest::Sha512, &parts),
            ("pbkdf2_sha1", [rounds, salt, hash]) => {
                pbkdf2_of(Digest::Sha1, rounds, salt.as_bytes(), b64(hash)?)
            }
            ("pbkdf2_sha256", [rounds, salt, hash]) => {
                pbkdf2_of(Digest::Sha256, rounds, salt.as_bytes(), b64(hash)?)
            }
            ("md5" | "sha1", [salt, hash]) => salted(
                Digest::named(scheme).ok_or(HashFault::Unknown)?,
                Salted::Before,
                salt.as_bytes(),
                unhex(hash)?,
            ),
            ("$salted-md5" | "$salted-sha1" | "$salted-sha256" | "$salted-sha512", [o, s, h]) => {
                let order = match *o {
                    "before" => Salted::Before,
                    "after" => Salted::After,
                    _ => return Err(SHAPE),
                };
                let digest = Digest::named(&scheme["$salted-".len()..]);
                salted(digest.ok_or(SHAPE)?, order, &b64(s)?, b64(h)?)
            }
            ("$1" | "$apr1", [salt, hash]) => {
                let apache = scheme == "$apr1";
                crypted(Scheme::Md5Crypt { apache }, salt, hash, 8)
            }
            ("$5" | "$6", _) => sha_crypt(scheme, &parts),
            _ if scheme.starts_with('{') => ldap(scheme, rest),
            _ if scheme.contains(':') => werkzeug(scheme, &parts),
            _ if is_known(scheme) => Err(SHAPE),
            _ => Err(HashFault::Unknown),
        };
        foreign?.checked()
    }

    /// The one way in which it is kept.
    pub(crate) fn to_text(&self) -> String {
        let (salt, hash) = (&self.salt, &self.hash);
        let b64 = |bytes: &[u8]| STANDARD_NO_PAD.encode(bytes);
        let plain = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match &self.scheme {
            Scheme::Bcrypt { cost, hex_sha256 } => {
                let (salt, hash) = (BCRYPT.encode(salt), BCRYPT.encode(hash));
                let head = if *hex_sha256 { "bcrypt_sha256$" } else { "" };
                format!("{head}$2b${cost:02}${salt}{hash}")
            }
            Scheme::Scrypt { log_n, r, p } => {
                format!("$scrypt$ln={log_n},r={r},p={p}${}${}", b64(salt), b64(hash))
            }
            Scheme::Firebase {
                log_n,
                r,
                separator,
                signer,
            } => {
                let [separator, signer, salt, hash] =
                    [separator, signer, salt, hash].map(|bytes| STANDARD.encode(bytes));
                format!(
                    "$fbscrypt$v=1,n={log_n},r={r},p=1,ss={separator},sk={signer}${salt}${hash}"
                )
            }
            Scheme::Pbkdf2 { digest, rounds } => {
                let name = digest.name();
                format!("$pbkdf2-{name}$i={rounds}${}${}", b64(salt), b64(hash))
            }
            Scheme::Salted {
                digest,
                salt: order,
            } => {
                let order = match order {
                    Salted::Before => "before",
                    Salted::After => "after",
                };
                let name = digest.name();
                format!("$salted-{name}${order}${}${}", b64(salt), b64(hash))
            }
            Scheme::Md5Crypt { apache } => {
                let magic = if *apache { "apr1" } else { "1" };
                format!("${magic}${}${}", plain(salt), plain(hash))
            }
            Scheme::ShaCrypt { digest, rounds } => {
                let magic = if *digest == Digest::Sha256 { 5 } else { 6 };
                format!("${magic}$rounds={rounds}${}${}", plain(salt), plain(hash))
            }
        }
    }
}

/// What names the scheme, with the `$` or `{` before it, and what comes after.
fn head(text: &str) -> Option<(&str, &str)> {
    if text.starts_with('{') {
        let end = text.find('}')? + 1;
        return Some(text.split_at(end));
    }
    let start = usize::from(text.starts_with('$'));
    let end = start + text[start..].find('$')?;
    Some((&text[..end], &text[end + 1..]))
}

fn is_known(scheme: &str) -> bool {
    let names = [
        "2a",
        "2b",
        "2y",
        "bcrypt",
        "bcrypt_sha256",
        "scrypt",
        "fbscrypt",
        "pbkdf2_sha1",
        "pbkdf2_sha256",
        "md5",
        "sha1",
        "1",
        "apr1",
    ];
    names.contains(&scheme.trim_start_matches('$')) || scheme.starts_with("$salted-")
}

fn bcrypt(cost: &str, body: &str, hex_sha256: bool) -> Parsed {
    let (salt, hash) = body.split_at_checked(22).ok_or(SHAPE)?;
    if cost.len() != 2 {
        return Err(NUMBER);
    }
    let cost = number(cost)?;
    let decode = |text: &str| lenient(&BCRYPT_LENIENT, text);
    let scheme = Scheme::Bcrypt { cost, hex_sha256 };
    let (salt, hash) = (decode(salt)?, decode(hash)?);
    if salt.len() != 16 {
        return Err(SHAPE);
    }
    Ok(Foreign { scheme, salt, hash })
}

/// Some systems leave stray bits in the last character, which nothing looks at.
const BCRYPT_LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::BCRYPT,
    NO_PAD.with_decode_allow_trailing_bits(true),
);

/// `ln=14,r=8,p=1`
fn scrypt(params: &str, salt: &str, hash: &str) -> Parsed {
    let [log_n, r, p] = named(params, ["ln", "r", "p"])?;
    scrypt_of(
        exponent(log_n)?,
        number(r)?,
        number(p)?,
        &b64(salt)?,
        b64(hash)?,
    )
}

pub(super) fn scrypt_of(log_n: u8, r: u32, p: u32, salt: &[u8], hash: Vec<u8>) -> Parsed {
    Ok(Foreign {
        scheme: Scheme::Scrypt { log_n, r, p },
        salt: salt.to_vec(),
        hash,
    })
}

/// `v=1,n=14,r=8,p=1,ss=…,sk=…`
fn firebase(params: &str, salt: &str, hash: &str) -> Parsed {
    let [version, log_n, r, p, separator, signer] =
        named(params, ["v", "n", "r", "p", "ss", "sk"])?;
    if (version, p) != ("1", "1") {
        return Err(NUMBER);
    }
    let scheme = Scheme::Firebase {
        log_n: exponent(log_n)?,
        r: number(r)?,
        separator: b64(separator)?,
        signer: b64(signer)?,
    };
    let (salt, hash) = (b64(salt)?, b64(hash)?);
    Ok(Foreign { scheme, salt, hash })
}

/// `i=29000` and perhaps `,l=32`, or passlib's bare number.
fn pbkdf2(digest: Digest, parts: &[&str]) -> Parsed {
    let [params, salt, hash] = parts else {
        return Err(SHAPE);
    };
    let (rounds, length) = match params.strip_prefix("i=") {
        None => (*params, None),
        Some(rest) => match rest.split_once(",l=") {
            None => (rest, None),
            Some((rounds, length)) => (rounds, Some(number(length)?)),
        },
    };
    let hash = b64(hash)?;
    if length.is_some_and(|length| length as usize != hash.len()) {
        return Err(HashFault::Damaged("the hash is cut short or too long"));
    }
    pbkdf2_of(digest, rounds, &b64(salt)?, hash)
}

pub(super) fn pbkdf2_of(digest: Digest, rounds: &str, salt: &[u8], hash: Vec<u8>) -> Parsed {
    let rounds = NonZeroU32::new(number(rounds)?).ok_or(NUMBER)?;
    Ok(Foreign {
        scheme: Scheme::Pbkdf2 { digest, rounds },
        salt: salt.to_vec(),
        hash,
    })
}

pub(super) fn salted(digest: Digest, order: Salted, salt: &[u8], hash: Vec<u8>) -> Parsed {
    let scheme = Scheme::Salted {
        digest,
        salt: order,
    };
    let salt = salt.to_vec();
    Ok(Foreign { scheme, salt, hash })
}

fn crypted(scheme: Scheme, salt: &str, hash: &str, longest: usize) -> Parsed {
    if !crypt::is_crypt64(hash) {
        return Err(BASE64);
    }
    // What is beyond was never looked at.
    let salt = salt.as_bytes();
    let salt = salt[..salt.len().min(longest)].to_vec();
    if salt.iter().any(|byte| !byte.is_ascii_graphic()) {
        return Err(HashFault::Damaged(
            "the salt holds other than letters, digits and signs",
        ));
    }
    let hash = hash.as_bytes().to_vec();
    Ok(Foreign { scheme, salt, hash })
}

/// `[rounds=N$]salt$hash`
fn sha_crypt(scheme: &str, parts: &[&str]) -> Parsed {
    let digest = if scheme == "$5" {
        Digest::Sha256
    } else {
        Digest::Sha512
    };
    let (rounds, salt, hash) = match *parts {
        [salt, hash] => (5_000, salt, hash),
        [rounds, salt, hash] => {
            let rounds = rounds.strip_prefix("rounds=").ok_or(SHAPE)?;
            (number(rounds)?, salt, hash)
        }
        _ => return Err(SHAPE),
    };
    if rounds < sha_crypt::Params::ROUNDS_MIN {
        return Err(NUMBER);
    }
    crypted(Scheme::ShaCrypt { digest, rounds }, salt, hash, 16)
}

/// `{SSHA}` and its like: the digest, then the salt, in one base64; `{CRYPT}` before any of the `$` ways.
fn ldap(scheme: &str, rest: &str) -> Parsed {
    let name = scheme.trim_matches(['{', '}']).to_ascii_lowercase();
    let digest = match &*name {
        "crypt" | "bcrypt" if rest.starts_with('$') => return Foreign::parse(rest),
        "md5" | "smd5" => Digest::Md5,
        "sha" | "ssha" | "sha1" | "ssha1" => Digest::Sha1,
        "sha256" | "ssha256" | "sha-256" | "ssha-256" => Digest::Sha256,
        "sha512" | "ssha512" | "sha-512" | "ssha-512" => Digest::Sha512,
        _ => return Err(HashFault::Unknown),
    };
    let bytes = b64(rest)?;
    let (hash, salt) = bytes.split_at_checked(digest.length()).ok_or(SHAPE)?;
    if name.starts_with("ss") == salt.is_empty() && name != "smd5" {
        return Err(HashFault::Damaged("the hash is cut short or too long"));
    }
    salted(digest, Salted::After, salt, hash.to_vec())
}

/// `pbkdf2:sha256:600000$salt$hex` and `scrypt:32768:8:1$salt$hex`
fn werkzeug(scheme: &str, parts: &[&str]) -> Parsed {
    let [salt, hash] = parts else {
        return Err(SHAPE);
    };
    let (salt, hash) = (salt.as_bytes(), unhex(hash)?);
    match *scheme.split(':').collect::<Vec<_>>() {
        ["pbkdf2", digest, rounds] => {
            let digest = Digest::named(digest).filter(|digest| *digest != Digest::Md5);
            pbkdf2_of(digest.ok_or(HashFault::Unknown)?, rounds, salt, hash)
        }
        ["scrypt", n, r, p] => scrypt_of(log2(n)?, number(r)?, number(p)?, salt, hash),
        _ => Err(HashFault::Unknown),
    }
}
