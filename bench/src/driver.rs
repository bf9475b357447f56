//! What a PostgreSQL server can do for us at most: the statement of a refresh by the driver alone, without HTTP, tokens and
//! signatures.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio_postgres::{Client, NoTls};

const LOOK: &str = "SELECT found.id, found.kind, found.dialect, found.generation, found.created_at, found.last_seen_at, found.expires_at,
         account.id, account.number, account.email, account.first_name, account.last_name, account.role, account.state,
         account.created_at, team.id, team.name, team_member.role, team_member.joined_at, project.id, project.name, project.created_at
     FROM (SELECT tenant_id, id, account_id, kind, dialect, generation, created_at, last_seen_at, expires_at, client_address, user_agent,
               replaced_at
           FROM session WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL AND expires_at > 0 LIMIT 1) AS found
     JOIN account ON account.tenant_id = found.tenant_id AND account.id = found.account_id
     LEFT JOIN team_member ON team_member.tenant_id = found.tenant_id AND team_member.account_id = found.account_id
     LEFT JOIN team ON team.tenant_id = team_member.tenant_id AND team.id = team_member.team_id
     LEFT JOIN project ON project.tenant_id = team.tenant_id AND project.team_id = team.id
     WHERE account.state = 'active'";
const PLAN: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off";

/// Looks a second of so many connections at once, each on a session of its own.
pub async fn looks(url: &str, connections: usize, seconds: f64) -> Result<f64> {
    let first = connect(url).await?;
    let sessions = "SELECT tenant_id, id FROM session ORDER BY id";
    let sessions = first.query(sessions, &[]).await?;
    let until = Duration::from_secs_f64(seconds);
    let mut tasks = Vec::new();
    for index in 0..connections {
        let row = sessions
            .get(index)
            .context("a session for each connection")?;
        let session = [row.get(0), row.get(1)];
        tasks.push(tokio::spawn(look(connect(url).await?, session, until)));
    }
    let mut throughput = 0.0;
    for task in tasks {
        throughput += task.await??;
    }
    Ok(throughput)
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Looks a second of one connection.
async fn look(client: Client, session: [String; 2], until: Duration) -> Result<f64> {
    client.batch_execute(PLAN).await?;
    let look = client.prepare(LOOK).await?;
    let [tenant, id] = session;
    let (begun, mut count) = (Instant::now(), 0_u32);
    while begun.elapsed() < until {
        client.query_one(&look, &[&tenant, &id]).await?;
        count += 1;
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}
