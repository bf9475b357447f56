//! `vestibule apply …`

use std::path::PathBuf;

use serde_json::json;
use vestibule_identity::{Applied, TenantFile};

use crate::cli::Output;
use crate::node::{Node, Schema};
use crate::settings::Settings;
use crate::tenant_file;

/// Applies files in their order, after all of them have been read and checked.
pub(super) async fn apply(
    files: &[PathBuf],
    dry_run: bool,
    settings: Settings,
    output: Output,
) -> anyhow::Result<()> {
    let node = Node::open(settings, Schema::Migrate).await?;
    let read = files
        .iter()
        .map(|path| Ok((path, tenant_file::read(path, &node.dialects)?)));
    let tenants: Vec<(&PathBuf, TenantFile)> = read.collect::<anyhow::Result<_>>()?;
    let mut applied = Vec::with_capacity(tenants.len());
    for (path, tenant) in &tenants {
        let done = node.identity.apply(tenant, dry_run).await;
        applied.push(done.map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?);
    }
    output.answer(&json!({ "tenants": applied }), || {
        applied.iter().map(|tenant| told(tenant, dry_run)).collect()
    })
}

fn told(applied: &Applied, dry_run: bool) -> String {
    let head = match (applied.changes.is_empty(), dry_run) {
        (true, _) => "no change",
        (false, true) => "would change",
        (false, false) => "changed",
    };
    let lines = applied.changes.iter().map(|change| format!("  {change}\n"));
    format!("{}: {head}\n", applied.slug) + &lines.collect::<String>()
}
