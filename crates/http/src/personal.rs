//! What is held on a person, as the JSON that the person gets.

use serde::Serialize;
use serde_json::{Value, json};
use vestibule_identity::{Micros, PersonalData};

use crate::site::Site;
use crate::views::{AccountView, PendingView, SessionView, TeamView};

/// A session that may have ended.
#[derive(Serialize)]
struct Kept<'a> {
    #[serde(flatten)]
    session: SessionView<'a>,
    ended_at: Option<String>,
}

pub(crate) fn document(site: &Site, data: &PersonalData) -> Value {
    let at = |time: Option<Micros>| time.map(Micros::rfc3339);
    let providers: Vec<Value> = data
        .providers
        .iter()
        .map(|link| {
            json!({
                "provider": link.provider,
                "subject": link.subject,
                "linked_at": link.linked_at.rfc3339(),
            })
        })
        .collect();
    let sessions: Vec<Kept<'_>> = data
        .sessions
        .iter()
        .map(|(session, ended)| Kept {
            session: SessionView::of(session),
            ended_at: at(*ended),
        })
        .collect();
    let entries: Vec<Value> = data
        .entries
        .iter()
        .map(|entry| {
            json!({
                "at": entry.at.rfc3339(),
                "event": entry.event,
                "outcome": entry.outcome,
                "reason": entry.reason,
                "actor": entry.actor,
                "surface": entry.surface,
                "client_address": entry.client_address,
                "user_agent": entry.user_agent,
                "request_id": entry.request_id,
            })
        })
        .collect();
    json!({
        "exported_at": site.cx.now.rfc3339(),
        "tenant": { "slug": site.tenant().slug(), "name": site.tenant().file.name },
        "account": AccountView::of(&data.account),
        "password_changed_at": at(data.password_changed_at),
        "partner_bound_at": at(data.partner_bound_at),
        "providers": providers,
        "teams": data.teams.iter().map(TeamView::of).collect::<Vec<_>>(),
        "pending_email": data.pending_email.as_ref().map(PendingView::of),
        "deletion_due_at": at(data.deletion_due_at),
        "sessions": sessions,
        "audit": entries,
    })
}
