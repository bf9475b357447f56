//! Refresh: one conditional step from a token's generation to the next.

use secrecy::SecretString;
use vestibule_db::Tx;

use super::rules::{Turn, advance, turn};
use super::tokens::NamedSession;
use super::{EndReason, SignedIn, store};
use crate::context::Cx;
use crate::error::{Error, Kind, Result};
use crate::{Identity, audit};

/// A refresh token, or, with `rotate`, an access token standing in for one (also after its expiry).
#[derive(Debug)]
pub struct Refresh {
    pub token: SecretString,
    /// Whether the answer has a place for a new refresh token. Without, the generation stays.
    pub rotate: bool,
}

/// So often a refresh looks again because another one was faster.
const LOOKS: usize = 3;

/// What the session's row says of the token.
enum Outcome {
    Fresh(Box<SignedIn>),
    /// Somebody kept a copy of what was renewed since.
    Replayed {
        account: String,
        session: String,
    },
    Refused,
    /// Another refresh came between.
    Overtaken,
}

impl Identity {
    pub async fn refresh(&self, cx: &Cx, command: Refresh) -> Result<SignedIn> {
        self.next_generation(cx, command)
            .await
            .map_err(|error| self.bad_token(cx, error))
    }

    async fn next_generation(&self, cx: &Cx, command: Refresh) -> Result<SignedIn> {
        let mut named = self.names_session(cx, &command.token, command.rotate);
        if named.is_err() && self.learn_key(cx, &command.token).await? {
            named = self.names_session(cx, &command.token, command.rotate);
        }
        let (named, turning, rotate) = (named?, cx.clone(), command.rotate);
        let look = move |tx: &mut Tx<'_>| {
            for _ in 0..LOOKS {
                match turn_over(tx, &turning, &named, rotate)? {
                    Outcome::Overtaken => {}
                    outcome => return Ok(outcome),
                }
            }
            Ok::<_, Error>(Outcome::Refused)
        };
        let outcome = match rotate {
            true => self.db().write(look).await?,
            false => self.db().read_one(look).await?,
        };
        match outcome {
            Outcome::Fresh(signed_in) => {
                self.note_use(cx, &signed_in.session).await;
                return Ok(*signed_in);
            }
            Outcome::Replayed { account, session } => {
                self.end_replayed(cx, account, session).await?;
            }
            Outcome::Refused | Outcome::Overtaken => {}
        }
        Err(Kind::InvalidRefreshToken.into())
    }

    /// By itself: a refresh holds its session only, and whoever ends one holds the account before.
    async fn end_replayed(&self, cx: &Cx, account: String, session: String) -> Result<()> {
        let cx = cx.clone();
        self.db()
            .write(move |tx| {
                store::hold_live(tx, &cx, &account, None)?;
                if !store::end_one(tx, &cx, &account, &session, EndReason::Replay)? {
                    return Ok(());
                }
                let entry = audit::Entry::refused("session.refresh", Kind::InvalidRefreshToken);
                let entry = entry.account(&account).target(&session);
                audit::record(tx, &cx, entry.reason(EndReason::Replay.name()))
            })
            .await
    }
}

/// One look, and one write if the generation turns. PostgreSQL would look up a row's account at a second write, and wait for
/// whoever holds that one and wants this session.
fn turn_over(tx: &mut Tx<'_>, cx: &Cx, named: &NamedSession, rotate: bool) -> Result<Outcome> {
    let found = store::turning(tx, cx, &named.session_id)?;
    let Some((mut signed_in, row)) = found.filter(|(found, _)| {
        found.session.dialect == cx.surface() && named.is_of(&found.account.id)
    }) else {
        return Ok(Outcome::Refused);
    };
    let session = &mut signed_in.session;
    match turn(&row, named.generation, cx.now) {
        Turn::Replay => {
            return Ok(Outcome::Replayed {
                account: session.account_id.clone(),
                session: session.id.clone(),
            });
        }
        Turn::Next if rotate => {
            let next = advance(&row, cx.now);
            if !store::set_generations(tx, cx, &session.id, &row, &next)? {
                return Ok(Outcome::Overtaken);
            }
            session.generation = next.current;
            session.last_seen_at = cx.now;
        }
        Turn::Next | Turn::Again => session.generation = row.current,
    }
    Ok(Outcome::Fresh(Box::new(signed_in)))
}
