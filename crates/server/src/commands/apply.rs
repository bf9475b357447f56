//! `vestibule apply …`

use std::path::PathBuf;

use serde_json::json;
use vestibule_identity::{Applied, Identity, TenantFile};

use crate::cli::Output;
use crate::node::{Node, Schema, cause, dialects};
use crate::settings::Settings;
use crate::tenant_file::{self, Described, Source};

/// Applies files in their order, after all of them have been read and checked.
pub(super) async fn apply(
    files: &[PathBuf],
    settings: Settings,
    output: Output,
) -> anyhow::Result<()> {
    let tenants = tenant_file::read_all(files, &dialects(&settings)?)?;
    let node = Node::open(settings, Schema::Migrate).await?;
    let applied = each(&tenants, &node.identity, false).await?;
    answer(&applied, "", told, output)
}

/// Says what `apply` would do. Nothing is made or changed, not even the database or the secret key.
pub(super) async fn plan(
    files: &[PathBuf],
    settings: Settings,
    output: Output,
) -> anyhow::Result<()> {
    let tenants = tenant_file::read_all(files, &dialects(&settings)?)?;
    let Some(identity) = Node::stored(&settings).await? else {
        let applied: Vec<Applied> = tenants.iter().map(|tenant| new(&tenant.file)).collect();
        let head = "nothing is stored yet: the database would be set up as well\n";
        return answer(&applied, head, planned, output);
    };
    let applied = each(&tenants, &identity, true).await?;
    identity.db().close().await;
    answer(&applied, "", planned, output)
}

async fn each(
    tenants: &[Described],
    identity: &Identity,
    dry_run: bool,
) -> anyhow::Result<Vec<Applied>> {
    let mut applied = Vec::with_capacity(tenants.len());
    for Described {
        source,
        file,
        picture,
    } in tenants
    {
        let done = identity.apply_with(file, picture.clone(), dry_run).await;
        applied.push(done.map_err(|error| located(source, file, &error))?);
    }
    Ok(applied)
}

/// A refusal that begins with a setting's name is told with that setting's line, or the domain's that it quotes.
fn located(source: &Source, file: &TenantFile, error: &vestibule_identity::Error) -> anyhow::Error {
    let detail = error.detail().and_then(|detail| detail.split_once(": "));
    let Some((field, message)) = detail.filter(|(field, _)| !field.contains(' ')) else {
        return anyhow::anyhow!("{}: {}", source.name, cause(error));
    };
    let quoted = |domain: &str| field == "domains" && message.contains(&format!("`{domain}`"));
    let domain = file.canonical_domains().find(|(_, domain)| quoted(domain));
    match domain {
        Some((at, _)) => source.fault(&format!("domains.{at}"), message),
        None => source.fault(field, message),
    }
}

/// What a dry run says of a tenant that is not stored.
fn new(file: &TenantFile) -> Applied {
    Applied {
        slug: file.slug.clone(),
        id: String::new(),
        number: 0,
        changes: vec!["created".to_owned()],
    }
}

fn answer(
    applied: &[Applied],
    head: &str,
    tell: fn(&Applied) -> String,
    output: Output,
) -> anyhow::Result<()> {
    output.answer(&json!({ "tenants": applied }), || {
        head.to_owned() + &applied.iter().map(tell).collect::<String>()
    })
}

fn told(applied: &Applied) -> String {
    lines(applied, "created", "changed")
}

fn planned(applied: &Applied) -> String {
    lines(applied, "would be created", "would change")
}

fn lines(applied: &Applied, created: &str, changed: &str) -> String {
    let slug = &applied.slug;
    match applied.changes.as_slice() {
        [] => format!("{slug}: no change\n"),
        [only] if only == "created" => format!("{slug}: {created}\n"),
        changes => {
            let lines = changes.iter().map(|change| format!("  {change}\n"));
            format!("{slug}: {changed}\n") + &lines.collect::<String>()
        }
    }
}
