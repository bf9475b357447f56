//! Proof of work by the ALTCHA protocol, version 2: the client looks for the counter whose derived key begins with a
//! prefix. A challenge is kept nowhere before its answer comes: a MAC says that it is ours, this tenant's, and until when.

use std::num::NonZeroU32;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use vestibule_crypto::{equal, pbkdf2_sha256, secret_bytes};

use super::store;
use crate::Identity;
use crate::context::Cx;
use crate::error::{Error, Kind, Result};
use crate::hex;
use crate::ports::Micros;
use crate::tenant::Captcha;

const ALGORITHM: &str = "PBKDF2/SHA-256";
const KEY_LENGTH: usize = 32;
/// One key in 256 begins so.
const KEY_PREFIX: &str = "00";
/// Time to fill in a form, and room for clients whose clock is wrong.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// An answer has about 500.
const MAX_ANSWER: usize = 4 * 1_024;

/// A challenge as the widget and the protocol's libraries read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PowChallenge {
    parameters: Parameters,
    signature: String,
}

/// Only `cost`, `expiresAt`, `nonce` and `salt` differ from one challenge to the next.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    algorithm: String,
    /// Iterations of each try.
    cost: u32,
    /// Seconds since the epoch.
    expires_at: i64,
    key_length: usize,
    key_prefix: String,
    nonce: String,
    salt: String,
}

#[derive(Deserialize)]
struct Answer {
    challenge: PowChallenge,
    solution: Solution,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Solution {
    counter: u32,
    derived_key: String,
}

/// An answer that is right, not yet used.
struct Solved {
    nonce: [u8; 16],
    expires_at: Micros,
}

fn refused(why: &'static str) -> Error {
    Error::with_detail(Kind::InvalidCaptcha, why)
}

impl Identity {
    /// A fresh challenge of this tenant; `NotFound` where its captcha is not proof of work.
    pub fn captcha_challenge(&self, cx: &Cx) -> Result<PowChallenge> {
        let registration = &cx.tenant.file.registration;
        if registration.captcha != Captcha::Pow {
            return Err(Kind::NotFound.into());
        }
        let parameters = Parameters {
            algorithm: ALGORITHM.into(),
            cost: registration.captcha_cost,
            expires_at: (cx.now + LIFETIME).secs(),
            key_length: KEY_LENGTH,
            key_prefix: KEY_PREFIX.into(),
            nonce: hex(&secret_bytes::<16>(self.random())),
            salt: hex(&secret_bytes::<16>(self.random())),
        };
        let signature = hex(&self.challenge_mac(cx, &parameters));
        Ok(PowChallenge {
            parameters,
            signature,
        })
    }

    fn challenge_mac(&self, cx: &Cx, parameters: &Parameters) -> [u8; 32] {
        let Parameters {
            cost,
            expires_at,
            nonce,
            salt,
            ..
        } = parameters;
        let parts: [&[u8]; 5] = [
            cx.tenant.id.as_bytes(),
            &cost.to_be_bytes(),
            &expires_at.to_be_bytes(),
            nonce.as_bytes(),
            salt.as_bytes(),
        ];
        self.sealer().mac("captcha", &parts)
    }

    /// Takes a right answer once.
    pub(super) async fn take_work(&self, cx: &Cx, answer: &str) -> Result<()> {
        let solved = self.check_work(cx, answer)?;
        let tenant = cx.tenant.id.clone();
        let first = self
            .db()
            .write(move |tx| store::consume(tx, &tenant, &solved.nonce, solved.expires_at))
            .await?;
        match first {
            true => Ok(()),
            false => Err(refused(
                "The captcha answer was used already. Solve a new one.",
            )),
        }
    }

    /// What is cheap to find wrong is looked at first; the one derivation comes last.
    fn check_work(&self, cx: &Cx, answer: &str) -> Result<Solved> {
        let invalid = || Error::new(Kind::InvalidCaptcha);
        let Answer {
            challenge,
            solution,
        } = read(answer).ok_or_else(invalid)?;
        let parameters = &challenge.parameters;
        let mac = hex(&self.challenge_mac(cx, parameters));
        if !equal(mac.as_bytes(), challenge.signature.as_bytes()) {
            return Err(invalid());
        }
        if parameters.expires_at <= cx.now.secs() {
            return Err(refused("The captcha answer has expired. Solve a new one."));
        }
        if !solution.derived_key.starts_with(KEY_PREFIX) {
            return Err(invalid());
        }
        let nonce = unhex::<16>(&parameters.nonce).ok_or_else(invalid)?;
        let salt = unhex::<16>(&parameters.salt).ok_or_else(invalid)?;
        let cost = NonZeroU32::new(parameters.cost).ok_or_else(invalid)?;
        let password = [&nonce[..], &solution.counter.to_be_bytes()].concat();
        let key = hex(&pbkdf2_sha256(&password, &salt, cost));
        if !equal(key.as_bytes(), solution.derived_key.as_bytes()) {
            return Err(invalid());
        }
        Ok(Solved {
            nonce,
            expires_at: Micros(parameters.expires_at.saturating_mul(1_000_000)),
        })
    }
}

/// See `fuzzing`.
#[cfg(feature = "fuzzing")]
pub(crate) fn is_read(answer: &str) -> bool {
    read(answer).is_some()
}

/// The answer, if it is one to a challenge of the kind that we give.
fn read(answer: &str) -> Option<Answer> {
    if answer.len() > MAX_ANSWER {
        return None;
    }
    let json = STANDARD.decode(answer).ok()?;
    let answer: Answer = serde_json::from_slice(&json).ok()?;
    let Parameters {
        algorithm,
        key_length,
        key_prefix,
        ..
    } = &answer.challenge.parameters;
    let ours = algorithm == ALGORITHM && *key_length == KEY_LENGTH && key_prefix == KEY_PREFIX;
    ours.then_some(answer)
}

/// Lower case only: one text for each value.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    (hex(&bytes) == text).then_some(bytes)
}
