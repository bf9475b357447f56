//! What an operator does with keys: list, rotate, revoke.

use std::collections::HashMap;

use vestibule_db::Tx;

use super::store::{self, KeyRow};
use super::{KEEP_RETIRED, KeyView, NewKey, PUBLISHED_BEFORE, Place};
use crate::context::Cx;
use crate::error::{Error, Kind, Result};
use crate::ports::Micros;
use crate::tenant::store::bump_catalog;
use crate::{Identity, audit};

impl Identity {
    pub async fn signing_keys(&self, cx: &Cx) -> Result<Vec<KeyView>> {
        let rows = self.stored_keys(cx).await?;
        let view = |row: &KeyRow| KeyView {
            kid: row.kid.clone(),
            algorithm: row.algorithm.as_str().to_owned(),
            purpose: row.purpose.name().to_owned(),
            state: state(&rows, row, cx.now),
            created_at: row.created_at,
            activates_at: row.activates_at,
        };
        Ok(rows.iter().map(view).collect())
    }

    async fn stored_keys(&self, cx: &Cx) -> Result<Vec<KeyRow>> {
        let (tenant, oldest) = (cx.tenant.id.clone(), cx.now - KEEP_RETIRED);
        self.db()
            .read(move |tx| store::all_keys(tx, &tenant, oldest))
            .await
    }

    /// Has every current key followed by a new one: at once, or once the new one has been published for long enough.
    /// Where one is waiting already it stays the next; only its waiting can be ended. Old keys verify on, so nobody is
    /// signed out.
    pub async fn rotate_signing_keys(&self, cx: &Cx, at_once: bool) -> Result<Vec<KeyView>> {
        self.turn_keys(cx, Turn::wanted(cx.now, at_once)).await?;
        self.signing_keys(cx).await
    }

    /// Answers whether this call made any key follow another: somebody else may have been faster.
    pub(super) async fn turn_keys(&self, cx: &Cx, turn: Turn) -> Result<bool> {
        let rows = self.stored_keys(cx).await?;
        let mut fresh = HashMap::new();
        for row in rows.iter().filter(|row| turn.takes(row, cx.now)) {
            if row.activates_at <= cx.now {
                let new = self
                    .generate_key(&cx.tenant.id, row.purpose, row.algorithm)
                    .await?;
                fresh.insert(row.place(), new);
            }
        }
        let writing = cx.clone();
        let turned = self
            .db()
            .write(move |tx| {
                // Whoever else changes keys waits here; what follows is what they left.
                bump_catalog(tx, &writing.tenant.id, writing.now)?;
                if rotate(tx, &writing, &fresh, turn)? == 0 {
                    return Ok(false);
                }
                let entry = audit::Entry::done("signing_key.rotated").actor("operator");
                audit::record(tx, &writing, entry.maybe_reason(turn.reason))?;
                Ok::<_, Error>(true)
            })
            .await?;
        self.load_ring(&cx.tenant.id).await?;
        Ok(turned)
    }

    /// Ends a key whose private half others may know: from now on nothing that it signed counts, on every node. Another
    /// key signs at once. [`Kind::NotFound`] for an unknown or revoked one.
    pub async fn revoke_signing_key(&self, cx: &Cx, kid: &str) -> Result<Vec<KeyView>> {
        let unknown = || Error::with_detail(Kind::NotFound, format!("No signing key `{kid}`."));
        let rows = self.stored_keys(cx).await?;
        let row = rows.iter().find(|row| row.kid == kid).ok_or_else(unknown)?;
        let spare = self
            .generate_key(&cx.tenant.id, row.purpose, row.algorithm)
            .await?;
        let (writing, gone) = (cx.clone(), kid.to_owned());
        let revoked = self
            .db()
            .write(move |tx| {
                bump_catalog(tx, &writing.tenant.id, writing.now)?;
                if !revoke(tx, &writing, &gone, &spare)? {
                    return Ok(false);
                }
                let entry = audit::Entry::done("signing_key.revoked").actor("operator");
                audit::record(tx, &writing, entry.target(&gone))?;
                Ok::<_, Error>(true)
            })
            .await?;
        if !revoked {
            return Err(unknown());
        }
        self.load_ring(&cx.tenant.id).await?;
        self.signing_keys(cx).await
    }
}

