//! Six digits beside a mailed link, to be typed in the browser that asked for the mail.
//!
//! A row is kept whoever was asked for, known or not, so that neither a wrong code nor the end of its tries tells who has
//! an account. What is kept are MACs: whoever reads the database cannot try a million codes on them.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use vestibule_db::Tx;

use super::{OneTimeKind, store};
use crate::account;
use crate::context::Cx;
use crate::error::{Error, Kind, Result};
use crate::limit::{self, Budget, Charge};
use crate::ports::Micros;
use crate::{Identity, audit};

/// So many digits.
const LEN: usize = 6;

/// What a hosted page adds to a request that goes on by mail.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Names this browser's request: hard to guess, or useless without a session. Whoever types the code must bring it.
    pub flow: SecretString,
    /// Where it leads in the end: an internal path, or empty.
    pub return_to: String,
}

/// A code about to be stored, and the digits for the mail.
#[derive(Clone)]
pub(crate) struct NewCode {
    pub(crate) kind: OneTimeKind,
    pub(crate) flow: [u8; 32],
    pub(crate) code: [u8; 32],
    /// The digest of the link's token, whose place the code takes.
    pub(crate) token: [u8; 32],
    pub(crate) lifetime: Duration,
    pub(crate) digits: SecretString,
}

/// What somebody typed, as it would be stored.
#[derive(Clone)]
pub(crate) struct Typed {
    pub(crate) kind: OneTimeKind,
    pub(crate) flow: [u8; 32],
    code: [u8; 32],
    /// Whose wrong codes are counted together.
    owner: String,
    /// The account that is going to be written about, where it is known.
    account: Option<String>,
}

impl Typed {
    /// The same, about that account.
    pub(crate) fn about(self, account: &str) -> Typed {
        Typed {
            account: Some(account.to_owned()),
            ..self
        }
    }
}

/// What is kept of a code that may be tried.
pub(crate) struct Kept {
    pub(crate) code: [u8; 32],
    pub(crate) token: [u8; 32],
}

/// How a try ended. A value, not an error: the count of tries must be kept.
enum Outcome<T> {
    Right(T),
    Wrong,
    Spent(Option<Micros>),
}

pub(crate) fn flow_digest(
    identity: &Identity,
    cx: &Cx,
    kind: OneTimeKind,
    flow: &SecretString,
) -> [u8; 32] {
    let parts = [
        cx.tenant.id.as_bytes(),
        kind.name().as_bytes(),
        flow.expose_secret().as_bytes(),
    ];
    identity.sealer().mac("mailed code: flow", &parts)
}

fn code_mac(identity: &Identity, cx: &Cx, flow: &[u8; 32], digits: &str) -> [u8; 32] {
    let parts = [cx.tenant.id.as_bytes(), flow, digits.as_bytes()];
    identity.sealer().mac("mailed code", &parts)
}

impl NewCode {
    pub(crate) fn draw(
        identity: &Identity,
        cx: &Cx,
        (kind, lifetime): (OneTimeKind, Duration),
        flow: &SecretString,
        token: [u8; 32],
    ) -> NewCode {
        let digits = vestibule_crypto::digits(identity.random(), LEN);
        let flow = flow_digest(identity, cx, kind, flow);
        NewCode {
            code: code_mac(identity, cx, &flow, digits.expose_secret()),
            kind,
            flow,
            token,
            lifetime,
            digits,
        }
    }
}

/// The digits of what was typed or pasted: blanks and hyphens do not matter, nor in which script the digits are.
fn digits_of(typed: &str) -> Option<String> {
    /// The zeros of ASCII, Arabic, Persian, Hindi, Bengali and full-width digits.
    const ZEROS: [char; 6] = ['0', '٠', '۰', '०', '০', '０'];
    let digit = |c: char| {
        let values = ZEROS.map(|zero| (c as u32).wrapping_sub(zero as u32));
        let value = values.into_iter().find(|value| *value < 10)?;
        char::from_digit(value, 10)
    };
    let written = typed
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '\u{200e}' | '\u{200f}'));
    let digits: Option<String> = written.take(LEN + 1).map(digit).collect();
    digits.filter(|digits| digits.len() == LEN)
}

