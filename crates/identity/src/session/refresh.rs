//! Refresh: one conditional step from a token's generation to the next.

use secrecy::SecretString;

use super::rules::{Turn, advance, turn};
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

/// How the transaction ended; a replay must be committed before it is refused.
enum Outcome {
    Fresh(Box<SignedIn>),
    Refused(Kind),
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
        let named = named?;
        let (cx, rotate) = (cx.clone(), command.rotate);
        let outcome = self
            .db()
            .write(move |tx| {
                let refused = Ok::<_, Error>(Outcome::Refused(Kind::InvalidRefreshToken));
                let held = store::hold(tx, &cx, &named.session_id)?;
                let Some((mut signed_in, row)) = held.filter(|(found, _)| {
                    found.session.dialect == cx.surface() && named.is_of(&found.account.id)
                }) else {
                    return refused;
                };
                let session = &mut signed_in.session;
                match turn(&row, named.generation, cx.now) {
                    Turn::Replay => {
                        let account = &session.account_id;
                        store::end_one(tx, &cx, account, &session.id, EndReason::Replay)?;
                        let entry =
                            audit::Entry::refused("session.refresh", Kind::InvalidRefreshToken);
                        audit::record(
                            tx,
                            &cx,
                            entry
                                .account(account)
                                .target(&session.id)
                                .reason(EndReason::Replay.name()),
                        )?;
                        return refused;
                    }
                    Turn::Next if rotate => {
                        let next = advance(&row, cx.now);
                        if !store::set_generations(tx, &cx, &session.id, &row, &next)? {
                            return refused;
                        }
                        session.generation = next.current;
                    }
                    Turn::Next | Turn::Again => session.generation = row.current,
                }
                Ok(Outcome::Fresh(Box::new(signed_in)))
            })
            .await?;
        match outcome {
            Outcome::Fresh(signed_in) => Ok(*signed_in),
            Outcome::Refused(kind) => Err(kind.into()),
        }
    }
}
