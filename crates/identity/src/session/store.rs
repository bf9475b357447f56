//! Rows of `session`.

use vestibule_db::{Row, Tx, params};

use super::rules::Generations;
use super::{EndReason, NewSession, Session, SessionKind, SignedIn};
use crate::account;
use crate::context::Cx;
use crate::error::{Error, Kind, Result};
use crate::ports::Micros;
use crate::team;
use crate::{limit, one_time};

/// So many sessions an account has at most, those included that ended within the last week.
const MOST: i64 = 500;

fn session(row: &Row) -> Result<Session, vestibule_db::Error> {
    Ok(Session {
        id: row.get(0)?,
        account_id: row.get(1)?,
        kind: if row.get::<String>(2)? == "browser" {
            SessionKind::Browser
        } else {
            SessionKind::Api
        },
        dialect: row.get(3)?,
        generation: row.get(4)?,
        created_at: row.get(5)?,
        last_seen_at: row.get(6)?,
        expires_at: row.get(7)?,
        client_address: row.get(8)?,
        user_agent: row.get(9)?,
    })
}

/// Adds the session of an active account and answers it with its person and team.
pub(crate) fn start(
    tx: &mut Tx<'_>,
    cx: &Cx,
    account_id: &str,
    new: &NewSession,
) -> Result<SignedIn> {
    let tenant = &cx.tenant.id;
    // Held, so that a suspension at the same moment either comes first or finds this session to end.
    let held = account::store::lock(tx, tenant, account_id)?;
    if !held {
        return Err(Kind::InvalidCredentials.into());
    }
    let user_agent = cx
        .client
        .user_agent
        .as_deref()
        .map(|agent| agent.chars().take(200).collect::<String>());
    let address = cx.client.address;
    let block = address.filter(|_| new.proven).map(limit::address_block);
    tx.exec(
        "INSERT INTO session (tenant_id, id, account_id, kind, dialect, generation, replaced_at, client_address, user_agent, created_at,
             last_seen_at, expires_at, client_block)
         VALUES ($1, $2, $3, $4, $5, 0, '', $7, $8, $11, $6, $9, $10)",
        &params![
            tenant,
            &new.id,
            account_id,
            new.kind.name(),
            cx.surface(),
            cx.now,
            address.map(|address| address.to_string()),
            user_agent,
            new.expires_at,
            block,
            new.since.unwrap_or(cx.now)
        ],
    )?;
    forget_oldest(tx, cx, account_id, &new.id)?;
    let started = |tx: &mut Tx<'_>| match resume(tx, cx, &new.id)? {
        Some(signed_in) => Ok(signed_in),
        None => Err(Error::from(Kind::InvalidCredentials)),
    };
    let signed_in = started(tx)?;
    if signed_in.team.is_some() || !signed_in.account.email_verified {
        return Ok(signed_in);
    }
    team::store::create_default(tx, tenant, &signed_in.account, &new.team, cx.now)?;
    started(tx)
}

