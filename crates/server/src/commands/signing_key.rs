//! `vestibule signing-key …`

use serde_json::{Value, json};
use vestibule_identity::KeyView;

use crate::cli::{Output, SigningKeyCommand};
use crate::node::{Node, core_error};

pub(super) async fn run(
    command: SigningKeyCommand,
    node: &Node,
    output: Output,
) -> anyhow::Result<()> {
    let (SigningKeyCommand::List { tenant }
    | SigningKeyCommand::Rotate { tenant, .. }
    | SigningKeyCommand::Revoke { tenant, .. }) = &command;
    let cx = node.cx(tenant).await?;
    // Keys come with the first wish for them; a list that lacks them would tell nothing.
    let made = node
        .dialects
        .ensure_signing_keys(&node.identity, &cx.tenant)
        .await;
    made.map_err(core_error)?;
    let keys = match command {
        SigningKeyCommand::List { .. } => node.identity.signing_keys(&cx).await,
        SigningKeyCommand::Rotate { now, .. } => node.identity.rotate_signing_keys(&cx, now).await,
        SigningKeyCommand::Revoke { kid, .. } => node.identity.revoke_signing_key(&cx, &kid).await,
    };
    let keys = keys.map_err(core_error)?;
    let documents: Vec<Value> = keys.iter().map(document).collect();
    let rows: Vec<_> = keys.iter().map(row).collect();
    output.table(
        &json!({ "signing_keys": documents }),
        &[
            "KID",
            "PURPOSE",
            "ALGORITHM",
            "STATE",
            "CREATED",
            "SIGNS FROM",
        ],
        &rows,
    )
}

fn document(key: &KeyView) -> Value {
    json!({
        "kid": key.kid,
        "purpose": key.purpose,
        "algorithm": key.algorithm,
        "state": key.state,
        "created_at": key.created_at.rfc3339(),
        "activates_at": key.activates_at.rfc3339(),
    })
}

fn row(key: &KeyView) -> Vec<String> {
    vec![
        key.kid.clone(),
        key.purpose.clone(),
        key.algorithm.clone(),
        key.state.to_string(),
        key.created_at.rfc3339(),
        key.activates_at.rfc3339(),
    ]
}
