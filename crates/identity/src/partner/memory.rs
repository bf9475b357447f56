//! Remembers for minutes that a partner secret was right, so that a partner's busy hour costs one slow hash a person.
//!
//! Held is a MAC of the secret and of the stored hash under a key made at start and never written down. A stolen database
//! gains nothing; a memory dump gives what a dump of any server that just handled the secret gives. A new hash changes the MAC.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use vestibule_crypto::{Random, Sealer, equal, secret_bytes};

use crate::ports::Micros;

const LIFETIME: Duration = Duration::from_secs(600);
const MOST: usize = 100_000;

pub(crate) struct Memory {
    key: Sealer,
    seen: Mutex<HashMap<String, ([u8; 32], Micros)>>,
    /// Accounts share these by their names' MAC.
    turns: [tokio::sync::Mutex<()>; 256],
}

impl Memory {
    pub(crate) fn new(random: &dyn Random) -> Memory {
        Memory {
            key: Sealer::new(secret_bytes::<32>(random)),
            seen: Mutex::default(),
            turns: std::array::from_fn(|_| tokio::sync::Mutex::default()),
        }
    }

    /// Waits until nobody else checks a secret of this account: guesses sent at once are counted one after the other,
    /// and a busy partner's right ones cost one slow hash together.
    pub(crate) async fn turn(&self, account: &str) -> tokio::sync::MutexGuard<'_, ()> {
        let [place, ..] = self.key.mac("partner-turn", &[account.as_bytes()]);
        self.turns[usize::from(place)].lock().await
    }

    fn mac(&self, account: &str, phc: &str, uid: &SecretString) -> [u8; 32] {
        self.key.mac(
            "partner-memory",
            &[
                account.as_bytes(),
                phc.as_bytes(),
                uid.expose_secret().as_bytes(),
            ],
        )
    }

    pub(crate) fn recalls(
        &self,
        account: &str,
        phc: &str,
        uid: &SecretString,
        now: Micros,
    ) -> bool {
        let Some((mac, at)) = self.seen.lock().get(account).copied() else {
            return false;
        };
        now >= at && now.since(at) < LIFETIME && equal(&mac, &self.mac(account, phc, uid))
    }

    pub(crate) fn remember(&self, account: &str, phc: &str, uid: &SecretString, now: Micros) {
        let mac = self.mac(account, phc, uid);
        let mut seen = self.seen.lock();
        if seen.len() >= MOST {
            seen.retain(|_, (_, at)| now.since(*at) < LIFETIME);
        }
        if seen.len() >= MOST {
            seen.clear();
        }
        seen.insert(account.to_owned(), (mac, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recalls_only_the_same_secret_hash_and_account_for_a_while() {
        let memory = Memory::new(&vestibule_crypto::SeededRandom::new(1));
        let uid = SecretString::from("uid".to_owned());
        let at = |seconds: i64| Micros(seconds * 1_000_000);
        memory.remember("a", "phc", &uid, at(10));
        assert!(memory.recalls("a", "phc", &uid, at(11)));
        assert!(!memory.recalls("b", "phc", &uid, at(11)));
        assert!(!memory.recalls("a", "new phc", &uid, at(11)));
        assert!(!memory.recalls("a", "phc", &SecretString::from("Uid".to_owned()), at(11)));
        assert!(!memory.recalls("a", "phc", &uid, at(610)));
        assert!(
            !memory.recalls("a", "phc", &uid, at(9)),
            "a clock that went back"
        );
    }
}
