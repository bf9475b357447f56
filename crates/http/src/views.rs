//! What JSON shows of accounts, sessions and teams. Borrowed and written at once: these answers are asked for most.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use vestibule_identity::{Account, Error, PendingEmail, Session, SessionKind, Team, Tenant};

/// Room for the headers of an answer, those included that every one carries: growing later costs more than their own making.
pub(crate) const HEADERS: usize = 16;

/// An answer of JSON.
pub(crate) fn answer<T: Serialize>(view: &T) -> Result<Response, Error> {
    let mut text = Vec::with_capacity(1024);
    serde_json::to_writer(&mut text, view).map_err(Error::internal)?;
    Ok(json(text.into()))
}

/// An answer whose body is JSON already.
pub(crate) fn json(text: Body) -> Response {
    let mut response = Response::new(text);
    let mut headers = HeaderMap::with_capacity(HEADERS);
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    *response.headers_mut() = headers;
    response
}

/// The tenant by its names.
#[derive(Serialize)]
pub(crate) struct TenantView<'a> {
    id: &'a str,
    slug: &'a str,
    name: &'a str,
}

impl<'a> TenantView<'a> {
    pub(crate) fn of(tenant: &'a Tenant) -> TenantView<'a> {
        TenantView {
            id: &tenant.id,
            slug: tenant.slug(),
            name: &tenant.file.name,
        }
    }
}

/// An account; times are RFC 3339.
#[derive(Serialize)]
pub(crate) struct AccountView<'a> {
    id: &'a str,
    number: i64,
    email: &'a str,
    email_verified: bool,
    first_name: &'a str,
    last_name: &'a str,
    mobile: &'a str,
    unique_id: &'a str,
    role: &'a str,
    locale: &'a str,
    timezone: &'a str,
    onboarded: bool,
    created_at: String,
}

impl<'a> AccountView<'a> {
    pub(crate) fn of(account: &'a Account) -> AccountView<'a> {
        AccountView {
            id: &account.id,
            number: account.number,
            email: &account.email,
            email_verified: account.email_verified,
            first_name: &account.first_name,
            last_name: &account.last_name,
            mobile: &account.mobile,
            unique_id: &account.unique_id,
            role: &account.role,
            locale: &account.locale,
            timezone: &account.timezone,
            onboarded: account.onboarded,
            created_at: account.created_at.rfc3339(),
        }
    }
}

/// A session; times are RFC 3339.
#[derive(Serialize)]
pub(crate) struct SessionView<'a> {
    id: &'a str,
    /// Whether it is the one that asks, where somebody asks by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<bool>,
    kind: SessionKind,
    dialect: &'a str,
    created_at: String,
    last_seen_at: String,
    expires_at: String,
    client_address: Option<&'a str>,
    user_agent: Option<&'a str>,
}

impl<'a> SessionView<'a> {
    pub(crate) fn of(session: &'a Session) -> SessionView<'a> {
        SessionView {
            id: &session.id,
            current: None,
            kind: session.kind,
            dialect: &session.dialect,
            created_at: session.created_at.rfc3339(),
            last_seen_at: session.last_seen_at.rfc3339(),
            expires_at: session.expires_at.rfc3339(),
            client_address: session.client_address.as_deref(),
            user_agent: session.user_agent.as_deref(),
        }
    }

    pub(crate) fn beside(session: &'a Session, asking: &Session) -> SessionView<'a> {
        SessionView {
            current: Some(session.id == asking.id),
            ..SessionView::of(session)
        }
    }
}

/// A team with its oldest project.
#[derive(Serialize)]
pub(crate) struct TeamView<'a> {
    id: &'a str,
    name: &'a str,
    role: &'a str,
    project: ProjectView<'a>,
}

#[derive(Serialize)]
struct ProjectView<'a> {
    id: &'a str,
    name: &'a str,
}

impl<'a> TeamView<'a> {
    pub(crate) fn of(team: &'a Team) -> TeamView<'a> {
        TeamView {
            id: &team.id,
            name: &team.name,
            role: &team.role,
            project: ProjectView {
                id: &team.project_id,
                name: &team.project_name,
            },
        }
    }
}

/// Another e-mail address that waits for its mailboxes' yes.
#[derive(Serialize)]
pub(crate) struct PendingView<'a> {
    email: &'a str,
    old_confirmed: bool,
    new_confirmed: bool,
}

impl<'a> PendingView<'a> {
    pub(crate) fn of(pending: &'a PendingEmail) -> PendingView<'a> {
        PendingView {
            email: &pending.email,
            old_confirmed: pending.old_confirmed,
            new_confirmed: pending.new_confirmed,
        }
    }
}
