//! `vestibule audit …`

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};
use vestibule_identity::{AuditEntry, AuditQuery, AuditReport, Kind, Micros, Tenant};

use crate::cli::{AuditCommand, AuditList, Output, Since, complain};
use crate::node::{Node, core_error};

pub(super) async fn run(
    command: AuditCommand,
    node: &Node,
    output: Output,
) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::List(wanted) => list(wanted, node, output).await,
        AuditCommand::Verify { tenant } => verify(tenant.as_deref(), node, output).await,
    }
}

async fn tenants(node: &Node, slug: Option<&str>) -> anyhow::Result<Vec<Arc<Tenant>>> {
    match slug {
        Some(slug) => Ok(vec![node.tenant(slug).await?]),
        None => node.identity.directory().all().await.map_err(core_error),
    }
}

async fn list(wanted: AuditList, node: &Node, output: Output) -> anyhow::Result<ExitCode> {
    let mut found = Vec::new();
    for tenant in tenants(node, wanted.tenant.as_deref()).await? {
        let cx = node.identity.operator_cx(tenant.clone());
        let account = match wanted.user.as_deref() {
            // Whose account is gone is known by the id only.
            Some(email) if email.contains('@') => match node.identity.user(&cx, email).await {
                Ok(account) => Some(account.id),
                Err(error) if error.kind == Kind::NotFound && wanted.tenant.is_none() => continue,
                Err(error) => return Err(core_error(error)),
            },
            id => id.map(str::to_owned),
        };
        let query = AuditQuery {
            account,
            action: wanted.action.clone(),
            outcome: wanted.outcome.clone(),
            request: wanted.request.clone(),
            since: wanted.since.map(|since| match since {
                Since::Ago(span) => cx.now - span.0,
                Since::Time(time) => Micros(time.timestamp_micros()),
            }),
            limit: wanted.limit.into(),
        };
        let entries = node
            .identity
            .audit_query(&cx, query)
            .await
            .map_err(core_error)?;
        found.extend(
            entries
                .into_iter()
                .map(|entry| (tenant.slug().to_owned(), entry)),
        );
    }
    if wanted.tenant.is_none() {
        found.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.at));
        found.truncate(wanted.limit.into());
    }
    if found.is_empty() && !output.json {
        complain("no entries match; `audit list` without options shows them all");
    }
    let documents: Vec<Value> = found.iter().map(document).collect();
    let rows: Vec<_> = found.iter().map(row).collect();
    let heading = [
        "TIME", "TENANT", "EVENT", "OUTCOME", "REASON", "ACTOR", "ACCOUNT", "ADDRESS", "VIA",
        "REQUEST",
    ];
    output.table(&json!({ "entries": documents }), &heading, &rows)?;
    Ok(ExitCode::SUCCESS)
}

fn document((tenant, entry): &(String, AuditEntry)) -> Value {
    json!({
        "tenant": tenant,
        "seq": entry.seq,
        "at": precise(entry.at),
        "event": entry.event,
        "outcome": entry.outcome,
        "reason": entry.reason,
        "actor": { "kind": entry.actor, "id": entry.actor_id },
        "account_id": entry.account_id,
        "target": entry.target,
        "surface": entry.surface,
        "client_address": entry.client_address,
        "user_agent": entry.user_agent,
        "request_id": entry.request_id,
        "times": entry.times,
    })
}

fn row((tenant, entry): &(String, AuditEntry)) -> Vec<String> {
    let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let actor = match &entry.actor_id {
        Some(id) if entry.account_id.as_ref() != Some(id) => format!("{} {id}", entry.actor),
        _ => entry.actor.clone(),
    };
    let event = match entry.times {
        1 => entry.event.clone(),
        times => format!("{} (x{times})", entry.event),
    };
    vec![
        entry.at.rfc3339(),
        tenant.clone(),
        event,
        entry.outcome.clone(),
        or_dash(&entry.reason),
        actor,
        or_dash(&entry.account_id),
        or_dash(&entry.client_address),
        entry.surface.clone(),
        entry.request_id.clone(),
    ]
}

/// RFC 3339 in UTC with microseconds.
fn precise(at: Micros) -> String {
    chrono::DateTime::from_timestamp_micros(at.0).map_or_else(
        || at.0.to_string(),
        |at| at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
    )
}

async fn verify(slug: Option<&str>, node: &Node, output: Output) -> anyhow::Result<ExitCode> {
    let mut reports = Vec::new();
    for tenant in tenants(node, slug).await? {
        reports.push(
            node.identity
                .verify_audit(&tenant)
                .await
                .map_err(core_error)?,
        );
    }
    output.answer(&json!({ "tenants": reports }), || {
        reports.iter().map(told).collect::<Vec<_>>().join("\n")
    })?;
    let broken: Vec<&str> = reports
        .iter()
        .filter(|report| report.fault.is_some())
        .map(|report| report.tenant.as_str())
        .collect();
    if broken.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    complain(&format!(
        "the audit log is not what was written: {}",
        broken.join(", ")
    ));
    Ok(ExitCode::FAILURE)
}

fn told(report: &AuditReport) -> String {
    let AuditReport {
        tenant,
        first,
        last,
        head,
        unsealed,
        fault,
    } = report;
    let sealed = match last - first + 1 {
        0 => "nothing sealed".to_owned(),
        _ => format!("entries {first} to {last} sealed, head {head}"),
    };
    match fault {
        None => format!("{tenant}: whole; {sealed}; {unsealed} not sealed yet"),
        Some(fault) => format!("{tenant}: BROKEN: {}; {sealed}", fault.message),
    }
}
