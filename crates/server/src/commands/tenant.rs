//! `vestibule tenant …`

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use serde_json::{Value, json};
use vestibule_http::mail;
use vestibule_identity::{MailKind, Tenant, TenantFile};

use crate::cli::{Output, TenantCommand};
use crate::mounts::{mounted, unknown};
use crate::node::{Node, core_error};
use crate::settings::{is_reference, mask_url};

pub(super) async fn run(command: TenantCommand, node: &Node, output: Output) -> anyhow::Result<()> {
    match command {
        TenantCommand::List => list(node, output).await,
        TenantCommand::Show { slug } => show(&*node.tenant(&slug).await?, node, output),
        TenantCommand::Export { slug } => {
            let file = without_secrets(&*node.tenant(&slug).await?);
            let text = toml::to_string_pretty(&file)?;
            output.answer(&json!(file), || text)
        }
        TenantCommand::Mails {
            slug,
            folder,
            language,
        } => {
            let tenant = node.tenant(&slug).await?;
            let files = mails(&tenant, &folder, language.as_deref())?;
            output.answer(&json!({ "files": files }), || files.join("\n"))
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

/// Writes each mail as text and as HTML; answers the files' names.
fn mails(
    tenant: &Arc<Tenant>,
    folder: &Path,
    language: Option<&str>,
) -> anyhow::Result<Vec<String>> {
    let locale = language.unwrap_or(&tenant.file.defaults.locale);
    let cannot = || format!("cannot write into {}", folder.display());
    fs::create_dir_all(folder).with_context(cannot)?;
    let mut files = Vec::new();
    for kind in MailKind::ALL {
        let rendered = mail::render(tenant, &mail::sample(tenant, kind, locale))?;
        let text = format!("{}\n\n{}", rendered.subject, rendered.text);
        for (suffix, content) in [("txt", &text), ("html", &rendered.html)] {
            let file = folder.join(format!("{}.{suffix}", kind.template()));
            fs::write(&file, content).with_context(cannot)?;
            files.push(file.display().to_string());
        }
    }
    Ok(files)
}

async fn list(node: &Node, output: Output) -> anyhow::Result<()> {
    let tenants = node.identity.directory().all().await.map_err(core_error)?;
    let documents: Vec<Value> = tenants.iter().map(|tenant| document(tenant)).collect();
    let row = |tenant: &Tenant| {
        let (file, dialects) = (&tenant.file, mounted(tenant).join(", "));
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

fn show(tenant: &Tenant, node: &Node, output: Output) -> anyhow::Result<()> {
    let file = without_secrets(tenant);
    let unknown = unknown(tenant, &node.dialects);
    let mut document = document(tenant);
    document["settings"] = json!(file);
    document["unknown_dialects"] = json!(unknown);
    let settings = toml::to_string_pretty(&file)?;
    let warning = |name: &&str| {
        format!("# unknown dialect {name}: its routes answer 404; name its folder by `dialects`\n")
    };
    let head = format!(
        "# id {}\n# number {}\n# issuer {}\n{}",
        tenant.id,
        tenant.number,
        tenant.issuer(),
        unknown.iter().map(warning).collect::<String>()
    );
    output.answer(&document, || head + &settings)
}

/// The stored file. `apply` takes secrets by reference only; should one be stored all the same, it is not shown.
fn without_secrets(tenant: &Tenant) -> TenantFile {
    let mut file = tenant.file.clone();
    if let Some(secret) = &mut file.registration.captcha_secret
        && !is_reference(secret)
    {
        "***".clone_into(secret);
    }
    if let Some(url) = &mut file.mail.smtp_url {
        *url = mask_url(url);
    }
    file
}

fn document(tenant: &Tenant) -> Value {
    let file = &tenant.file;
    json!({
        "slug": file.slug,
        "id": tenant.id,
        "number": tenant.number,
        "name": file.name,
        "domains": file.domains,
        "dialects": mounted(tenant),
        "issuer": tenant.issuer(),
    })
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
