//! One-time tokens: mailed links and tokens handed to back ends. Stored as digests, consumed by one conditional statement.

mod code;
pub(crate) mod store;
mod verify_email;

pub use code::Begun;
pub(crate) use code::{Kept, NewCode, Typed, flow_digest};
pub(crate) use verify_email::{REPEAT, VERIFICATION_LIFETIME, Verification, verification_mail};
pub use verify_email::{ResendVerification, VerifyEmail};

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use vestibule_crypto::Opaque;
use vestibule_db::Tx;

use crate::account::{self, Account};
use crate::context::Cx;
use crate::error::{Kind, Result};
use crate::{Identity, error::Error};

/// What a token is good for; nothing else takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneTimeKind {
    VerifyEmail,
    ResetPassword,
    /// Mailed to the address that an account has.
    ChangeEmailOld,
    /// Mailed to the address that an account is to have.
    ChangeEmailNew,
    Invitation,
}

impl OneTimeKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            OneTimeKind::VerifyEmail => "verify_email",
            OneTimeKind::ResetPassword => "reset_password",
            OneTimeKind::ChangeEmailOld => "change_email_old",
            OneTimeKind::ChangeEmailNew => "change_email_new",
            OneTimeKind::Invitation => "invitation",
        }
    }
}

/// A token about to be stored.
#[derive(Clone, Debug)]
pub(crate) struct New {
    pub(crate) kind: OneTimeKind,
    pub(crate) digest: [u8; 32],
    pub(crate) account_id: String,
    pub(crate) lifetime: Duration,
    /// The internal path that it leads to in the end, where a page of ours began it; or empty.
    pub(crate) return_to: String,
    /// Whose hands it is given into, if not the owner's mailbox. It is good for as long as that one may have such tokens.
    pub(crate) given_to: Option<Holder>,
}

/// Who may be given another account's token.
#[derive(Clone, Debug)]
pub(crate) enum Holder {
    Key(String),
    Account { id: String, session: String },
}

impl Holder {
    pub(crate) fn account(id: &str) -> String {
        format!("account:{id}")
    }

    /// As in `one_time_token.given_to`.
    fn name(&self) -> String {
        match self {
            Holder::Key(id) => format!("key:{id}"),
            Holder::Account { id, .. } => Holder::account(id),
        }
    }
}

/// The digest under which a presented token would be stored.
pub(crate) fn digest_of(token: &SecretString) -> Result<[u8; 32]> {
    Opaque::parse(token.expose_secret())
        .map(|token| token.digest())
        .ok_or_else(|| Error::new(Kind::InvalidToken))
}

/// Refuses when the account was given `most` tokens of the kind within the span. Its row must be held.
pub(crate) fn bound(
    tx: &mut Tx<'_>,
    cx: &Cx,
    (kind, account): (OneTimeKind, &str),
    (span, most): (Duration, i64),
) -> Result<()> {
    let oldest = store::given_at(tx, cx, kind, account, most)?;
    match oldest.map(|at| at + span).filter(|free| *free > cx.now) {
        Some(free) => {
            let wait = free.since(cx.now).as_micros().div_ceil(1_000_000);
            Err(Error::rate_limited(u32::try_from(wait).unwrap_or(u32::MAX)))
        }
        None => Ok(()),
    }
}

impl Identity {
    /// Whose token this is, if it could be used now. Changes nothing.
    pub async fn peek_one_time(
        &self,
        cx: &Cx,
        kind: OneTimeKind,
        token: &SecretString,
    ) -> Result<Account> {
        self.find_one_time(cx, kind, token)
            .await
            .map_err(|error| self.bad_token(cx, error))
    }

    async fn find_one_time(
        &self,
        cx: &Cx,
        kind: OneTimeKind,
        token: &SecretString,
    ) -> Result<Account> {
        let digest = digest_of(token)?;
        let cx = cx.clone();
        self.db()
            .read(move |tx| {
                let id = store::usable(tx, &cx, kind, &digest)?.ok_or(Kind::InvalidToken)?;
                let account =
                    account::store::by_id(tx, &cx.tenant.id, &id)?.filter(Account::is_active);
                account.ok_or_else(|| Kind::InvalidToken.into())
            })
            .await
    }
}
