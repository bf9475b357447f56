//! Bringing the stored tenants in line with files.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::rules::{canonical_host, check_file};
use super::{Picture, Tenant, TenantFile, store};
use crate::context::{Client, Cx};
use crate::error::{Error, Kind, Result};
use crate::{Identity, audit};

/// What applying a file did, or would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Applied {
    pub slug: String,
    /// Empty for a tenant that a dry run would create.
    pub id: String,
    pub number: i64,
    /// One line each; empty when the file says what is stored already.
    pub changes: Vec<String>,
}

impl Identity {
    /// Creates or changes one tenant. A second time: no change. A dry run only tells.
    pub async fn apply(&self, file: &TenantFile, dry_run: bool) -> Result<Applied> {
        self.apply_with(file, None, dry_run).await
    }

    /// The same, with the picture that `branding.logo` names. Without one the name must be that of a picture which is stored.
    pub async fn apply_with(
        &self,
        file: &TenantFile,
        picture: Option<Picture>,
        dry_run: bool,
    ) -> Result<Applied> {
        if let Some(fault) = check_file(file).into_iter().next() {
            return Err(Error::with_detail(
                Kind::MalformedInput,
                format!("{}: {}", fault.field, fault.message),
            ));
        }
        // Stands in five places of each account's rows and indexes.
        let new_id = vestibule_crypto::alphanumeric(self.random(), 12);
        let settings = serde_json::to_string(file).map_err(Error::internal)?;
        let (file, now) = (file.clone(), self.now());
        let identity = self.clone();
        let applied = self
            .db()
            .write(move |tx| {
                let known = store::by_slug(tx, &file.slug)?;
                let changes = match &known {
                    None => vec!["created".to_owned()],
                    Some(row) => differences(&row.settings, &settings)?,
                };
                let mut applied = Applied {
                    slug: file.slug.clone(),
                    id: known.as_ref().map(|row| row.id.clone()).unwrap_or_default(),
                    number: known.as_ref().map_or(0, |row| row.number),
                    changes,
                };
                if let Some(logo) = &file.branding.logo
                    && picture
                        .as_ref()
                        .is_none_or(|picture| picture.name() != logo)
                    && store::picture(tx, &applied.id, logo)?.is_none()
                {
                    let detail = format!("branding.logo: there is no picture `{logo}`");
                    return Err(Error::with_detail(Kind::MalformedInput, detail));
                }
                let domains: Vec<String> = file
                    .domains
                    .iter()
                    .filter_map(|domain| canonical_host(domain))
                    .collect();
                for domain in &domains {
                    let owner = store::domain_owner(tx, domain)?;
                    if owner.is_some_and(|owner| owner != applied.id) {
                        return Err(taken(domain));
                    }
                }
                if applied.changes.is_empty() || dry_run {
                    return Ok(applied);
                }
                match &known {
                    Some(row) => store::update(tx, &row.id, &settings)?,
                    None => {
                        applied.number = store::insert(tx, &new_id, &file, &settings, now)?;
                        applied.id.clone_from(&new_id);
                    }
                }
                let logo = file.branding.logo.as_deref().unwrap_or_default();
                store::drop_pictures(tx, &applied.id, logo)?;
                if let Some(picture) = &picture {
                    store::keep_picture(tx, &applied.id, picture)?;
                }
                store::drop_domains(tx, &applied.id)?;
                for domain in &domains {
                    // Another apply may have been faster than our look.
                    if !store::claim_domain(tx, &applied.id, domain)? {
                        return Err(taken(domain));
                    }
                }
                store::bump_catalog(tx, &applied.id, now)?;
                let row = store::TenantRow {
                    id: applied.id.clone(),
                    number: applied.number,
                    settings: settings.clone(),
                };
                let cx = identity.operator_cx(Arc::new(identity.directory().compile(row)?));
                let event = match &known {
                    Some(_) => "tenant.changed",
                    None => audit::BEGINNING,
                };
                audit::record(tx, &cx, audit::Entry::done(event).actor("operator"))?;
                Ok(applied)
            })
            .await?;
        if !dry_run && !applied.changes.is_empty() {
            self.directory().refresh().await?;
        }
        Ok(applied)
    }

    /// Removes a tenant with everything in it.
    pub async fn delete_tenant(&self, tenant: &Tenant) -> Result<()> {
        let (id, now) = (tenant.id.clone(), self.now());
        self.db()
            .write(move |tx| {
                if !store::delete(tx, &id)? {
                    return Err(Error::new(Kind::UnknownTenant));
                }
                store::bump_catalog(tx, &id, now)
            })
            .await?;
        self.rings().forget(&tenant.id);
        self.directory().refresh().await?;
        Ok(())
    }

    /// The context of an operator's command on this tenant.
    pub fn operator_cx(&self, tenant: Arc<Tenant>) -> Cx {
        let request_id = format!(
            "command-{}",
            vestibule_crypto::alphanumeric(self.random(), 8)
        );
        Cx {
            tenant,
            now: self.now(),
            client: Client {
                request_id: request_id.into(),
                ..Client::default()
            },
        }
    }
}

fn taken(domain: &str) -> Error {
    let detail = format!("domains: `{domain}` belongs to another tenant");
    Error::with_detail(Kind::MalformedInput, detail)
}

/// The settings that differ, as `name: old -> new`. Values are compared as the file writes them.
fn differences(old: &str, new: &str) -> Result<Vec<String>> {
    let old: Value = serde_json::from_str(old).map_err(Error::internal)?;
    let new: Value = serde_json::from_str(new).map_err(Error::internal)?;
    let mut changes = Vec::new();
    compare("", &old, &new, &mut changes);
    Ok(changes)
}

fn compare(name: &str, old: &Value, new: &Value, changes: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let full = if name.is_empty() {
                    key.clone()
                } else {
                    format!("{name}.{key}")
                };
                let side = |side: &serde_json::Map<String, Value>| {
                    side.get(key).cloned().unwrap_or(Value::Null)
                };
                compare(&full, &side(before), &side(after), changes);
            }
        }
        (before, after) if before == after => {}
        (Value::Null, after) => changes.push(format!("{name}: set to {after}")),
        (before, Value::Null) => changes.push(format!("{name}: {before} removed")),
        (before, after) => changes.push(format!("{name}: {before} -> {after}")),
    }
}
