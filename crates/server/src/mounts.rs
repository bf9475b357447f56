//! Tenants that mount a dialect which this program does not know.
//!
//! `apply` refuses them, but a node may run without the folder of dialects that `apply` was given.

use std::collections::HashSet;

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

/// What the log has been told, so that each tenant and dialect is told once for each time it comes up.
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
        let found = tenants.iter().flat_map(|tenant| {
            let names = unknown(tenant, &node.dialects).into_iter();
            names.map(|name| (tenant.slug().to_owned(), name.to_owned()))
        });
        let found: HashSet<(String, String)> = found.collect();
        let mut new: Vec<_> = found.difference(&self.told).collect();
        new.sort_unstable();
        for (tenant, dialect) in new {
            tracing::warn!(
                tenant,
                dialect,
                "the tenant mounts a dialect that this program does not know, so its routes answer 404; name its folder by `dialects`"
            );
        }
        self.told = found;
        self.version = Some(version);
        Ok(())
    }
}
