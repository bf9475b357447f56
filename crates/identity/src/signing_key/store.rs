//! Rows of `signing_key`.

use vestibule_crypto::Algorithm;
use vestibule_db::{Row, Tx, params};

use super::{KeyView, NewKey, Purpose};
use crate::error::Result;
use crate::ports::Micros;

/// A key as stored.
pub(crate) struct KeyRow {
    pub(crate) kid: String,
    pub(crate) purpose: Purpose,
    pub(crate) algorithm: Algorithm,
    pub(crate) sealed: Vec<u8>,
    pub(crate) public_jwk: String,
    pub(crate) current: bool,
}

fn key(row: &Row) -> Result<Option<KeyRow>, vestibule_db::Error> {
    let (purpose, algorithm): (String, String) = (row.get(1)?, row.get(2)?);
    let purpose = Purpose::ALL
        .into_iter()
        .find(|known| known.name() == purpose);
    Ok(match (purpose, algorithm.parse().ok()) {
        (Some(purpose), Some(algorithm)) => Some(KeyRow {
            kid: row.get(0)?,
            purpose,
            algorithm,
            sealed: row.get(3)?,
            public_jwk: row.get(4)?,
            current: row.get::<Option<i64>>(5)?.is_none(),
        }),
        // A newer binary's purpose or algorithm: not for us.
        _ => None,
    })
}

/// The current keys and those retired after `oldest`.
pub(crate) fn keys(tx: &mut Tx<'_>, tenant: &str, oldest: Micros) -> Result<Vec<KeyRow>> {
    let rows = tx.all(
        "SELECT kid, purpose, algorithm, private_sealed, public_jwk, retired_at
         FROM signing_key WHERE tenant_id = $1 AND (retired_at IS NULL OR retired_at > $2) ORDER BY created_at, kid",
        &params![tenant, oldest],
        key,
    )?;
    Ok(rows.into_iter().flatten().collect())
}

pub(crate) fn list(tx: &mut Tx<'_>, tenant: &str, oldest: Micros) -> Result<Vec<KeyView>> {
    Ok(tx.all(
        "SELECT kid, algorithm, purpose, retired_at, created_at
         FROM signing_key WHERE tenant_id = $1 AND (retired_at IS NULL OR retired_at > $2) ORDER BY created_at, kid",
        &params![tenant, oldest],
        |row| {
            let retired_at: Option<Micros> = row.get(3)?;
            let state = if retired_at.is_none() { "current" } else { "retired" };
            Ok(KeyView { kid: row.get(0)?, algorithm: row.get(1)?, purpose: row.get(2)?, state, retired_at, created_at: row.get(4)? })
        },
    )?)
}

/// Adds the current key of its purpose and algorithm, unless there is one.
pub(crate) fn insert_current(
    tx: &mut Tx<'_>,
    tenant: &str,
    new: &NewKey,
    now: Micros,
) -> Result<()> {
    tx.exec(
        "INSERT INTO signing_key (tenant_id, kid, purpose, algorithm, private_sealed, public_jwk, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant_id, purpose, algorithm) WHERE retired_at IS NULL DO NOTHING",
        &params![tenant, new.key.kid(), new.purpose.name(), new.key.algorithm().as_str(), new.sealed.clone(), &new.public_jwk, now],
    )?;
    Ok(())
}

pub(crate) fn retire(
    tx: &mut Tx<'_>,
    tenant: &str,
    purpose: Purpose,
    algorithm: Algorithm,
    now: Micros,
) -> Result<()> {
    tx.exec(
        "UPDATE signing_key SET retired_at = $4 WHERE tenant_id = $1 AND purpose = $2 AND algorithm = $3 AND retired_at IS NULL",
        &params![tenant, purpose.name(), algorithm.as_str(), now],
    )?;
    Ok(())
}
