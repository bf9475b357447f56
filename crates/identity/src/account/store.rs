//! Rows of `account`.

use vestibule_db::{Row, Tx, params};

use super::{Account, AccountState};
use crate::email::Email;
use crate::error::{Error, Kind, Result};
use crate::ports::Micros;

fn account(row: &Row) -> Result<Account, vestibule_db::Error> {
    account_at(row, 0)
}

/// The columns of an account from that one on.
pub(crate) fn account_at(row: &Row, at: usize) -> Result<Account, vestibule_db::Error> {
    Ok(Account {
        id: row.get(at)?,
        number: row.get(at + 1)?,
        email: row.get(at + 2)?,
        email_verified: row.get::<Option<i64>>(at + 3)?.is_some(),
        first_name: row.get(at + 4)?,
        last_name: row.get(at + 5)?,
        mobile: row.get(at + 6)?,
        unique_id: row.get(at + 7)?,
        role: row.get(at + 8)?,
        locale: row.get(at + 9)?,
        timezone: row.get(at + 10)?,
        state: match row.get::<String>(at + 11)?.as_str() {
            "active" => AccountState::Active,
            "suspended" => AccountState::Suspended,
            _ => AccountState::Deleted,
        },
        onboarded: row.get::<Option<i64>>(at + 12)?.is_some(),
        created_at: row.get(at + 13)?,
    })
}

pub(crate) fn by_id(tx: &mut Tx<'_>, tenant: &str, id: &str) -> Result<Option<Account>> {
    Ok(tx.opt(
        "SELECT id, number, email, email_verified_at, first_name, last_name, mobile, unique_id, role, locale, timezone, state, onboarded_at, created_at
         FROM account WHERE tenant_id = $1 AND id = $2 AND state <> 'deleted'",
        &params![tenant, id],
        account,
    )?)
}

pub(crate) fn by_email(tx: &mut Tx<'_>, tenant: &str, email: &Email) -> Result<Option<Account>> {
    Ok(tx.opt(
        "SELECT id, number, email, email_verified_at, first_name, last_name, mobile, unique_id, role, locale, timezone, state, onboarded_at, created_at
         FROM account WHERE tenant_id = $1 AND email_canonical = $2 AND state <> 'deleted'",
        &params![tenant, email.canonical()],
        account,
    )?)
}

/// Reads the tenant's accounts one by one: an operator asks, and seldom.
pub(crate) fn by_number(tx: &mut Tx<'_>, tenant: &str, number: i64) -> Result<Option<Account>> {
    Ok(tx.opt(
        "SELECT id, number, email, email_verified_at, first_name, last_name, mobile, unique_id, role, locale, timezone, state, onboarded_at, created_at
         FROM account WHERE tenant_id = $1 AND number = $2 AND state <> 'deleted'",
        &params![tenant, number],
        account,
    )?)
}

pub(crate) fn page(tx: &mut Tx<'_>, tenant: &str, after: &str, limit: i64) -> Result<Vec<Account>> {
    Ok(tx.all(
        "SELECT id, number, email, email_verified_at, first_name, last_name, mobile, unique_id, role, locale, timezone, state, onboarded_at, created_at
         FROM account WHERE tenant_id = $1 AND id > $2 AND state <> 'deleted' ORDER BY id LIMIT $3",
        &params![tenant, after, limit],
        account,
    )?)
}

/// Those first where the address is known to be its owner's.
pub(crate) fn tenants_of(tx: &mut Tx<'_>, email: &Email) -> Result<Vec<String>> {
    Ok(tx.all(
        "SELECT tenant_id FROM account WHERE email_canonical = $1 AND state = 'active'
         ORDER BY CASE WHEN email_verified_at IS NULL THEN 1 ELSE 0 END, created_at, tenant_id LIMIT 64",
        &params![email.canonical()],
        |row| row.get(0),
    )?)
}

/// Adds the account under the tenant's next number. `None`: somebody has the address already.
pub(crate) fn insert(tx: &mut Tx<'_>, tenant: &str, mut new: Account) -> Result<Option<Account>> {
    let email = Email::parse(&new.email)?;
    let now = new.created_at;
    let number: Option<i64> = tx.opt(
        "UPDATE tenant SET next_account_number = next_account_number + 1 WHERE id = $1 RETURNING next_account_number - 1",
        &params![tenant],
        |row| row.get(0),
    )?;
    new.number = number.ok_or_else(|| Error::new(Kind::UnknownTenant))?;
    let verified = new.email_verified.then_some(now);
    // Not changed since: as 0 an `updated_at` takes no room.
    let added = tx.exec(
        "INSERT INTO account (tenant_id, id, number, email, email_canonical, email_verified_at, first_name, last_name, mobile, unique_id, role, locale,
             timezone, state, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0)
         ON CONFLICT (email_canonical, tenant_id) DO NOTHING",
        &params![
            tenant,
            &new.id,
            new.number,
            &new.email,
            email.canonical(),
            verified,
            &new.first_name,
            &new.last_name,
            &new.mobile,
            &new.unique_id,
            &new.role,
            &new.locale,
            &new.timezone,
            new.state.name(),
            now
        ],
    )?;
    Ok((added == 1).then_some(new))
}

