//! The rows of many people at once.

use vestibule_db::{Tx, Value, params};

use super::New;
use crate::context::Cx;
use crate::error::{Error, Kind, Result};
use crate::ports::Micros;

/// Which of these canonical addresses the tenant knows.
pub(super) fn known<'a>(
    tx: &mut Tx<'_>,
    tenant: &str,
    addresses: impl Iterator<Item = &'a str>,
) -> Result<Vec<bool>> {
    let rows: Vec<Vec<Value>> = addresses
        .map(|address| params![tenant, address].to_vec())
        .collect();
    let found = tx.exec_each(
        "SELECT 1 FROM account WHERE tenant_id = $1 AND email_canonical = $2",
        &rows,
    )?;
    Ok(found.into_iter().map(|count| count > 0).collect())
}

/// Which of these subjects of a provider are linked to somebody.
pub(super) fn linked<'a>(
    tx: &mut Tx<'_>,
    tenant: &str,
    provider: &str,
    subjects: impl Iterator<Item = &'a str>,
) -> Result<Vec<bool>> {
    let rows: Vec<Vec<Value>> = subjects
        .map(|subject| params![tenant, provider, subject].to_vec())
        .collect();
    let found = tx.exec_each(
        "SELECT 1 FROM provider_link WHERE tenant_id = $1 AND provider = $2 AND subject = $3",
        &rows,
    )?;
    Ok(found.into_iter().map(|count| count > 0).collect())
}

/// Takes so many numbers for new accounts; answers the first.
pub(super) fn take_numbers(tx: &mut Tx<'_>, tenant: &str, count: usize) -> Result<i64> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let first: Option<i64> = tx.opt(
        "UPDATE tenant SET next_account_number = next_account_number + $2 WHERE id = $1 RETURNING next_account_number - $2",
        &params![tenant, count],
        |row| row.get(0),
    )?;
    first.ok_or_else(|| Error::new(Kind::UnknownTenant))
}

/// Adds the accounts under numbers from `first` on; those whose address somebody took in this moment are not.
pub(super) fn insert_accounts(
    tx: &mut Tx<'_>,
    cx: &Cx,
    first: i64,
    new: &[&New],
) -> Result<Vec<bool>> {
    let row = |(number, new): (i64, &&New)| {
        let account = &new.account;
        params![
            &cx.tenant.id,
            &account.id,
            number,
            &account.email,
            &new.canonical,
            account.email_verified.then_some(cx.now),
            &account.first_name,
            &account.last_name,
            &account.mobile,
            &account.unique_id,
            &account.role,
            &account.locale,
            &account.timezone,
            account.state.name(),
            account.onboarded.then_some(cx.now),
            account.created_at
        ]
        .to_vec()
    };
    let rows: Vec<_> = (first..).zip(new).map(row).collect();
    let added = tx.exec_each(
        "INSERT INTO account (tenant_id, id, number, email, email_canonical, email_verified_at, first_name, last_name, mobile, unique_id, role,
             locale, timezone, state, onboarded_at, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0)
         ON CONFLICT (email_canonical, tenant_id) DO NOTHING",
        &rows,
    )?;
    Ok(added.into_iter().map(|count| count == 1).collect())
}

/// What hangs on accounts that have just been added.
pub(super) fn insert_belongings(tx: &mut Tx<'_>, cx: &Cx, new: &[&New]) -> Result<()> {
    let (tenant, now) = (cx.tenant.id.as_str(), cx.now);
    let passwords = rows(new, |new| {
        // Never changed here: `give_password` may still replace it.
        Some(params![tenant, &new.account.id, new.phc.as_ref()?, Micros(0)].to_vec())
    });
    tx.exec_each(
        "INSERT INTO password (tenant_id, account_id, phc, changed_at) VALUES ($1, $2, $3, $4)",
        &passwords,
    )?;
    let secrets = rows(new, |new| {
        Some(params![tenant, &new.account.id, new.uid.as_ref()?, now].to_vec())
    });
    tx.exec_each(
        "INSERT INTO partner_secret (tenant_id, account_id, phc, bound_at) VALUES ($1, $2, $3, $4)",
        &secrets,
    )?;
    let links = rows(new, |new| {
        let subject = new.google_subject.as_ref()?;
        Some(params![tenant, "google", subject, &new.account.id, now].to_vec())
    });
    tx.exec_each(
        "INSERT INTO provider_link (tenant_id, provider, subject, account_id, linked_at) VALUES ($1, $2, $3, $4, $5)",
        &links,
    )?;
    Ok(())
}

fn rows(new: &[&New], row: impl Fn(&New) -> Option<Vec<Value>>) -> Vec<Vec<Value>> {
    new.iter().filter_map(|new| row(new)).collect()
}

/// What an import may change of an account besides its profile.
pub(super) fn update(tx: &mut Tx<'_>, cx: &Cx, account: &crate::account::Account) -> Result<()> {
    tx.changed(&account.id);
    tx.exec(
        "UPDATE account SET mobile = $3, unique_id = $4, role = $5, created_at = $6 WHERE tenant_id = $1 AND id = $2",
        &params![&cx.tenant.id, &account.id, &account.mobile, &account.unique_id, &account.role, account.created_at],
    )?;
    Ok(())
}

/// Gives the account a password of another system, unless it has one that was set or used here.
pub(super) fn give_password(tx: &mut Tx<'_>, cx: &Cx, account: &str, phc: &str) -> Result<()> {
    tx.exec(
        "INSERT INTO password (tenant_id, account_id, phc, changed_at) VALUES ($1, $2, $3, 0)
         ON CONFLICT (tenant_id, account_id) DO UPDATE SET phc = excluded.phc WHERE password.changed_at = 0",
        &params![&cx.tenant.id, account, phc],
    )?;
    Ok(())
}
