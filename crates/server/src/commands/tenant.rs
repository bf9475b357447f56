//! `vestibule tenant …`

use std::io::Write;

use serde_json::{Value, json};
use vestibule_identity::Tenant;

use crate::cli::{Output, TenantCommand};
use crate::node::{Node, core_error};

pub(super) async fn run(command: TenantCommand, node: &Node, output: Output) -> anyhow::Result<()> {
    match command {
        TenantCommand::List => list(node, output).await,
        TenantCommand::Show { slug } => show(&*node.tenant(&slug).await?, output),
        TenantCommand::Export { slug } => {
            let tenant = node.tenant(&slug).await?;
            let text = toml::to_string_pretty(&tenant.file)?;
            output.answer(&json!(tenant.file), || text)
        }
        TenantCommand::Delete { slug, yes } => {
            let tenant = node.tenant(&slug).await?;
            if !yes && output.is_interactive() && !confirmed(&slug)? {
                anyhow::bail!("nothing was deleted");
            }
            node.identity
                .delete_tenant(&tenant)
                .await
                .map_err(core_error)?;
            output.answer(&json!({ "slug": slug, "deleted": true }), || {
                format!("deleted {slug}")
            })
        }
    }
}

async fn list(node: &Node, output: Output) -> anyhow::Result<()> {
    let tenants = node.identity.directory().all().await.map_err(core_error)?;
    let documents: Vec<Value> = tenants.iter().map(|tenant| document(tenant)).collect();
    let row = |tenant: &Tenant| {
        let (file, dialects) = (&tenant.file, dialects(tenant).join(", "));
        vec![
            file.slug.clone(),
            tenant.number.to_string(),
            file.name.clone(),
            file.domains.join(", "),
            dialects,
        ]
    };
    let rows: Vec<_> = tenants.iter().map(|tenant| row(tenant)).collect();
    output.table(
        &json!({ "tenants": documents }),
        &["SLUG", "NUMBER", "NAME", "DOMAINS", "DIALECTS"],
        &rows,
    )
}

fn show(tenant: &Tenant, output: Output) -> anyhow::Result<()> {
    let mut document = document(tenant);
    document["settings"] = json!(tenant.file);
    let settings = toml::to_string_pretty(&tenant.file)?;
    let head = format!(
        "# id {}\n# number {}\n# issuer {}\n",
        tenant.id,
        tenant.number,
        tenant.issuer()
    );
    output.answer(&document, || head + &settings)
}

fn document(tenant: &Tenant) -> Value {
    let file = &tenant.file;
    json!({
        "slug": file.slug,
        "id": tenant.id,
        "number": tenant.number,
        "name": file.name,
        "domains": file.domains,
        "dialects": dialects(tenant),
        "issuer": tenant.issuer(),
    })
}

/// All mounted dialects, however the file names them.
fn dialects(tenant: &Tenant) -> Vec<String> {
    let (listed, tables) = (&tenant.file.dialects, tenant.file.dialect.keys());
    listed
        .iter()
        .chain(tables.filter(|name| !listed.contains(name)))
        .cloned()
        .collect()
}

fn confirmed(slug: &str) -> anyhow::Result<bool> {
    let mut err = std::io::stderr();
    write!(
        err,
        "This deletes all accounts, keys and sessions of `{slug}` for good. Type the slug to go on: "
    )?;
    err.flush()?;
    Ok(super::line_of_stdin()?.trim() == slug)
}
