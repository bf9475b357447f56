//! Fills a SQLite database with accounts in the thousands and millions, as an import would leave them.

use std::path::Path;

use anyhow::{Context, Result, bail};
use rusqlite::{Connection, params};

/// Reads `100k`, `10M` or plain digits.
pub fn count(text: &str) -> Result<i64, String> {
    let (digits, unit) = match text.chars().last() {
        Some('k' | 'K') => (&text[..text.len() - 1], 1_000),
        Some('m' | 'M') => (&text[..text.len() - 1], 1_000_000),
        _ => (text, 1),
    };
    let number = digits.parse::<i64>().ok().map(|number| number * unit);
    number
        .filter(|number| *number >= 1_000)
        .ok_or_else(|| format!("`{text}` is not a count such as 100k or 10M"))
}

/// Host of a filled tenant.
pub fn host(tenant: i64) -> String {
    format!("t{tenant}.bench.test")
}

/// Address of a filled account.
pub fn email(tenant: i64, account: i64) -> String {
    format!("person{account}@{}", host(tenant))
}

/// Everybody's password.
pub const PASSWORD: &str = "correct horse 0 battery";

/// When they were made, in microseconds: as wide in the file as any time of these years.
const MADE: i64 = 1_790_000_000_000_000;

/// Adds tenants, each like the one of slug `bench`, and a thousand accounts to each, all with the password of
/// `person0@bench.test`. The server must not run. `told` gets the accounts done.
pub fn fill(file: &Path, accounts: i64, mut told: impl FnMut(i64)) -> Result<()> {
    let mut database = Connection::open(file)?;
    database.pragma_update(None, "cache_size", -262_144)?;
    let (settings, phc): (String, String) = database.query_row(
        "SELECT tenant.settings, password.phc FROM tenant
         JOIN account ON account.tenant_id = tenant.id AND account.email_canonical = 'person0@bench.test'
         JOIN password ON password.tenant_id = tenant.id AND password.account_id = account.id WHERE tenant.slug = 'bench'",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let settings: serde_json::Value = serde_json::from_str(&settings)?;
    let each = 1_000;
    let tenants = accounts / each;
    let first: i64 = database.query_row("SELECT next_tenant_number FROM catalog", [], |row| {
        row.get(0)
    })?;
    for group in (0..tenants).step_by(50) {
        let write = database.transaction()?;
        for tenant in group..tenants.min(group + 50) {
            let mut own = settings.clone();
            let Some(fields) = own.as_object_mut() else {
                bail!("a tenant's settings")
            };
            fields.insert("slug".to_owned(), format!("t{tenant}").into());
            fields.insert("domains".to_owned(), vec![host(tenant)].into());
            let id = tenant_id(tenant);
            write.prepare_cached(
                "INSERT INTO tenant (id, number, slug, settings, next_account_number, created_at, updated_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, 1, 1)",
            )?
            .execute(params![id, first + tenant, format!("t{tenant}"), own.to_string(), each + 1])?;
            write
                .prepare_cached("INSERT INTO tenant_domain (domain, tenant_id) VALUES (?1, ?2)")?
                .execute(params![host(tenant), id])?;
            add_accounts(&write, tenant, &id, each, &phc)?;
        }
        write.execute(
            "UPDATE catalog SET version = version + 1, next_tenant_number = ?1",
            [first + tenants],
        )?;
        write.commit()?;
        told((group + 50).min(tenants) * each);
    }
    database
        .pragma_update(None, "wal_checkpoint", "TRUNCATE")
        .or_else(|_| database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))?;
    database
        .close()
        .map_err(|(_, error)| error)
        .context("closing")
}

/// Ids as the server draws them, as far as an index can tell: of the same length, and in no order.
fn add_accounts(write: &Connection, tenant: i64, id: &str, each: i64, phc: &str) -> Result<()> {
    for account in 0..each {
        let own = account_id(tenant * each + account);
        write
            .prepare_cached(
                "INSERT INTO account (tenant_id, id, number, email, email_canonical, email_verified_at, first_name,
                 last_name, mobile, unique_id, role, locale, timezone, state, created_at, updated_at)
                 VALUES (?1, ?2, ?3, ?4, ?4, ?5, 'Ada', 'Lovelace', '', '', 'Trainee', 'en', 'UTC', 'active', ?5, 0)",
            )?
            .execute(params![id, own, account + 1, email(tenant, account), MADE])?;
        write
            .prepare_cached("INSERT INTO password (tenant_id, account_id, phc, changed_at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![id, own, phc, MADE])?;
    }
    Ok(())
}

fn tenant_id(number: i64) -> String {
    format!("T{:011x}", mixed(number) >> 20)
}

fn account_id(number: i64) -> String {
    format!("A{:016x}{:03}", mixed(number), number % 1_000)
}

fn mixed(number: i64) -> u64 {
    // Odd, and the golden ratio: different numbers stay different, and so do the upper bits of neighbours.
    let odd = 0x9E37_79B9_7F4A_7C15;
    number.unsigned_abs().wrapping_add(1).wrapping_mul(odd)
}