impl Identity {
    /// Whether a code that this flow's mail brought could be typed now.
    pub async fn awaits_code(
        &self,
        cx: &Cx,
        kind: OneTimeKind,
        flow: &SecretString,
    ) -> Result<bool> {
        let flow = flow_digest(self, cx, kind, flow);
        let cx = cx.clone();
        self.db()
            .read(move |tx| Ok(store::code_expiry(tx, &cx, &flow)?.is_some()))
            .await
    }

    /// `InvalidCode` for what cannot be a code; that is no try. `owner`: the address or account that the flow is about.
    pub(crate) fn read_code(
        &self,
        cx: &Cx,
        kind: OneTimeKind,
        (flow, owner): (&SecretString, &str),
        typed: &str,
    ) -> Result<Typed> {
        let digits = digits_of(typed).ok_or(Kind::InvalidCode)?;
        let flow = flow_digest(self, cx, kind, flow);
        Ok(Typed {
            kind,
            code: code_mac(self, cx, &flow, &digits),
            flow,
            owner: format!("{}/{}/{owner}", cx.tenant.id, kind.name()),
            account: None,
        })
    }

    /// Counts a code as wrong until it is known to be right, towards its owner, the client and the tenant.
    async fn charge_code(&self, cx: &Cx, typed: &Typed) -> Result<(Budget, Charge)> {
        let budget = Budget::new(self, limit::CODES_ACCOUNT, typed.owner.clone());
        let tenant = cx.tenant.id.clone();
        let read = self.db().read(move |tx| budget.clone().read(tx, &tenant));
        let budget = read.await?;
        let address = limit::address_key(&cx.tenant.id, &cx.client);
        let further = [
            (limit::CODES_ADDRESS, &*address),
            (limit::CODES_TENANT, &*cx.tenant.id),
        ];
        let charge = self.charge(&budget, &further, cx.now)?;
        Ok((budget, charge))
    }

    /// Counts a try and, when it is the right code, does `then` with the link's token in the same transaction. `None` from
    /// there: the link is dead, and the code with it.
    pub(crate) async fn try_code<T: Send + 'static>(
        &self,
        cx: &Cx,
        typed: Typed,
        then: impl Fn(&mut Tx<'_>, &Cx, &[u8; 32]) -> Result<Option<T>> + Send + Sync + 'static,
    ) -> Result<T> {
        let (budget, charge) = self.charge_code(cx, &typed).await?;
        let most = i64::from(self.limits().most(limit::CODE_TRIES));
        let (kind, write) = (typed.kind, cx.clone());
        let outcome = self
            .db()
            .write(move |tx| {
                if let Some(account) = &typed.account {
                    account::store::lock(tx, &write.tenant.id, account)?;
                }
                let Some(kept) = store::count_code_try(tx, &write, &typed, most)? else {
                    let until = store::code_expiry(tx, &write, &typed.flow)?;
                    return Ok(Outcome::Spent(until));
                };
                if !vestibule_crypto::equal(&kept.code, &typed.code) {
                    budget.count(tx, &write.tenant.id, write.now)?;
                    return Ok(Outcome::Wrong);
                }
                let done = then(tx, &write, &kept.token)?;
                Ok::<_, Error>(done.map_or(Outcome::Spent(None), Outcome::Right))
            })
            .await?;
        // Nothing was guessed at where no code was compared.
        if !matches!(outcome, Outcome::Wrong) {
            self.limits().give_back(charge);
        }
        let refused = match outcome {
            Outcome::Right(done) => return Ok(done),
            Outcome::Wrong => Error::new(Kind::InvalidCode),
            Outcome::Spent(Some(until)) => {
                let left = until.since(cx.now).as_secs();
                Error::spent_code(u32::try_from(left).unwrap_or(u32::MAX))
            }
            Outcome::Spent(None) => Error::new(Kind::SpentCode),
        };
        let event = match kind {
            OneTimeKind::VerifyEmail => "email.verified",
            _ => "password.code_typed",
        };
        self.note_refused(cx, audit::Entry::refused(event, refused.kind))
            .await?;
        Err(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_as_people_type_them() {
        for (typed, read) in [
            ("123456", Some("123456")),
            (" 123 456 ", Some("123456")),
            ("123-456\n", Some("123456")),
            ("٠١٢٣٤٥", Some("012345")),
            ("१२३४५६", Some("123456")),
            ("１２３４５６", Some("123456")),
            ("12345", None),
            ("1234567", None),
            ("12345a", None),
            ("", None),
            ("½23456", None),
        ] {
            assert_eq!(digits_of(typed).as_deref(), read, "{typed:?}");
        }
    }
}
