//! Rows of `signing_key`.

use std::collections::HashMap;

use vestibule_crypto::Algorithm;
use vestibule_db::{Row, Tx, params};

use super::{NewKey, Place, Purpose};
use crate::error::Result;
use crate::ports::Micros;

/// A key as stored.
pub(crate) struct KeyRow {
    pub(crate) kid: String,
    pub(crate) purpose: Purpose,
    pub(crate) algorithm: Algorithm,
    pub(crate) sealed: Vec<u8>,
    pub(crate) public_jwk: String,
    pub(crate) created_at: Micros,
    /// When it begins to sign.
    pub(crate) activates_at: Micros,
    pub(crate) retired_at: Option<Micros>,
    pub(crate) revoked_at: Option<Micros>,
}

impl KeyRow {
    pub(crate) fn place(&self) -> Place {
        (self.purpose, self.algorithm)
    }

    pub(crate) fn mark(&self) -> Mark {
        (self.kid.clone(), self.activates_at, self.retired_at)
    }
}

/// What tells whether a key in memory is as it is in the database.
pub(crate) type Mark = (String, Micros, Option<Micros>);

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
            created_at: row.get(5)?,
            activates_at: row.get(6)?,
            retired_at: row.get(7)?,
            revoked_at: row.get(8)?,
        }),
        // A newer binary's purpose or algorithm: not for us.
        _ => None,
    })
}

/// The keys in use and those retired or revoked after `oldest`, in the order in which they sign.
pub(crate) fn all_keys(tx: &mut Tx<'_>, tenant: &str, oldest: Micros) -> Result<Vec<KeyRow>> {
    let rows = tx.all(
        "SELECT kid, purpose, algorithm, private_sealed, public_jwk, created_at, coalesce(activates_at, created_at), retired_at, revoked_at
         FROM signing_key
         WHERE tenant_id = $1 AND (retired_at IS NULL OR retired_at > $2 OR revoked_at > $2)
         ORDER BY coalesce(activates_at, created_at), CASE WHEN retired_at IS NULL THEN 1 ELSE 0 END, created_at, kid",
        &params![tenant, oldest],
        key,
    )?;
    Ok(rows.into_iter().flatten().collect())
}

/// Those of them whose signatures count.
pub(crate) fn keys(tx: &mut Tx<'_>, tenant: &str, oldest: Micros) -> Result<Vec<KeyRow>> {
    let mut rows = all_keys(tx, tenant, oldest)?;
    rows.retain(|row| row.revoked_at.is_none());
    Ok(rows)
}

/// The marks of all tenants' keys whose signatures count, in no order.
pub(crate) fn marks(tx: &mut Tx<'_>, oldest: Micros) -> Result<HashMap<String, Vec<Mark>>> {
    let rows = tx.all(
        "SELECT tenant_id, kid, coalesce(activates_at, created_at), retired_at
         FROM signing_key WHERE revoked_at IS NULL AND (retired_at IS NULL OR retired_at > $1)",
        &params![oldest],
        |row| {
            Ok((
                row.get::<String>(0)?,
                (row.get(1)?, row.get(2)?, row.get(3)?),
            ))
        },
    )?;
    let mut marks: HashMap<String, Vec<Mark>> = HashMap::new();
    for (tenant, mark) in rows {
        marks.entry(tenant).or_default().push(mark);
    }
    Ok(marks)
}

/// The tenants that have a newest key which began to sign at `since` or before, the longest signing first.
pub(crate) fn signing_since(tx: &mut Tx<'_>, since: Micros, limit: i64) -> Result<Vec<String>> {
    Ok(tx.all(
        "SELECT tenant_id FROM signing_key WHERE retired_at IS NULL AND coalesce(activates_at, created_at) <= $1
         GROUP BY tenant_id ORDER BY min(coalesce(activates_at, created_at)), tenant_id LIMIT $2",
        &params![since, limit],
        |row| row.get(0),
    )?)
}

/// Adds the newest key of its purpose and algorithm, unless there is one that is not retired.
pub(crate) fn insert(
    tx: &mut Tx<'_>,
    tenant: &str,
    new: &NewKey,
    now: Micros,
    activates_at: Micros,
) -> Result<()> {
    tx.exec(
        "INSERT INTO signing_key (tenant_id, kid, purpose, algorithm, private_sealed, public_jwk, created_at, activates_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (tenant_id, purpose, algorithm) WHERE retired_at IS NULL DO NOTHING",
        &params![tenant, new.key.kid(), new.purpose.name(), new.key.algorithm().as_str(), new.sealed.clone(), &new.public_jwk, now, activates_at],
    )?;
    Ok(())
}

/// From when on a key is one of the past; `None`: it is not.
pub(crate) fn retire(tx: &mut Tx<'_>, tenant: &str, kid: &str, at: Option<Micros>) -> Result<()> {
    tx.exec(
        "UPDATE signing_key SET retired_at = $3 WHERE tenant_id = $1 AND kid = $2 AND revoked_at IS NULL",
        &params![tenant, kid, at],
    )?;
    Ok(())
}

pub(crate) fn activate(tx: &mut Tx<'_>, tenant: &str, kid: &str, at: Micros) -> Result<()> {
    tx.exec(
        "UPDATE signing_key SET activates_at = $3 WHERE tenant_id = $1 AND kid = $2 AND revoked_at IS NULL",
        &params![tenant, kid, at],
    )?;
    Ok(())
}

/// Ends a key and wipes its private half; false if there is none such, or it is revoked already.
pub(crate) fn revoke(tx: &mut Tx<'_>, tenant: &str, kid: &str, now: Micros) -> Result<bool> {
    let changed = tx.exec(
        "UPDATE signing_key SET revoked_at = $3, retired_at = 0, private_sealed = $4
         WHERE tenant_id = $1 AND kid = $2 AND revoked_at IS NULL",
        &params![tenant, kid, now, Vec::<u8>::new()],
    )?;
    Ok(changed == 1)
}