pub(crate) fn update_profile(
    tx: &mut Tx<'_>,
    tenant: &str,
    account: &Account,
    now: Micros,
) -> Result<()> {
    tx.changed(&account.id);
    tx.exec(
        "UPDATE account SET first_name = $3, last_name = $4, locale = $5, timezone = $6, updated_at = $7 WHERE tenant_id = $1 AND id = $2",
        &params![tenant, &account.id, &account.first_name, &account.last_name, &account.locale, &account.timezone, now],
    )?;
    Ok(())
}

/// Marks the address verified; `false` when it was already.
pub(crate) fn set_verified(tx: &mut Tx<'_>, tenant: &str, id: &str, now: Micros) -> Result<bool> {
    tx.changed(id);
    let changed = tx.exec(
        "UPDATE account SET email_verified_at = $3, updated_at = $3 WHERE tenant_id = $1 AND id = $2 AND email_verified_at IS NULL",
        &params![tenant, id, now],
    )?;
    Ok(changed == 1)
}

/// Gives the account a proven address; `false` when somebody else has it. Then the transaction must not go on.
pub(crate) fn set_email(
    tx: &mut Tx<'_>,
    tenant: &str,
    id: &str,
    email: &Email,
    now: Micros,
) -> Result<bool> {
    tx.changed(id);
    let changed = tx.exec(
        "UPDATE account SET email = $3, email_canonical = $4, email_verified_at = $5, updated_at = $5 WHERE tenant_id = $1 AND id = $2
         AND NOT EXISTS (SELECT 1 FROM account AS other WHERE other.email_canonical = $4 AND other.tenant_id = $1)",
        &params![tenant, id, email.given(), email.canonical(), now],
    );
    match changed {
        Ok(rows) => Ok(rows == 1),
        // Somebody took it at this very moment.
        Err(vestibule_db::Error::Constraint { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn set_onboarded(tx: &mut Tx<'_>, tenant: &str, id: &str, now: Micros) -> Result<()> {
    tx.changed(id);
    tx.exec("UPDATE account SET onboarded_at = $3 WHERE tenant_id = $1 AND id = $2 AND onboarded_at IS NULL", &params![tenant, id, now])?;
    Ok(())
}

/// Moves between active and suspended; `false` when there is no such account.
pub(crate) fn set_state(
    tx: &mut Tx<'_>,
    tenant: &str,
    id: &str,
    state: AccountState,
    now: Micros,
) -> Result<bool> {
    tx.changed(id);
    let changed = tx.exec(
        "UPDATE account SET state = $3, updated_at = $4 WHERE tenant_id = $1 AND id = $2 AND state <> 'deleted'",
        &params![tenant, id, state.name(), now],
    )?;
    Ok(changed == 1)
}

pub(crate) fn set_signed_out(tx: &mut Tx<'_>, tenant: &str, id: &str, now: Micros) -> Result<()> {
    tx.changed(id);
    tx.exec(
        "UPDATE account SET signed_out_at = $3 WHERE tenant_id = $1 AND id = $2",
        &params![tenant, id, now],
    )?;
    Ok(())
}

/// When all sessions of the account were ended last.
pub(crate) fn signed_out_at(tx: &mut Tx<'_>, tenant: &str, id: &str) -> Result<Option<Micros>> {
    let at: Option<Option<Micros>> = tx.opt(
        "SELECT signed_out_at FROM account WHERE tenant_id = $1 AND id = $2",
        &params![tenant, id],
        |row| row.get(0),
    )?;
    Ok(at.flatten())
}

/// Removes the account with all that hangs on it.
pub(crate) fn delete(tx: &mut Tx<'_>, tenant: &str, id: &str) -> Result<bool> {
    tx.changed(id);
    hold(tx, tenant, id)?;
    // Its name holds the person's; a team that others are in goes on.
    tx.exec(
        "DELETE FROM team WHERE tenant_id = $1 AND default_of = $2 AND NOT EXISTS (
             SELECT 1 FROM team_member WHERE team_member.tenant_id = $1 AND team_member.team_id = team.id AND team_member.account_id <> $2)",
        &params![tenant, id],
    )?;
    Ok(tx.exec(
        "DELETE FROM account WHERE tenant_id = $1 AND id = $2",
        &params![tenant, id],
    )? == 1)
}

/// Locks the account's row, whatever its state, until the end of the transaction.
pub(crate) fn hold(tx: &mut Tx<'_>, tenant: &str, id: &str) -> Result<()> {
    tx.exec(
        "UPDATE account SET updated_at = updated_at WHERE tenant_id = $1 AND id = $2",
        &params![tenant, id],
    )?;
    Ok(())
}

/// Locks the active account's row until the end of the transaction, so that writers of one account follow one another;
/// `false` when it is not there or not active.
pub(crate) fn lock(tx: &mut Tx<'_>, tenant: &str, id: &str) -> Result<bool> {
    let held = tx.exec(
        "UPDATE account SET updated_at = updated_at WHERE tenant_id = $1 AND id = $2 AND state = 'active'",
        &params![tenant, id],
    )?;
    Ok(held == 1)
}
