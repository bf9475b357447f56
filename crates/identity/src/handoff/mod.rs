//! Browser hand-offs: a token from elsewhere signs this browser in.

pub(crate) mod store;

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use vestibule_crypto::{Jws, JwsError, check_times};
use vestibule_db::Tx;

use crate::account::{self, Account};
use crate::context::Cx;
use crate::error::{Error, Kind, Result};
use crate::session::{self, Authenticated, NewSession, Session, SessionKind, SignedIn};
use crate::signing_key::Purpose;
use crate::tenant::LoginTokenUse;
use crate::{Identity, audit};

/// The same link works again for so long: a double click, a reload.
const REPEAT: Duration = Duration::from_secs(60);

/// What a browser brings.
#[derive(Clone, Debug)]
pub enum BrowserCredential {
    /// A login token minted for a partner.
    LoginToken(SecretString),
    /// An access token of the dialect, and the roles that may use this door.
    AccessToken {
        token: SecretString,
        roles: Vec<String>,
    },
}

/// A browser asks to be signed in.
#[derive(Debug)]
pub struct OpenBrowser {
    pub credential: BrowserCredential,
    /// Whom its cookie signs in already: a session that the caller ends when another takes its place.
    pub current: Option<Authenticated>,
    /// The person answered which of two accounts to be.
    pub confirmed: bool,
}

/// How the browser's wish ended.
#[derive(Debug)]
pub enum Opened {
    SignedIn(Box<SignedIn>),
    /// Somebody else is signed in here; nothing was consumed.
    Ask {
        offered: Box<Account>,
        current: Box<Account>,
    },
}

/// A credential found good: whose it is, and its digest where it may be used once only.
struct Offer {
    account_id: String,
    once: Option<([u8; 32], i64)>,
    /// When it was given out, in seconds, unless a session vouches for it.
    issued_at: Option<i64>,
    /// The session whose token it is.
    session: Option<Session>,
    event: &'static str,
}

impl Identity {
    pub async fn open_browser(&self, cx: &Cx, command: OpenBrowser) -> Result<Opened> {
        self.open_by_credential(cx, command)
            .await
            .map_err(|error| self.bad_token(cx, error))
    }

    async fn open_by_credential(&self, cx: &Cx, command: OpenBrowser) -> Result<Opened> {
        let offer = match &command.credential {
            BrowserCredential::LoginToken(token) => match self.read_login_token(cx, token) {
                Err(_) if self.learn_key(cx, token).await? => self.read_login_token(cx, token)?,
                offer => offer?,
            },
            BrowserCredential::AccessToken { token, roles } => {
                self.read_access_offer(cx, token, roles).await?
            }
        };
        let offered = self.offered_account(cx, &offer).await?;
        match command.current {
            Some(current) if current.account.id != offered.id && !command.confirmed => {
                Ok(Opened::Ask {
                    offered: Box::new(offered),
                    current: Box::new(current.account.clone()),
                })
            }
            _ => {
                let signed_in = self.start_browser(cx, offer).await?;
                Ok(Opened::SignedIn(Box::new(signed_in)))
            }
        }
    }

