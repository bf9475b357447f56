//! What a PostgreSQL server can do for us at most: the transaction of a refresh by the driver alone, without HTTP, tokens
//! and signatures.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use tokio_postgres::{Client, NoTls};

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
const TURN: &str = "UPDATE session SET last_seen_at = $3 WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL AND expires_at > 0
     RETURNING id, account_id, kind, dialect, generation, created_at, last_seen_at, expires_at, client_address, user_agent, replaced_at";
const PERSON: &str = "SELECT account.id, account.number, account.email, account.first_name, account.last_name, account.role,
     account.state, account.created_at, team.id, team.name, team_member.role, project.id, project.name
     FROM account LEFT JOIN team_member ON team_member.tenant_id = account.tenant_id AND team_member.account_id = account.id
     LEFT JOIN team ON team.tenant_id = team_member.tenant_id AND team.id = team_member.team_id
     LEFT JOIN project ON project.tenant_id = team.tenant_id AND project.team_id = team.id
     WHERE account.tenant_id = $1 AND account.id = $2 ORDER BY team.id LIMIT 1";

/// Transactions a second of so many connections at once, each on a session of its own.
pub async fn turns(url: &str, connections: usize, seconds: f64) -> Result<f64> {
    let first = connect(url).await?;
    let sessions = "SELECT tenant_id, id, account_id FROM session ORDER BY id";
    let sessions = first.query(sessions, &[]).await?;
    let until = Duration::from_secs_f64(seconds);
    let mut tasks = Vec::new();
    for index in 0..connections {
        let row = sessions
            .get(index)
            .context("a session for each connection")?;
        let session = [row.get(0), row.get(1), row.get(2)];
        tasks.push(tokio::spawn(turn(connect(url).await?, session, until)));
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

/// Transactions a second of one connection.
async fn turn(client: Client, session: [String; 3], until: Duration) -> Result<f64> {
    let (turn, person) = (client.prepare(TURN).await?, client.prepare(PERSON).await?);
    let [tenant, id, account] = session;
    let (begun, mut count) = (Instant::now(), 0_u32);
    while begun.elapsed() < until {
        client.batch_execute(BEGIN).await?;
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?;
        client.query_one(&turn, &[&tenant, &id, &now]).await?;
        client.query_one(&person, &[&tenant, &account]).await?;
        client.batch_execute("COMMIT").await?;
        count += 1;
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}
