//! Sessions: one row each, whatever number of tokens name it. Tokens carry the session's id and generation.

mod authenticate;
mod memory;
mod refresh;
pub(crate) mod rules;
pub(crate) mod store;
mod tokens;

pub use authenticate::Authenticated;
pub(crate) use authenticate::{PROVEN_TOKENS, ProvenTokens};
pub(crate) use memory::Memory;
pub use refresh::Refresh;
pub(crate) use tokens::{OpaqueKeys, login_issuer};
pub use tokens::{TokenSpec, TokenSubject};

use serde::Serialize;

use crate::account::Account;
use crate::context::Cx;
use crate::error::{Kind, Result};
use crate::one_time::{self, OneTimeKind};
use crate::ports::Micros;
use crate::team::{Team, TeamIds};
use crate::{Identity, audit, email_change};

/// A signed-in person at one client.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Session {
    /// 20 characters of [A-Za-z0-9]; a name, no secret.
    pub id: String,
    #[serde(skip)]
    pub account_id: String,
    pub kind: SessionKind,
    pub dialect: String,
    /// How often the refresh token has changed.
    #[serde(skip)]
    pub generation: i64,
    pub created_at: Micros,
    pub last_seen_at: Micros,
    pub expires_at: Micros,
    pub client_address: Option<String>,
    pub user_agent: Option<String>,
}

/// Whether a browser's cookie or an API client's tokens name the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionKind {
    Api,
    Browser,
}

impl SessionKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            SessionKind::Api => "api",
            SessionKind::Browser => "browser",
        }
    }
}

/// Why a session ended, as audit entries and rows say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndReason {
    SignedOut,
    Ended,
    PasswordChanged,
    Suspended,
    Replay,
    /// The account's address was proven by somebody else than who signed up.
    Unproven,
    EmailChanged,
    /// The person wants the account deleted.
    DeletionAsked,
    /// Another session began in the same browser.
    Replaced,
}

impl EndReason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            EndReason::SignedOut => "signed_out",
            EndReason::Ended => "ended",
            EndReason::PasswordChanged => "password_changed",
            EndReason::Suspended => "suspended",
            EndReason::Replay => "replay",
            EndReason::Unproven => "unproven",
            EndReason::EmailChanged => "email_changed",
            EndReason::DeletionAsked => "deletion_asked",
            EndReason::Replaced => "replaced",
        }
    }
}

/// What every way of signing in answers.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub account: Account,
    pub session: Session,
    /// None before the address is verified.
    pub team: Option<Team>,
}

/// A session about to start.
#[derive(Clone, Debug)]
pub(crate) struct NewSession {
    pub(crate) id: String,
    /// Of the default team, for a person who has none.
    pub(crate) team: TeamIds,
    pub(crate) kind: SessionKind,
    pub(crate) expires_at: Micros,
    /// When the person signed in, where that was before.
    since: Option<Micros>,
    /// Whether the person typed or showed something of their own just now: their address is known by it.
    proven: bool,
}

impl NewSession {
    pub(crate) fn draw(identity: &Identity, cx: &Cx, kind: SessionKind) -> NewSession {
        let id = vestibule_crypto::alphanumeric(identity.random(), 20);
        NewSession {
            id,
            team: TeamIds::new(identity.random()),
            kind,
            expires_at: cx.now + cx.tenant.file.session.absolute.0,
            since: None,
            proven: true,
        }
    }

    /// Nobody signs in anew: it is as old as that session, and ends no later. Whoever has a token of that one need not be
    /// who signed in.
    pub(crate) fn going_on(self, old: &Session) -> NewSession {
        NewSession {
            since: Some(old.created_at),
            expires_at: self.expires_at.min(old.expires_at),
            proven: false,
            ..self
        }
    }
}

