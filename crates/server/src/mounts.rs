//! Tenants whose files ask for what this node does not have: a dialect that it does not know, two that claim one path, a
//! secret that is not where the file says.
//!
//! `apply` may run elsewhere, with other dialects, and another environment.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use secrecy::ExposeSecret;
use vestibule_dialect::Dialects;
use vestibule_identity::{Error, References, Tenant};

use crate::mail::SmtpUrl;
use crate::node::Node;
use crate::settings::is_reference;

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
        let node = node.clone();
        // A secret's file may hang.
        let looked = tokio::task::spawn_blocking(move || {
            let mut found = faults(&tenants, &node.dialects);
            found.extend(missing_secrets(&tenants, node.identity.references()));
            found
        });
        let found = looked.await.map_err(|error| Error::internal(error))?;
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

/// Slug and sentence of every secret that a tenant's file names and that is not there.
fn missing_secrets<'a>(
    tenants: &'a [Arc<Tenant>],
    references: &'a dyn References,
) -> impl Iterator<Item = (String, String)> + 'a {
    tenants.iter().flat_map(move |tenant| {
        let file = &tenant.file;
        let captcha = file.registration.captcha_secret.as_deref();
        let captcha = captcha.and_then(|place| references.resolve(place).err());
        let smtp_url = file.mail.smtp_url.as_deref().filter(|url| is_reference(url));
        let smtp_url = smtp_url.and_then(|place| no_server(place, references));
        let told = [
            captcha.map(|why| {
                format!("`registration.captcha_secret`: {why}; what asks for a captcha answers 503 until it is there")
            }),
            smtp_url.map(|why| format!("`mail.smtp_url`: {why}; none of the tenant's mails is sent until it is there")),
        ];
        let slug = |fault| (tenant.slug().to_owned(), fault);
        told.into_iter().flatten().map(slug)
    })
}

/// Why no mail server is named in that place.
fn no_server(place: &str, references: &dyn References) -> Option<String> {
    match references.resolve(place) {
        Ok(url) => url
            .expose_secret()
            .parse::<SmtpUrl>()
            .err()
            .map(|error| format!("what `{place}` holds {error:#}")),
        Err(why) => Some(why),
    }
}
