//! `vestibule user …`

use std::process::ExitCode;

use anyhow::ensure;
use secrecy::SecretString;
use serde_json::{Value, json};
use vestibule_identity::{Account, AccountState, CreateUser, Cx, Micros, Session, SessionKind};

use super::line_of_stdin;
use crate::cli::{InvitedUser, NewUser, Output, UserCommand, Who, print};
use crate::node::{Node, core_error};

const PAGE: i64 = 500;

pub(super) async fn run(
    command: UserCommand,
    node: &Node,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let identity = &node.identity;
    let done = match command {
        UserCommand::List { tenant } => list(node, &tenant, output).await,
        UserCommand::Export { tenant } => export(node, &tenant, output).await,
        UserCommand::Import(import) => return super::import::run(import, node, output).await,
        UserCommand::Show(who) => {
            let (_, account) = find(node, &who).await?;
            answer(&account, output)
        }
        UserCommand::Create(new) => create(node, new, output).await,
        UserCommand::Invite(new) => invite(node, new, output).await,
        UserCommand::Suspend(who) => {
            let (cx, account) = find(node, &who).await?;
            identity
                .suspend_user(&cx, &account.id)
                .await
                .map_err(core_error)?;
            changed(node, &cx, &account, output).await
        }
        UserCommand::Restore(who) => {
            let (cx, account) = find(node, &who).await?;
            identity
                .restore_user(&cx, &account.id)
                .await
                .map_err(core_error)?;
            changed(node, &cx, &account, output).await
        }
        UserCommand::Delete(who) => {
            let (cx, account) = find(node, &who).await?;
            identity
                .delete_user(&cx, &account.id)
                .await
                .map_err(core_error)?;
            output.answer(&json!({ "id": account.id, "deleted": true }), || {
                format!("deleted {}", account.email)
            })
        }
        UserCommand::Sessions(who) => {
            let (cx, account) = find(node, &who).await?;
            let sessions = identity
                .sessions(&cx, &account.id)
                .await
                .map_err(core_error)?;
            show_sessions(&sessions, output)
        }
        UserCommand::SignOut(who) => {
            let (cx, account) = find(node, &who).await?;
            let ended = identity
                .sign_out_all(&cx, &account.id, None)
                .await
                .map_err(core_error)?;
            output.answer(
                &json!({ "id": account.id, "ended_sessions": ended }),
                || format!("ended {ended} sessions of {}", account.email),
            )
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

async fn find(node: &Node, who: &Who) -> anyhow::Result<(Cx, Account)> {
    let cx = node.cx(&who.tenant).await?;
    let account = node
        .identity
        .user(&cx, &who.who)
        .await
        .map_err(core_error)?;
    Ok((cx, account))
}

async fn changed(node: &Node, cx: &Cx, account: &Account, output: Output) -> anyhow::Result<()> {
    let account = node
        .identity
        .user(cx, &account.id)
        .await
        .map_err(core_error)?;
    answer(&account, output)
}

async fn create(node: &Node, new: NewUser, output: Output) -> anyhow::Result<()> {
    let cx = node.cx(&new.tenant).await?;
    let password = match new.password_stdin {
        true => {
            let line = line_of_stdin()?;
            ensure!(!line.is_empty(), "there is no password on standard input");
            Some(SecretString::from(line.as_str()))
        }
        false => None,
    };
    let NewUser {
        email,
        role,
        first_name,
        last_name,
        verified,
        ..
    } = new;
    let new = CreateUser {
        email,
        role,
        first_name,
        last_name,
        verified,
        password,
    };
    let account = node
        .identity
        .create_user(&cx, new)
        .await
        .map_err(core_error)?;
    answer(&account, output)
}

async fn invite(node: &Node, new: InvitedUser, output: Output) -> anyhow::Result<()> {
    let cx = node.cx(&new.tenant).await?;
    let new = CreateUser {
        email: new.email,
        role: new.role,
        first_name: new.first_name,
        last_name: new.last_name,
        verified: false,
        password: None,
    };
    let account = node
        .identity
        .invite_user(&cx, new)
        .await
        .map_err(core_error)?;
    answer(&account, output)
}

async fn list(node: &Node, tenant: &str, output: Output) -> anyhow::Result<()> {
    let cx = node.cx(tenant).await?;
    let accounts = all(node, &cx).await?;
    let documents: Vec<Value> = accounts.iter().map(document).collect();
    let rows: Vec<_> = accounts.iter().map(row).collect();
    let heading = [
        "ID", "NUMBER", "EMAIL", "NAME", "ROLE", "STATE", "VERIFIED", "CREATED",
    ];
    output.table(&json!({ "users": documents }), &heading, &rows)
}

async fn export(node: &Node, tenant: &str, output: Output) -> anyhow::Result<()> {
    let cx = node.cx(tenant).await?;
    if !output.json {
        return each(node, &cx, |account| print(&document(account).to_string())).await;
    }
    let documents: Vec<Value> = all(node, &cx).await?.iter().map(document).collect();
    output.answer(&json!({ "users": documents }), String::new)
}

/// All accounts, oldest first.
async fn all(node: &Node, cx: &Cx) -> anyhow::Result<Vec<Account>> {
    let mut accounts = Vec::new();
    each(node, cx, |account| {
        accounts.push(account.clone());
        Ok(())
    })
    .await?;
    accounts.sort_by_key(|account| account.number);
    Ok(accounts)
}

/// All accounts, page by page, in the order of their ids.
async fn each(
    node: &Node,
    cx: &Cx,
    mut see: impl FnMut(&Account) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut after = String::new();
    loop {
        let page = node
            .identity
            .users(cx, &after, PAGE)
            .await
            .map_err(core_error)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after.clone_from(&last.id);
        page.iter().try_for_each(&mut see)?;
    }
}

fn answer(account: &Account, output: Output) -> anyhow::Result<()> {
    let document = document(account);
    output.answer(&document, || {
        let fields = document.as_object().into_iter().flatten();
        fields
            .map(|(name, value)| {
                format!(
                    "{name:<15} {}\n",
                    value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned)
                )
            })
            .collect()
    })
}

fn document(account: &Account) -> Value {
    json!({
        "id": account.id,
        "number": account.number,
        "email": account.email,
        "email_verified": account.email_verified,
        "first_name": account.first_name,
        "last_name": account.last_name,
        "mobile": account.mobile,
        "unique_id": account.unique_id,
        "role": account.role,
        "locale": account.locale,
        "timezone": account.timezone,
        "state": state(account.state),
        "onboarded": account.onboarded,
        "created_at": account.created_at.rfc3339(),
    })
}

fn row(account: &Account) -> Vec<String> {
    let verified = if account.email_verified { "yes" } else { "no" };
    vec![
        account.id.clone(),
        account.number.to_string(),
        account.email.clone(),
        account.display_name(),
        account.role.clone(),
        state(account.state).to_owned(),
        verified.to_owned(),
        account.created_at.rfc3339(),
    ]
}

fn state(state: AccountState) -> &'static str {
    match state {
        AccountState::Active => "active",
        AccountState::Suspended => "suspended",
        AccountState::Deleted => "deleted",
    }
}

fn show_sessions(sessions: &[Session], output: Output) -> anyhow::Result<()> {
    let kind = |session: &Session| match session.kind {
        SessionKind::Api => "api",
        SessionKind::Browser => "browser",
    };
    let document = |session: &Session| {
        json!({
            "id": session.id,
            "kind": kind(session),
            "dialect": session.dialect,
            "client_address": session.client_address,
            "user_agent": session.user_agent,
            "created_at": session.created_at.rfc3339(),
            "last_seen_at": session.last_seen_at.rfc3339(),
            "expires_at": session.expires_at.rfc3339(),
        })
    };
    let row = |session: &Session| {
        let address = session
            .client_address
            .clone()
            .unwrap_or_else(|| "-".to_owned());
        let times =
            [session.created_at, session.last_seen_at, session.expires_at].map(Micros::rfc3339);
        let mut row = vec![
            session.id.clone(),
            kind(session).to_owned(),
            session.dialect.clone(),
            address,
        ];
        row.extend(times);
        row
    };
    let documents: Vec<Value> = sessions.iter().map(document).collect();
    let rows: Vec<_> = sessions.iter().map(row).collect();
    let heading = [
        "ID",
        "KIND",
        "DIALECT",
        "ADDRESS",
        "CREATED",
        "LAST SEEN",
        "EXPIRES",
    ];
    output.table(&json!({ "sessions": documents }), &heading, &rows)
}
