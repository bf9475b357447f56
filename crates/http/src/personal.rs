//! What is held on a person, as the JSON that the person gets.

use serde_json::{Value, json};
use vestibule_identity::{Micros, PersonalData};

use crate::moment::rfc3339;
use crate::native::{account_json, pending_json, session_json, team_json};
use crate::site::Site;

pub(crate) fn document(site: &Site, data: &PersonalData) -> Value {
    let at = |time: Option<Micros>| time.map(rfc3339);
    let providers: Vec<Value> = data
        .providers
        .iter()
        .map(|link| {
            json!({
                "provider": link.provider,
                "subject": link.subject,
                "linked_at": rfc3339(link.linked_at),
            })
        })
        .collect();
    let sessions: Vec<Value> = data
        .sessions
        .iter()
        .map(|(session, ended)| {
            let mut session = session_json(session, "");
            if let Some(fields) = session.as_object_mut() {
                fields.remove("current");
                fields.insert("ended_at".to_owned(), json!(at(*ended)));
            }
            session
        })
        .collect();
    let entries: Vec<Value> = data
        .entries
        .iter()
        .map(|entry| {
            json!({
                "at": rfc3339(entry.at),
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
        "exported_at": rfc3339(site.cx.now),
        "tenant": { "slug": site.tenant().slug(), "name": site.tenant().file.name },
        "account": account_json(&data.account),
        "password_changed_at": at(data.password_changed_at),
        "partner_bound_at": at(data.partner_bound_at),
        "providers": providers,
        "teams": data.teams.iter().map(team_json).collect::<Vec<_>>(),
        "pending_email": data.pending_email.as_ref().map(pending_json),
        "deletion_due_at": at(data.deletion_due_at),
        "sessions": sessions,
        "audit": entries,
    })
}
