//! `vestibule api-key …`

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use vestibule_identity::{ApiKeyView, CreateApiKey, Micros};

use super::moment::or_dash;
use crate::cli::{ApiKeyCommand, Output};
use crate::node::{Node, core_error};

pub(super) async fn run(command: ApiKeyCommand, node: &Node, output: Output) -> anyhow::Result<()> {
    match command {
        ApiKeyCommand::Create {
            tenant,
            name,
            expires,
            test,
        } => {
            let new = CreateApiKey {
                name,
                expires_in: expires.map(|span| span.0),
                test,
            };
            let created = node
                .identity
                .create_api_key(&node.cx(&tenant).await?, new)
                .await
                .map_err(core_error)?;
            let key = created.key.expose_secret();
            let document = json!({ "id": created.id, "key": key, "expires_at": created.expires_at.map(Micros::rfc3339) });
            let expiry = created
                .expires_at
                .map_or_else(String::new, |at| format!(", expires {}", at.rfc3339()));
            output.answer(&document, || {
                format!(
                    "{key}\n(id {}{expiry}; the key is not shown again)",
                    created.id
                )
            })
        }
        ApiKeyCommand::List { tenant } => {
            let keys = node
                .identity
                .api_keys(&node.cx(&tenant).await?)
                .await
                .map_err(core_error)?;
            let document: Vec<Value> = keys.iter().map(document).collect();
            let rows: Vec<_> = keys.iter().map(row).collect();
            let heading = [
                "ID", "NAME", "TEST", "CREATED", "EXPIRES", "REVOKED", "HELD",
            ];
            output.table(&json!({ "api_keys": document }), &heading, &rows)
        }
        ApiKeyCommand::Confirm { mut ids, tenant } => {
            if let Some(slug) = tenant {
                let keys = node.identity.api_keys(&node.cx(&slug).await?).await;
                let keys = keys.map_err(core_error)?.into_iter();
                let held = keys.filter(|key| key.held_at.is_some() && key.revoked_at.is_none());
                ids = held.map(|key| key.id).collect();
            }
            for id in &ids {
                let confirmed = node.identity.confirm_api_key(id).await;
                confirmed.map_err(core_error)?;
            }
            output.answer(&json!({ "confirmed": ids }), || match ids.is_empty() {
                true => "no key is held".to_owned(),
                false => format!("confirmed {}", ids.join(", ")),
            })
        }
        ApiKeyCommand::Revoke { id } => {
            node.identity
                .revoke_api_key(&id)
                .await
                .map_err(core_error)?;
            output.answer(&json!({ "id": id, "revoked": true }), || {
                format!("revoked {id}")
            })
        }
    }
}

fn document(key: &ApiKeyView) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "test": key.test,
        "created_at": key.created_at.rfc3339(),
        "expires_at": key.expires_at.map(Micros::rfc3339),
        "revoked_at": key.revoked_at.map(Micros::rfc3339),
        "held_at": key.held_at.map(Micros::rfc3339),
    })
}

fn row(key: &ApiKeyView) -> Vec<String> {
    let test = if key.test { "yes" } else { "no" };
    vec![
        key.id.clone(),
        key.name.clone(),
        test.to_owned(),
        key.created_at.rfc3339(),
        or_dash(key.expires_at),
        or_dash(key.revoked_at),
        or_dash(key.held_at),
    ]
}