/// Whether the account signed in from there since then, in a session whose row is still kept, or set its password there.
pub(crate) fn is_known_block(
    tx: &mut Tx<'_>,
    tenant: &str,
    account: &str,
    (block, since): (&str, Micros),
) -> Result<bool> {
    let found = tx.opt(
        "SELECT 1 FROM session WHERE tenant_id = $1 AND account_id = $2 AND client_block = $3
         AND (end_reason IS NULL OR end_reason <> $4) AND created_at >= $5
         UNION ALL SELECT 1 FROM password WHERE tenant_id = $1 AND account_id = $2 AND client_block = $3 LIMIT 1",
        &params![tenant, account, block, EndReason::Unproven.name(), since],
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

/// Where an account has signed in, as far as its sessions are still kept.
pub(crate) struct Clients {
    pub(crate) any: bool,
    /// From this address block with this user agent.
    pub(crate) this_one: bool,
}

pub(crate) fn clients_of(tx: &mut Tx<'_>, cx: &Cx, account: &str) -> Result<Clients> {
    let block = cx
        .client
        .address
        .map(limit::address_block)
        .unwrap_or_default();
    let agent = cx.client.user_agent.as_deref().unwrap_or_default();
    let agent: String = agent.chars().take(200).collect();
    Ok(tx.one(
        "SELECT count(*), coalesce(sum(CASE WHEN client_block = $3 AND coalesce(user_agent, '') = $4 THEN 1 ELSE 0 END), 0)
         FROM session WHERE tenant_id = $1 AND account_id = $2 AND (end_reason IS NULL OR end_reason <> $5)",
        &params![&cx.tenant.id, account, block, agent, EndReason::Unproven.name()],
        |row| Ok(Clients { any: row.get::<i64>(0)? > 0, this_one: row.get::<i64>(1)? > 0 }),
    )?)
}

/// Holds the account until the end of the transaction, provided that the session is still alive: looked at when the request
/// came, it may have been ended before anything is written. `Unauthorized` when it was. Operators have none.
pub(crate) fn hold_live(
    tx: &mut Tx<'_>,
    cx: &Cx,
    account: &str,
    session: Option<&str>,
) -> Result<()> {
    let held = account::store::lock(tx, &cx.tenant.id, account)?;
    let Some(id) = session else { return Ok(()) };
    match live(tx, cx, id)? {
        Some(session) if held && session.account_id == account => Ok(()),
        _ => Err(Kind::Unauthorized.into()),
    }
}

/// Holds the session alone until the end of the transaction; `false` when it has ended.
pub(crate) fn hold(tx: &mut Tx<'_>, cx: &Cx, id: &str) -> Result<bool> {
    let held = tx.exec(
        "UPDATE session SET generation = generation WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL",
        &params![&cx.tenant.id, id],
    )?;
    Ok(held == 1)
}

/// When the person of that live session signed in; `Unauthorized` when it is over.
pub(crate) fn signed_in_at(tx: &mut Tx<'_>, cx: &Cx, id: &str) -> Result<Micros> {
    let session = live(tx, cx, id)?;
    let at = session.map(|session| session.created_at);
    at.ok_or_else(|| Kind::Unauthorized.into())
}

/// The live session of that id with its active person and the first of the person's teams. One statement.
pub(crate) fn resume(tx: &mut Tx<'_>, cx: &Cx, id: &str) -> Result<Option<SignedIn>> {
    Ok(turning(tx, cx, id)?.map(|(signed_in, _)| signed_in))
}

/// The same with its generations. The session comes first and alone, which LIMIT sees to: otherwise PostgreSQL may begin with
/// all accounts of the tenant, of which it expects one as long as it has not counted. Of the person's teams the first is
/// chosen here: nearly everybody has one, and to sort it SQLite makes a table.
pub(crate) fn turning(
    tx: &mut Tx<'_>,
    cx: &Cx,
    id: &str,
) -> Result<Option<(SignedIn, Generations)>> {
    let mut first = None;
    let rows = tx.all(
        "SELECT found.id, found.account_id, found.kind, found.dialect, found.generation, found.created_at, found.last_seen_at,
             found.expires_at, found.client_address, found.user_agent, found.replaced_at,
             account.id, account.number, account.email, account.email_verified_at, account.first_name, account.last_name, account.mobile,
             account.unique_id, account.role, account.locale, account.timezone, account.state, account.onboarded_at, account.created_at,
             team.id, team.name, team_member.role, project.id, project.name, team_member.joined_at, project.created_at
         FROM (SELECT id, account_id, kind, dialect, generation, created_at, last_seen_at, expires_at, client_address, user_agent,
                   replaced_at, tenant_id
               FROM session WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL AND expires_at > $3 AND last_seen_at > $4 LIMIT 1) AS found
         JOIN account ON account.tenant_id = found.tenant_id AND account.id = found.account_id
         LEFT JOIN team_member ON team_member.tenant_id = found.tenant_id AND team_member.account_id = found.account_id
         LEFT JOIN team ON team.tenant_id = team_member.tenant_id AND team.id = team_member.team_id
         LEFT JOIN project ON project.tenant_id = team.tenant_id AND project.team_id = team.id
         WHERE account.state = 'active'",
        &params![&cx.tenant.id, id, cx.now, idle_since(cx)],
        |row| {
            let place = place(row)?;
            if first.as_ref().is_some_and(|first| *first <= place) {
                return Ok(None);
            }
            let generations = Generations {
                current: row.get(4)?,
                replaced_at: times(&row.get::<String>(10)?),
            };
            let team = place.4.is_some().then(|| team::store::team(row, 25));
            let signed_in = SignedIn {
                session: session(row)?,
                account: account::store::account_at(row, 11)?,
                team: team.transpose()?,
            };
            first = Some(place);
            Ok(Some((signed_in, generations)))
        },
    )?;
    Ok(rows.into_iter().flatten().last())
}

/// Where a team with its project comes among a person's: the oldest first, one without a project last.
type Place = (
    bool,
    Option<Micros>,
    Option<String>,
    Option<Micros>,
    Option<String>,
);

fn place(row: &Row<'_>) -> Result<Place, vestibule_db::Error> {
    let project: Option<String> = row.get(28)?;
    Ok((
        project.is_none(),
        row.get(30)?,
        row.get(25)?,
        row.get(31)?,
        project,
    ))
}

/// Sessions last used before have idled too long.
fn idle_since(cx: &Cx) -> Micros {
    cx.now - cx.tenant.file.session.idle.0
}

/// A live session: not ended, within its absolute and idle time, of an active account.
fn live(tx: &mut Tx<'_>, cx: &Cx, id: &str) -> Result<Option<Session>> {
    Ok(tx.opt(
        "SELECT id, account_id, kind, dialect, generation, created_at, last_seen_at, expires_at, client_address, user_agent
         FROM session WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL AND expires_at > $3 AND last_seen_at > $4",
        &params![&cx.tenant.id, id, cx.now, idle_since(cx)],
        session,
    )?)
}

pub(crate) fn live_of(tx: &mut Tx<'_>, cx: &Cx, account: &str) -> Result<Vec<Session>> {
    Ok(tx.all(
        "SELECT id, account_id, kind, dialect, generation, created_at, last_seen_at, expires_at, client_address, user_agent
         FROM session WHERE tenant_id = $1 AND account_id = $2 AND ended_at IS NULL AND expires_at > $3 AND last_seen_at > $4
         ORDER BY created_at DESC, id LIMIT $5",
        &params![&cx.tenant.id, account, cx.now, idle_since(cx), MOST],
        session,
    )?)
}

/// Every session of the account that is kept, with when it ended, newest first.
pub(crate) fn all_of(
    tx: &mut Tx<'_>,
    cx: &Cx,
    account: &str,
) -> Result<Vec<(Session, Option<Micros>)>> {
    Ok(tx.all(
        "SELECT id, account_id, kind, dialect, generation, created_at, last_seen_at, expires_at, client_address, user_agent, ended_at
         FROM session WHERE tenant_id = $1 AND account_id = $2 ORDER BY created_at DESC, id LIMIT 10000",
        &params![&cx.tenant.id, account],
        |row| Ok((session(row)?, row.get(10)?)),
    )?)
}

/// Microseconds separated by commas; empty for a session that was never refreshed.
fn times(text: &str) -> Vec<Micros> {
    let numbers = text.split(',').filter_map(|number| number.parse().ok());
    numbers.map(Micros).collect()
}

/// Moves to the next generation and notes the use; nothing when another one was faster.
pub(crate) fn set_generations(
    tx: &mut Tx<'_>,
    cx: &Cx,
    id: &str,
    was: &Generations,
    next: &Generations,
) -> Result<bool> {
    tx.changed(id);
    let replaced_at: Vec<String> = next.replaced_at.iter().map(|at| at.0.to_string()).collect();
    let changed = tx.exec(
        "UPDATE session SET generation = $4, replaced_at = $5, last_seen_at = $6
         WHERE tenant_id = $1 AND id = $2 AND generation = $3 AND ended_at IS NULL",
        &params![
            &cx.tenant.id,
            id,
            was.current,
            next.current,
            replaced_at.join(","),
            cx.now
        ],
    )?;
    Ok(changed == 1)
}

/// Remembers that the session is in use.
pub(crate) fn touch(tx: &mut Tx<'_>, cx: &Cx, id: &str) -> Result<()> {
    tx.changed(id);
    tx.exec(
        "UPDATE session SET last_seen_at = $3 WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL AND last_seen_at < $3",
        &params![&cx.tenant.id, id, cx.now],
    )?;
    Ok(())
}

pub(crate) fn end_one(
    tx: &mut Tx<'_>,
    cx: &Cx,
    account: &str,
    id: &str,
    why: EndReason,
) -> Result<bool> {
    tx.changed(id);
    let ended = tx.exec(
        "UPDATE session SET ended_at = $4, end_reason = $5 WHERE tenant_id = $1 AND account_id = $2 AND id = $3 AND ended_at IS NULL",
        &params![&cx.tenant.id, account, id, cx.now, why.name()],
    )?;
    Ok(ended == 1)
}

/// Ends the account's sessions but `except`, login tokens that open more, and the tokens of others that it was given.
pub(crate) fn end_all(
    tx: &mut Tx<'_>,
    cx: &Cx,
    account: &str,
    except: Option<&str>,
    why: EndReason,
) -> Result<u64> {
    tx.changed(account);
    account::store::set_signed_out(tx, &cx.tenant.id, account, cx.now)?;
    let ended = tx.exec(
        "UPDATE session SET ended_at = $4, end_reason = $5 WHERE tenant_id = $1 AND account_id = $2 AND id <> $3 AND ended_at IS NULL",
        &params![&cx.tenant.id, account, except.unwrap_or(""), cx.now, why.name()],
    )?;
    // After the sessions: what one of them holds on to is given by now, or never will be.
    one_time::store::void_given(tx, cx, account)?;
    Ok(ended)
}

/// Of more sessions than an account may have, those go that were unused longest: nobody can make so many that ending them
/// takes its owner too long. First of all those that go on from another: one stolen token makes as many as it likes, and must
/// not push out the sign-ins, by which their addresses are known. The new one stays.
fn forget_oldest(tx: &mut Tx<'_>, cx: &Cx, account: &str, new: &str) -> Result<()> {
    tx.changed(account);
    tx.exec(
        "DELETE FROM session WHERE tenant_id = $1 AND account_id = $2 AND id IN (
             SELECT id FROM session WHERE tenant_id = $1 AND account_id = $2 AND id <> $4
             ORDER BY CASE WHEN client_block IS NULL THEN 1 ELSE 0 END, last_seen_at DESC, id LIMIT 1000 OFFSET $3)",
        &params![&cx.tenant.id, account, MOST - 1, new],
    )?;
    Ok(())
}

/// Removes rows that ended or expired before `before`; answers how many.
pub(crate) fn purge(tx: &mut Tx<'_>, before: Micros) -> Result<u64> {
    Ok(tx.exec(
        "DELETE FROM session WHERE expires_at < $1 OR ended_at < $1",
        &params![before],
    )?)
}
