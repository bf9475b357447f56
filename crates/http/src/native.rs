//! The signed-in person's JSON API under `/account/v1`, and the question that reverse proxies ask.

use std::borrow::Cow;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vestibule_identity::{AuditEntry, Authenticated, ChangeEmail, Kind, ProfileChange};

use crate::extract::{Caller, Json, Proven, Query};
use crate::fault::Fault;
use crate::personal;
use crate::shared::Shared;
use crate::views::{AccountView, HEADERS, PendingView, SessionView, TeamView, TenantView, answer};

/// What a header value cannot hold as it is, and `%` itself.
const HEADER: &AsciiSet = &CONTROLS.add(b'%');

/// GET `/account/v1/session`: who is signed in, how, and in which team.
pub(crate) async fn session(Caller { site, who }: Caller) -> Result<Response, Fault> {
    #[derive(Serialize)]
    struct Answer<'a> {
        tenant: TenantView<'a>,
        account: AccountView<'a>,
        session: SessionView<'a>,
        team: Option<TeamView<'a>>,
    }
    let view = Answer {
        tenant: TenantView::of(site.tenant()),
        account: AccountView::of(&who.account),
        session: SessionView::beside(&who.session, &who.session),
        team: who.team.as_ref().map(TeamView::of),
    };
    Ok(answer(&view)?)
}

/// GET `/account/v1/profile`.
pub(crate) async fn profile(Caller { who, .. }: Caller) -> Result<Response, Fault> {
    Ok(answer(&AccountView::of(&who.account))?)
}

/// What a person may change; any other field is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfilePatch {
    first_name: Option<String>,
    last_name: Option<String>,
    locale: Option<String>,
    timezone: Option<String>,
}

/// PATCH `/account/v1/profile`: answers the profile as it is then.
pub(crate) async fn change_profile(
    State(shared): State<Shared>,
    Caller { site, who }: Caller,
    Json(patch): Json<ProfilePatch>,
) -> Result<Response, Fault> {
    let ProfilePatch {
        first_name,
        last_name,
        locale,
        timezone,
    } = patch;
    let change = ProfileChange {
        first_name,
        last_name,
        locale,
        timezone,
    };
    let account = shared
        .identity
        .update_profile(&site.cx, (&who.account.id, Some(&who.session.id)), change)
        .await?;
    Ok(answer(&AccountView::of(&account))?)
}

/// GET `/account/v1/sessions`: the live ones, newest first.
pub(crate) async fn sessions(
    State(shared): State<Shared>,
    Caller { site, who }: Caller,
) -> Result<axum::Json<Value>, Fault> {
    let sessions = shared.identity.sessions(&site.cx, &who.account.id).await?;
    let shown: Vec<SessionView<'_>> = sessions
        .iter()
        .map(|session| SessionView::beside(session, &who.session))
        .collect();
    Ok(axum::Json(json!({ "sessions": shown })))
}