/// Which keys are to be followed, how soon, and why.
#[derive(Clone, Copy)]
pub(super) struct Turn {
    /// Those that began to sign then or before.
    signing_since: Micros,
    /// Without having been published for a while.
    at_once: bool,
    reason: Option<&'static str>,
}

impl Turn {
    /// All of them: somebody said so.
    fn wanted(now: Micros, at_once: bool) -> Turn {
        Turn {
            signing_since: now,
            at_once,
            reason: None,
        }
    }

    /// Those that have signed for long.
    pub(super) fn aged(signing_since: Micros) -> Turn {
        Turn {
            signing_since,
            at_once: false,
            reason: Some("age"),
        }
    }

    /// Of keys of one place the newest alone counts.
    fn takes(&self, newest: &KeyRow, now: Micros) -> bool {
        newest.retired_at.is_none()
            && match newest.activates_at > now {
                true => self.at_once,
                false => newest.activates_at <= self.signing_since,
            }
    }
}

/// Answers how many keys follow others.
fn rotate(tx: &mut Tx<'_>, cx: &Cx, fresh: &HashMap<Place, NewKey>, turn: Turn) -> Result<usize> {
    let (tenant, now) = (&*cx.tenant.id, cx.now);
    let from = match turn.at_once {
        true => now,
        false => now + PUBLISHED_BEFORE,
    };
    let rows = store::keys(tx, tenant, now - KEEP_RETIRED)?;
    let mut rotated = 0;
    for newest in rows.iter().filter(|row| turn.takes(row, now)) {
        if newest.activates_at > now {
            put_in_force(tx, cx, &rows, newest)?;
            rotated += 1;
        } else if let Some(new) = fresh.get(&newest.place()) {
            store::retire(tx, tenant, &newest.kid, Some(from))?;
            store::insert(tx, tenant, new, now, from)?;
            rotated += 1;
        }
    }
    Ok(rotated)
}

/// Has a waiting key sign from now on.
fn put_in_force(tx: &mut Tx<'_>, cx: &Cx, rows: &[KeyRow], next: &KeyRow) -> Result<()> {
    let (tenant, now) = (&*cx.tenant.id, cx.now);
    if let Some(signer) = signer(rows, next.place(), now) {
        store::retire(tx, tenant, &signer.kid, Some(now))?;
    }
    store::activate(tx, tenant, &next.kid, now)
}

/// Revokes a key and sees to who signs instead; false if there is none such.
fn revoke(tx: &mut Tx<'_>, cx: &Cx, kid: &str, spare: &NewKey) -> Result<bool> {
    let (tenant, now) = (&*cx.tenant.id, cx.now);
    let rows = store::keys(tx, tenant, now - KEEP_RETIRED)?;
    let Some(gone) = rows.iter().find(|row| row.kid == kid) else {
        return Ok(false);
    };
    let signs = signer(&rows, gone.place(), now).map(|row| &row.kid);
    let next = rows
        .iter()
        .find(|row| row.place() == gone.place() && row.activates_at > now);
    if !store::revoke(tx, tenant, kid, now)? {
        return Ok(false);
    }
    match next {
        // The one in force stays so.
        Some(next) if next.kid == kid => {
            if let Some(signs) = signs {
                store::retire(tx, tenant, signs, None)?;
            }
        }
        Some(next) if signs == Some(&gone.kid) => store::activate(tx, tenant, &next.kid, now)?,
        None if signs == Some(&gone.kid) => store::insert(tx, tenant, spare, now, now)?,
        _ => {}
    }
    Ok(true)
}

/// Of keys in the order in which they sign, the one that does so now.
fn signer(rows: &[KeyRow], place: Place, now: Micros) -> Option<&KeyRow> {
    let in_force =
        |row: &&KeyRow| row.revoked_at.is_none() && row.place() == place && row.activates_at <= now;
    rows.iter().rev().find(in_force)
}

fn state(rows: &[KeyRow], row: &KeyRow, now: Micros) -> &'static str {
    if row.revoked_at.is_some() {
        "revoked"
    } else if row.activates_at > now {
        "next"
    } else if signer(rows, row.place(), now).is_some_and(|signer| signer.kid == row.kid) {
        "current"
    } else {
        "retired"
    }
}