    /// A login token of this tenant and dialect, in time. Whether it was used is asked later.
    fn read_login_token(&self, cx: &Cx, token: &SecretString) -> Result<Offer> {
        let refuse = || Error::new(Kind::InvalidLoginToken);
        let jws = Jws::parse(token.expose_secret()).map_err(|_| refuse())?;
        if jws.typ() != Some("JWT") {
            return Err(refuse());
        }
        let key = jws
            .kid()
            .and_then(|kid| self.verifying_key(&cx.tenant, Purpose::Login, kid))
            .ok_or_else(refuse)?;
        let claims = jws.verify(&key).map_err(|_| refuse())?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).ok_or_else(refuse);
        let times = check_times(&claims, cx.now.secs(), 0).map_err(|error| match error {
            JwsError::Expired => Error::new(Kind::ExpiredLoginToken),
            _ => refuse(),
        })?;
        // The key signs login tokens of this tenant only, so the names in the token are ours; a mount that was
        // renamed since must still not take them.
        if text("iss")? != text("sub")? || !self.is_login_issuer(cx, text("iss")?) {
            return Err(refuse());
        }
        let once = (cx.tenant.file.login_token.usage == LoginTokenUse::Once)
            .then(|| (jws.signing_digest(), times.exp));
        Ok(Offer {
            account_id: text("uid")?.to_owned(),
            once,
            issued_at: times.iat,
            session: None,
            event: "sign_in.login_token",
        })
    }

    fn is_login_issuer(&self, cx: &Cx, issuer: &str) -> bool {
        session::login_issuer(&cx.tenant, cx.surface()) == issuer
    }

    async fn read_access_offer(
        &self,
        cx: &Cx,
        token: &SecretString,
        roles: &[String],
    ) -> Result<Offer> {
        let who = match self.authenticate_dialect(cx, token).await {
            Ok(who) => who,
            Err(error) if error.kind == Kind::Unauthorized => {
                return Err(Kind::InvalidLoginToken.into());
            }
            Err(error) => return Err(error),
        };
        if !roles.contains(&who.account.role) {
            return Err(Kind::WrongRole.into());
        }
        Ok(Offer {
            account_id: who.account.id.clone(),
            once: None,
            issued_at: None,
            session: Some(who.session.clone()),
            event: "sign_in.access_token",
        })
    }

    /// The account, provided that the token was not used up. Changes nothing.
    async fn offered_account(&self, cx: &Cx, offer: &Offer) -> Result<Account> {
        let (cx, id, once) = (cx.clone(), offer.account_id.clone(), offer.once);
        let issued_at = offer.issued_at;
        self.db()
            .read(move |tx| {
                in_force(tx, &cx, &id, issued_at)?;
                if let Some((digest, _)) = once
                    && store::find(tx, &cx, &digest)?
                        .is_some_and(|used| !cx.now.is_within(REPEAT, used.at))
                {
                    return Err(used_up());
                }
                let account =
                    account::store::by_id(tx, &cx.tenant.id, &id)?.filter(Account::is_active);
                account.ok_or_else(|| Kind::InvalidLoginToken.into())
            })
            .await
    }

    /// Consumes the token and starts the session; within a minute the same link leads into the same session.
    async fn start_browser(&self, cx: &Cx, offer: Offer) -> Result<SignedIn> {
        let new = NewSession::draw(self, cx, SessionKind::Browser);
        let new = match &offer.session {
            Some(session) => new.going_on(session),
            None => new,
        };
        let cx = cx.clone();
        self.db()
            .write(move |tx| {
                let id = &offer.account_id;
                let asking = offer.session.as_ref().map(|session| &*session.id);
                session::store::hold_live(tx, &cx, id, asking).map_err(refused)?;
                in_force(tx, &cx, id, offer.issued_at)?;
                if let Some((digest, exp)) = offer.once
                    && !store::consume(tx, &cx, &digest, &new.id, exp)?
                {
                    return again(tx, &cx, &digest);
                }
                let signed_in = session::store::start(tx, &cx, id, &new).map_err(refused)?;
                audit::record(tx, &cx, audit::Entry::done(offer.event).account(id))?;
                Ok(signed_in)
            })
            .await
    }
}

/// Whoever ends all sessions means those too that a token in somebody's hands would open.
fn in_force(tx: &mut Tx<'_>, cx: &Cx, account: &str, issued_at: Option<i64>) -> Result<()> {
    let Some(issued_at) = issued_at else {
        return Ok(());
    };
    let ended = account::store::signed_out_at(tx, &cx.tenant.id, account)?;
    match ended.is_some_and(|ended| issued_at < ended.secs()) {
        true => Err(Error::new(Kind::InvalidLoginToken).because("signed_out", 0)),
        false => Ok(()),
    }
}

fn again(tx: &mut Tx<'_>, cx: &Cx, digest: &[u8; 32]) -> Result<SignedIn> {
    let used = store::find(tx, cx, digest)?.filter(|used| cx.now.is_within(REPEAT, used.at));
    let session = match used {
        Some(used) => session::store::resume(tx, cx, &used.session_id)?,
        None => None,
    };
    session.ok_or_else(used_up)
}

/// A session or an account that has ended meanwhile is a token that is no good; a database that fails is not.
fn refused(error: Error) -> Error {
    match error.kind {
        Kind::InvalidCredentials | Kind::Unauthorized => Kind::InvalidLoginToken.into(),
        _ => error,
    }
}

fn used_up() -> Error {
    Error::with_detail(
        Kind::InvalidLoginToken,
        "This sign-in link was used already.",
    )
    .because("used", 0)
}