/// DELETE `/account/v1/sessions/{id}`: 204.
pub(crate) async fn end_session(
    State(shared): State<Shared>,
    Caller { site, who }: Caller,
    id: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<StatusCode, Fault> {
    let Path(id) = id.map_err(|_| Kind::NotFound)?;
    shared
        .identity
        .end_session(&site.cx, (&who.account.id, Some(&who.session.id)), &id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// GET `/account/v1/sign-ins`: the latest 50, newest first.
pub(crate) async fn sign_ins(
    State(shared): State<Shared>,
    Caller { site, who }: Caller,
) -> Result<axum::Json<Value>, Fault> {
    let entries = shared.identity.sign_ins(&site.cx, &who.account.id, 50);
    let shown: Vec<Value> = entries.await?.iter().map(sign_in_json).collect();
    Ok(axum::Json(json!({ "sign_ins": shown })))
}

/// GET `/account/v1/email`: the address, and the one that waits to take its place.
pub(crate) async fn email(
    State(shared): State<Shared>,
    Caller { site, who }: Caller,
) -> Result<axum::Json<Value>, Fault> {
    let pending = shared
        .identity
        .pending_email(&site.cx, &who.account)
        .await?;
    let pending = pending.as_ref().map(PendingView::of);
    Ok(axum::Json(json!({
        "email": who.account.email,
        "email_verified": who.account.email_verified,
        "pending": pending,
    })))
}

/// The wish for another address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmailWish {
    email: String,
    password: Option<SecretString>,
}

/// POST `/account/v1/email`: 202; links go to both mailboxes.
pub(crate) async fn change_email(
    State(shared): State<Shared>,
    Caller { site, who }: Caller,
    Json(EmailWish { email, password }): Json<EmailWish>,
) -> Result<StatusCode, Fault> {
    let command = ChangeEmail { email, password };
    shared
        .identity
        .change_email(&site.cx, &who, command)
        .await?;
    Ok(StatusCode::ACCEPTED)
}

/// DELETE `/account/v1/email`: 204; nothing waits any more.
pub(crate) async fn cancel_email_change(
    State(shared): State<Shared>,
    Caller { site, who }: Caller,
) -> Result<StatusCode, Fault> {
    shared.identity.cancel_email_change(&site.cx, &who).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The present password, where the account has one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Present {
    password: Option<SecretString>,
}

/// POST `/account/v1/export`: everything held on the person.
pub(crate) async fn export(
    State(shared): State<Shared>,
    Caller { site, who }: Caller,
    Json(Present { password }): Json<Present>,
) -> Result<axum::Json<Value>, Fault> {
    let data = shared
        .identity
        .export_account(&site.cx, &who, password.as_ref())
        .await?;
    Ok(axum::Json(personal::document(&site, &data)))
}

/// POST `/account/v1/deletion`: 202 with when it is due; every session has ended, this one too.
pub(crate) async fn ask_deletion(
    State(shared): State<Shared>,
    Caller { site, who }: Caller,
    Json(Present { password }): Json<Present>,
) -> Result<(StatusCode, axum::Json<Value>), Fault> {
    let due = shared
        .identity
        .ask_deletion(&site.cx, &who, password.as_ref())
        .await?;
    let told = json!({ "deletion_due_at": due.rfc3339() });
    Ok((StatusCode::ACCEPTED, axum::Json(told)))
}

/// DELETE `/account/v1/deletion`: 204; the account stays.
pub(crate) async fn keep_account(
    State(shared): State<Shared>,
    Caller { site, who }: Caller,
) -> Result<StatusCode, Fault> {
    shared.identity.keep_account(&site.cx, &who).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// GET `/account/v1/teams`.
pub(crate) async fn teams(
    State(shared): State<Shared>,
    Caller { site, who }: Caller,
) -> Result<axum::Json<Value>, Fault> {
    let teams = shared.identity.teams(&site.cx, &who.account.id).await?;
    Ok(axum::Json(
        json!({ "teams": teams.iter().map(TeamView::of).collect::<Vec<_>>() }),
    ))
}

/// Any method `/forward-auth`: 200 with the person in headers, 401, or 403 where `?role=A,B` names other roles, or none; 400
/// for any other option, which a proxy's settings may have meant for this one. No body.
pub(crate) async fn forward_auth(
    proven: Result<Proven, Fault>,
    Query(query): Query,
) -> Result<Response, Fault> {
    let Proven { site, who, .. } = match proven {
        Ok(proven) => proven,
        Err(fault) if fault.status() == StatusCode::UNAUTHORIZED => {
            return Ok(StatusCode::UNAUTHORIZED.into_response());
        }
        Err(fault) => return Err(fault),
    };
    if query.names().any(|name| name != "role") {
        return Ok(StatusCode::BAD_REQUEST.into_response());
    }
    let mut roles = query.get("role").split(',');
    if query.has("role") && !roles.any(|role| role.trim() == who.account.role) {
        return Ok(StatusCode::FORBIDDEN.into_response());
    }
    let mut response = Response::default();
    *response.headers_mut() = person_headers(&who, site.tenant().slug());
    Ok(response)
}

const USER: HeaderName = HeaderName::from_static("x-vestibule-user");
const EMAIL: HeaderName = HeaderName::from_static("x-vestibule-email");
const EMAIL_VERIFIED: HeaderName = HeaderName::from_static("x-vestibule-email-verified");
const ROLE: HeaderName = HeaderName::from_static("x-vestibule-role");
const TENANT: HeaderName = HeaderName::from_static("x-vestibule-tenant");

fn person_headers(who: &Authenticated, tenant: &str) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    let verified = match who.account.email_verified {
        true => "true",
        false => "false",
    };
    let values = [
        (USER, &*who.account.id),
        (EMAIL, &who.account.email),
        (EMAIL_VERIFIED, verified),
        (ROLE, &who.account.role),
        (TENANT, tenant),
    ];
    for (name, value) in values {
        if let Ok(value) = HeaderValue::from_str(&ascii(value)) {
            headers.insert(name, value);
        }
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers
}

/// ASCII as it is; everything else percent-encoded UTF-8.
fn ascii(value: &str) -> Cow<'_, str> {
    utf8_percent_encode(value, HEADER).into()
}

fn sign_in_json(entry: &AuditEntry) -> Value {
    json!({
        "at": entry.at.rfc3339(),
        "way": entry.event.trim_start_matches("sign_in."),
        "outcome": entry.outcome,
        "reason": entry.reason,
        "dialect": entry.surface,
        "client_address": entry.client_address,
        "user_agent": entry.user_agent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_hold_any_text() {
        for (text, header) in [
            ("Ada", "Ada"),
            ("käthe@bücher.example", "k%C3%A4the@b%C3%BCcher.example"),
            ("a%b\r\nX: y", "a%25b%0D%0AX: y"),
        ] {
            assert_eq!(ascii(text), header);
            assert!(HeaderValue::from_str(header).is_ok());
        }
    }

    #[test]
    fn only_four_fields_may_be_changed() {
        let read = serde_json::from_str::<ProfilePatch>;
        assert!(
            read(r#"{"first_name":"Ada","last_name":"L","locale":"en","timezone":"UTC"}"#).is_ok()
        );
        for body in [
            r#"{"role":"Admin"}"#,
            r#"{"email":"x@y.z"}"#,
            r#"{"email_verified":true}"#,
            r#"{"first_name":1}"#,
            "[]",
            "null",
        ] {
            assert!(read(body).is_err(), "{body}");
        }
    }
}
