//! Tenants that mount a dialect which this program does not know, or two that claim one path.
//!
//! `apply` refuses them, but a node may run with other dialects than `apply` was given.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use vestibule_dialect::Dialects;
use vestibule_identity::Tenant;

use crate::node::Node;

/// All dialects that a tenant mounts, however its file names them.
pub(crate) fn mounted(tenant: &Tenant) -> Vec<&str> {
    let (listed, tables) = (&tenant.file.dialects, tenant.file.dialect.keys());
    listed
        .iter()
        .chain(tables.filter(|name| !listed.contains(name)))
        .map(String::as_str)
        .collect()
}

/// Those of them that are not known here.
pub(crate) fn unknown<'a>(tenant: &'a Tenant, known: &Dialects) -> Vec<&'a str> {
    let mut names = mounted(tenant);
    names.retain(|name| known.get(name).is_none());
    names
}

/// What the log has been told, so that each tenant's fault is told once for each time it comes up.
#[derive(Debug, Default)]
pub(crate) struct Mounts {
    told: HashSet<(String, String)>,
    /// The catalogue's version at that time.
    version: Option<i64>,
}

impl Mounts {
    /// Warns of what is new since the last look.
    pub(crate) async fn look(&mut self, node: &Node) -> vestibule_identity::Result<()> {
        let directory = node.identity.directory();
        let version = directory.version();
        if self.version == Some(version) {
            return Ok(());
        }
        let tenants = directory.all().await?;
        let found = faults(&tenants, &node.dialects);
        let mut new: Vec<_> = found.difference(&self.told).collect();
        new.sort_unstable();
        for (tenant, fault) in new {
            tracing::warn!(tenant, "{fault}");
        }
        self.told = found;
        self.version = Some(version);
        Ok(())
    }
}

/// Slug and sentence of every fault.
fn faults(tenants: &[Arc<Tenant>], known: &Dialects) -> HashSet<(String, String)> {
    // Thousands of tenants mount the same few.
    let mut conflicts: HashMap<Vec<&str>, Vec<String>> = HashMap::new();
    let mut faults = HashSet::new();
    for tenant in tenants {
        let missing = unknown(tenant, known).into_iter().map(|name| {
            format!(
                "the tenant mounts the dialect `{name}`, which this program does not know, so its routes answer 404; name its folder by `dialects`"
            )
        });
        let mounted = mounted(tenant);
        let of_these = conflicts
            .entry(mounted)
            .or_insert_with_key(|mounted| known.conflicts(mounted));
        let both = of_these
            .iter()
            .map(|conflict| format!("{conflict}, so one of them does not answer there; mount one"));
        let slug = |fault| (tenant.slug().to_owned(), fault);
        faults.extend(missing.chain(both).map(slug));
    }
    faults
}