impl Identity {
    /// Ends this session; whatever names it is dead at once.
    pub async fn sign_out(&self, cx: &Cx, session: &Session) -> Result<()> {
        let of = (&*session.account_id, None);
        self.end(cx, of, &session.id, EndReason::SignedOut).await
    }

    /// Goes on under a new session id, for somebody who has just given the password: whatever named the old one is dead at
    /// once. `Unauthorized` when it is over already.
    pub async fn renew_session(&self, cx: &Cx, old: &Session) -> Result<SignedIn> {
        let new = NewSession::draw(self, cx, old.kind).going_on(old);
        let new = NewSession {
            proven: true,
            ..new
        };
        let (cx, old) = (cx.clone(), old.clone());
        self.db()
            .write(move |tx| {
                let account = &old.account_id;
                store::hold_live(tx, &cx, account, Some(&old.id))?;
                if !store::end_one(tx, &cx, account, &old.id, EndReason::Replaced)? {
                    return Err(Kind::Unauthorized.into());
                }
                let signed_in = store::start(tx, &cx, account, &new)?;
                let entry = audit::Entry::done("session.renewed").account(account);
                audit::record(tx, &cx, entry.target(&old.id))?;
                Ok(signed_in)
            })
            .await
    }

    /// Ends one session of the account, by the wish of another of its sessions or of an operator. `NotFound` when there is no
    /// such live one.
    pub async fn end_session(
        &self,
        cx: &Cx,
        of: (&str, Option<&str>),
        session_id: &str,
    ) -> Result<()> {
        self.end(cx, of, session_id, EndReason::Ended).await
    }

    async fn end(
        &self,
        cx: &Cx,
        (account, asking): (&str, Option<&str>),
        session_id: &str,
        why: EndReason,
    ) -> Result<()> {
        if !tokens::is_session_id(session_id) {
            return Err(Kind::NotFound.into());
        }
        let (cx, account, session) = (cx.clone(), account.to_owned(), session_id.to_owned());
        let asking = asking.map(str::to_owned);
        self.db()
            .write(move |tx| {
                // What that session asks for just now comes before, and is forgotten here, or finds it ended.
                store::hold_live(tx, &cx, &account, asking.as_deref())?;
                if !store::end_one(tx, &cx, &account, &session, why)? {
                    return Err(Kind::NotFound.into());
                }
                if why == EndReason::Ended {
                    // Whoever had it is not to be trusted with what it got.
                    one_time::store::void_given(tx, &cx, &account)?;
                    email_change::forget_of(tx, &cx, &account, |asked| asked == session)?;
                }
                audit::record(
                    tx,
                    &cx,
                    audit::Entry::done("session.ended")
                        .account(&account)
                        .target(&session)
                        .reason(why.name()),
                )
            })
            .await
    }

    /// Ends every session of the account but `except`; answers how many.
    pub async fn sign_out_all(
        &self,
        cx: &Cx,
        account_id: &str,
        except: Option<&str>,
    ) -> Result<u64> {
        let (cx, account, except) = (cx.clone(), account_id.to_owned(), except.map(str::to_owned));
        self.db()
            .write(move |tx| {
                let except = except.as_deref();
                store::hold_live(tx, &cx, &account, except)?;
                let ended = store::end_all(tx, &cx, &account, except, EndReason::Ended)?;
                email_change::forget_of(tx, &cx, &account, |asked| Some(asked) != except)?;
                // Somebody else may have been given one.
                one_time::store::void(tx, &cx, OneTimeKind::ResetPassword, &account)?;
                audit::record(
                    tx,
                    &cx,
                    audit::Entry::done("session.all_ended").account(&account),
                )?;
                Ok(ended)
            })
            .await
    }

    /// The live sessions of the account, newest first.
    pub async fn sessions(&self, cx: &Cx, account_id: &str) -> Result<Vec<Session>> {
        let (cx, account) = (cx.clone(), account_id.to_owned());
        self.db()
            .read(move |tx| store::live_of(tx, &cx, &account))
            .await
    }
}
