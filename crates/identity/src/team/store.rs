//! Rows of `team`, `team_member` and `project`.

use vestibule_db::{Row, Tx, params};

use super::{Team, TeamIds};
use crate::account::Account;
use crate::error::Result;
use crate::ports::Micros;

/// Gives the account its default team and project; nothing when it has them already.
pub(crate) fn create_default(
    tx: &mut Tx<'_>,
    tenant: &str,
    account: &Account,
    ids: &TeamIds,
    now: Micros,
) -> Result<()> {
    tx.changed(&account.id);
    let name = format!("{}'s team", account.display_name());
    let created = tx.exec(
        "INSERT INTO team (tenant_id, id, name, default_of, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, default_of) DO NOTHING",
        &params![tenant, &ids.team, name, &account.id, now],
    )?;
    if created == 0 {
        return Ok(());
    }
    tx.exec(
        "INSERT INTO team_member (tenant_id, team_id, account_id, role, joined_at) VALUES ($1, $2, $3, 'owner', $4)",
        &params![tenant, &ids.team, &account.id, now],
    )?;
    tx.exec(
        "INSERT INTO project (tenant_id, id, team_id, name, created_at) VALUES ($1, $2, $3, 'Default project', $4)",
        &params![tenant, &ids.project, &ids.team, now],
    )?;
    Ok(())
}

pub(crate) fn of_account(tx: &mut Tx<'_>, tenant: &str, account: &str) -> Result<Vec<Team>> {
    Ok(tx.all(
        "SELECT team.id, team.name, team_member.role, project.id, project.name
         FROM team_member
         JOIN team ON team.tenant_id = team_member.tenant_id AND team.id = team_member.team_id
         JOIN project ON project.tenant_id = team.tenant_id AND project.team_id = team.id
         WHERE team_member.tenant_id = $1 AND team_member.account_id = $2
           AND NOT EXISTS (SELECT 1 FROM project AS older WHERE older.tenant_id = project.tenant_id AND older.team_id = project.team_id
               AND (older.created_at < project.created_at OR (older.created_at = project.created_at AND older.id < project.id)))
         ORDER BY team_member.joined_at, team.id",
        &params![tenant, account],
        |row| team(row, 0),
    )?)
}

/// The columns of a team from that one on.
pub(crate) fn team(row: &Row, at: usize) -> Result<Team, vestibule_db::Error> {
    Ok(Team {
        id: row.get(at)?,
        name: row.get(at + 1)?,
        role: row.get(at + 2)?,
        project_id: row.get(at + 3)?,
        project_name: row.get(at + 4)?,
    })
}
