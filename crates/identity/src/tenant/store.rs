//! Rows of `tenant`, `tenant_domain` and `catalog`.

use std::collections::HashMap;

use vestibule_db::{Tx, params};

use super::{Picture, TenantFile};
use crate::error::Result;
use crate::ports::Micros;

/// A tenant as stored; `settings` is a `TenantFile` in JSON.
#[derive(Clone, Debug)]
pub(crate) struct TenantRow {
    pub(crate) id: String,
    pub(crate) number: i64,
    pub(crate) settings: String,
}

fn tenant(row: &vestibule_db::Row) -> Result<TenantRow, vestibule_db::Error> {
    Ok(TenantRow {
        id: row.get(0)?,
        number: row.get(1)?,
        settings: row.get(2)?,
    })
}

/// What tells whether a tenant or its keys have changed: the time of the last change, which never stays the same.
pub(crate) fn marks(tx: &mut Tx<'_>) -> Result<HashMap<String, Micros>> {
    let marks = tx.all("SELECT id, updated_at FROM tenant", &params![], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(marks.into_iter().collect())
}

pub(crate) fn all(tx: &mut Tx<'_>) -> Result<Vec<TenantRow>> {
    Ok(tx.all(
        "SELECT id, number, settings FROM tenant",
        &params![],
        tenant,
    )?)
}

pub(crate) fn by_id(tx: &mut Tx<'_>, id: &str) -> Result<Option<TenantRow>> {
    Ok(tx.opt(
        "SELECT id, number, settings FROM tenant WHERE id = $1",
        &params![id],
        tenant,
    )?)
}

pub(crate) fn by_slug(tx: &mut Tx<'_>, slug: &str) -> Result<Option<TenantRow>> {
    Ok(tx.opt(
        "SELECT id, number, settings FROM tenant WHERE slug = $1",
        &params![slug],
        tenant,
    )?)
}

/// The number that every change of a tenant, domain or signing key moves on.
pub(crate) fn catalog_version(tx: &mut Tx<'_>) -> Result<i64> {
    Ok(tx.one(
        "SELECT version FROM catalog WHERE id = 1",
        &params![],
        |row| row.get(0),
    )?)
}

/// Says that a tenant, its domains or its signing keys are changed: marks the tenant, moves the number on, and tells the
/// other nodes. Whoever else changes the same tenant waits from here on. Once in a transaction, for one tenant.
pub(crate) fn bump_catalog(tx: &mut Tx<'_>, tenant: &str, now: Micros) -> Result<()> {
    // The tenant first, everywhere: else two could wait for each other.
    tx.exec(
        "UPDATE tenant SET updated_at = CASE WHEN updated_at < $2 THEN $2 ELSE updated_at + 1 END WHERE id = $1",
        &params![tenant, now],
    )?;
    bump_unmarked(tx)
}

/// The same without saying which tenants are changed: everything is compared.
pub(crate) fn bump_unmarked(tx: &mut Tx<'_>) -> Result<()> {
    tx.exec(
        "UPDATE catalog SET version = version + 1 WHERE id = 1",
        &params![],
    )?;
    Ok(tx.announce()?)
}

/// Adds a tenant under the next number, which it answers.
pub(crate) fn insert(
    tx: &mut Tx<'_>,
    id: &str,
    file: &TenantFile,
    settings: &str,
    now: Micros,
) -> Result<i64> {
    let number: i64 = tx.one(
        "UPDATE catalog SET next_tenant_number = next_tenant_number + 1 WHERE id = 1 RETURNING next_tenant_number - 1",
        &params![],
        |row| row.get(0),
    )?;
    tx.exec(
        "INSERT INTO tenant (id, number, slug, settings, next_account_number, created_at, updated_at) VALUES ($1, $2, $3, $4, 1, $5, $5)",
        &params![id, number, &file.slug, settings, now],
    )?;
    Ok(number)
}

pub(crate) fn update(tx: &mut Tx<'_>, id: &str, settings: &str) -> Result<()> {
    tx.exec(
        "UPDATE tenant SET settings = $2 WHERE id = $1",
        &params![id, settings],
    )?;
    Ok(())
}

pub(crate) fn delete(tx: &mut Tx<'_>, id: &str) -> Result<bool> {
    tx.changed(id);
    Ok(tx.exec("DELETE FROM tenant WHERE id = $1", &params![id])? == 1)
}

pub(crate) fn drop_domains(tx: &mut Tx<'_>, tenant: &str) -> Result<()> {
    tx.exec(
        "DELETE FROM tenant_domain WHERE tenant_id = $1",
        &params![tenant],
    )?;
    Ok(())
}

pub(crate) fn domain_owner(tx: &mut Tx<'_>, domain: &str) -> Result<Option<String>> {
    Ok(tx.opt(
        "SELECT tenant_id FROM tenant_domain WHERE domain = $1",
        &params![domain],
        |row| row.get(0),
    )?)
}

/// Claims a domain for the tenant; `false` when another tenant has it.
pub(crate) fn claim_domain(tx: &mut Tx<'_>, tenant: &str, domain: &str) -> Result<bool> {
    tx.exec("INSERT INTO tenant_domain (domain, tenant_id) VALUES ($1, $2) ON CONFLICT (domain) DO NOTHING", &params![domain, tenant])?;
    Ok(domain_owner(tx, domain)?.as_deref() == Some(tenant))
}

/// Keeps the tenant's picture of that name, and no other.
pub(crate) fn keep_picture(tx: &mut Tx<'_>, tenant: &str, picture: &Picture) -> Result<()> {
    tx.exec(
        "INSERT INTO tenant_picture (tenant_id, name, content) VALUES ($1, $2, $3) ON CONFLICT (tenant_id, name) DO NOTHING",
        &params![tenant, picture.name(), picture.bytes()],
    )?;
    Ok(())
}

/// Removes the tenant's pictures but the one that is named.
pub(crate) fn drop_pictures(tx: &mut Tx<'_>, tenant: &str, but: &str) -> Result<()> {
    tx.exec(
        "DELETE FROM tenant_picture WHERE tenant_id = $1 AND name <> $2",
        &params![tenant, but],
    )?;
    Ok(())
}

pub(crate) fn picture(tx: &mut Tx<'_>, tenant: &str, name: &str) -> Result<Option<Vec<u8>>> {
    Ok(tx.opt(
        "SELECT content FROM tenant_picture WHERE tenant_id = $1 AND name = $2",
        &params![tenant, name],
        |row| row.get(0),
    )?)
}

/// The sealed value that only the database's own secret key opens; `None` before the first start.
pub(crate) fn kept_key_check(tx: &mut Tx<'_>) -> Result<Option<Vec<u8>>> {
    Ok(tx.one(
        "SELECT key_check FROM catalog WHERE id = 1",
        &params![],
        |row| row.get(0),
    )?)
}

/// Keeps the first check value; answers the one that is kept.
pub(crate) fn keep_key_check(tx: &mut Tx<'_>, sealed: &[u8]) -> Result<Option<Vec<u8>>> {
    tx.exec(
        "UPDATE catalog SET key_check = $1 WHERE id = 1 AND key_check IS NULL",
        &params![sealed],
    )?;
    kept_key_check(tx)
}
