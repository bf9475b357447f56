//! The signed-in person's own page: profile, password, sessions.

use axum::extract::State;
use axum::response::Response;
use minijinja::{Value, context};
use vestibule_identity::{AuditEntry, Authenticated, ChangePassword, Kind, Session};

use super::onboarding::{self, profile_values, typed_values};
use super::{Alert, Answer, device_values, see_other, signed_in, with_alert};
use crate::extract::{Form, Person, Query};
use crate::moment;
use crate::shared::Shared;

/// Sections of the page; an alert stands in the one it belongs to.
const PROFILE: &str = "profile";
const PASSWORD: &str = "password";
const SESSIONS: &str = "sessions";
pub(super) const EMAIL: &str = "email";
pub(super) const DATA: &str = "data";
pub(super) const DELETION: &str = "deletion";

/// So many sign-ins are shown.
const SIGN_INS: i64 = 20;

/// GET.
pub(crate) async fn show(
    State(shared): State<Shared>,
    person: Person,
    Query(query): Query,
) -> Answer {
    let notice = match query.get("notice") {
        "saved" => Some("notice.saved"),
        "password-changed" => Some("notice.password_changed"),
        "session-ended" => Some("notice.session_ended"),
        "email-change-asked" => Some("notice.email_change_asked"),
        "email-change-cancelled" => Some("notice.email_change_cancelled"),
        "email-changed" => Some("notice.email_changed"),
        "email-half" => Some("notice.email_half"),
        "email-refused" => Some("notice.email_refused"),
        _ => None,
    };
    page(
        &shared,
        &person,
        context! { notice => notice.and_then(|key| person.site.voice().text(key)) },
        None,
    )
    .await
}

/// GET of a form's address, as after a reload or by a bookmark: the page that the form is on.
pub(crate) async fn back() -> Response {
    see_other("/account")
}

/// The page, with `more` in one of its sections.
pub(super) async fn page(
    shared: &Shared,
    Person { site, who }: &Person,
    more: Value,
    alert: Option<Alert>,
) -> Answer {
    let (identity, id) = (&shared.identity, &who.account.id);
    let sessions = identity.sessions(&site.cx, id).await?;
    let sign_ins = identity.sign_ins(&site.cx, id, SIGN_INS).await?;
    let pending = identity.pending_email(&site.cx, &who.account).await?;
    let values = context! {
        section => "",
        email => &who.account.email,
        email_verified => who.account.email_verified,
        display_name => who.account.display_name(),
        profile => profile_values(&who.account, &who.account.locale),
        sessions => sessions.iter().map(|session| session_values(session, site.language(), who)).collect::<Vec<_>>(),
        sign_ins => sign_ins.iter().map(|entry| sign_in_values(entry, site.language(), who)).collect::<Vec<_>>(),
        has_password => identity.has_password(&site.cx, id).await?,
        pending => pending.map(|pending| context! {
            email => pending.email,
            old_confirmed => pending.old_confirmed,
            new_confirmed => pending.new_confirmed,
        }),
        deletion_due => identity.deletion_due(&site.cx, id).await?.map(|due| moment::readable(due, site.language(), &who.account.timezone)),
        until => moment::readable(site.cx.now + site.tenant().file.account.deletion_grace.0, site.language(), &who.account.timezone),
        min_length => site.tenant().file.password.min_length,
        home => site.tenant().home(),
    };
    with_alert(site, alert, "account.html", context! { ..more, ..values })
}

fn sign_in_values(entry: &AuditEntry, language: &str, who: &Authenticated) -> Value {
    context! {
        at => moment::readable(entry.at, language, &who.account.timezone),
        done => entry.outcome == "done",
        device => device_values(entry.user_agent.as_deref()),
        address => entry.client_address.as_deref().unwrap_or_default(),
        times => entry.times,
    }
}

fn session_values(session: &Session, language: &str, who: &Authenticated) -> Value {
    let readable = |at| moment::readable(at, language, &who.account.timezone);
    context! {
        id => &session.id,
        current => session.id == who.session.id,
        device => device_values(session.user_agent.as_deref()),
        address => session.client_address.as_deref().unwrap_or_default(),
        started => readable(session.created_at),
        last_seen => readable(session.last_seen_at),
    }
}

/// POST `/account/profile`.
pub(crate) async fn save_profile(
    State(shared): State<Shared>,
    person: Person,
    Form(fields): Form,
) -> Answer {
    let Person { site, who } = &person;
    match onboarding::save_profile(&shared.identity, (site, who), &fields).await {
        Ok(()) => Ok(see_other("/account?notice=saved")),
        Err(error) => {
            let alert = Alert::of(site, error)?.with_id("name", "first_name");
            page(
                &shared,
                &person,
                context! { section => PROFILE, profile => typed_values(&fields) },
                Some(alert),
            )
            .await
        }
    }
}

/// POST `/account/password`: every other session ends, and this one goes on under a new id.
pub(crate) async fn change_password(
    State(shared): State<Shared>,
    person: Person,
    Form(fields): Form,
) -> Answer {
    let Person { site, who } = &person;
    let outcome = if fields.get("current").is_empty() || fields.get("new").is_empty() {
        Err(Kind::MissingPassword.into())
    } else {
        let command = ChangePassword {
            current: fields.secret("current"),
            new: fields.secret("new"),
            keep_session: Some(who.session.id.clone()),
        };
        shared
            .identity
            .change_password(&site.cx, &who.account.id, command)
            .await
    };
    match outcome {
        Ok(()) => {
            let identity = &shared.identity;
            let new = identity.renew_session(&site.cx, &who.session).await?;
            signed_in(
                identity,
                site,
                None,
                &new,
                "/account?notice=password-changed",
            )
            .await
        }
        Err(error) => {
            let alert = Alert::of(site, error)?.with_id("password", "new");
            page(
                &shared,
                &person,
                context! { section => PASSWORD },
                Some(alert),
            )
            .await
        }
    }
}

/// POST `/account/sessions`: ends the one named, or all but this one.
pub(crate) async fn end_sessions(
    State(shared): State<Shared>,
    person: Person,
    Form(fields): Form,
) -> Answer {
    let Person { site, who } = &person;
    let (identity, account) = (&shared.identity, &who.account.id);
    let outcome = match fields.get("session") {
        "others" => identity
            .sign_out_all(&site.cx, account, Some(&who.session.id))
            .await
            .map(|_| ()),
        id => {
            let of = (&**account, Some(&*who.session.id));
            identity.end_session(&site.cx, of, id).await
        }
    };
    match outcome {
        Ok(()) => Ok(see_other("/account?notice=session-ended")),
        // It had ended by itself meanwhile.
        Err(error) if error.kind == Kind::NotFound => {
            Ok(see_other("/account?notice=session-ended"))
        }
        Err(error) => {
            let alert = Alert::of(site, error)?;
            page(
                &shared,
                &person,
                context! { section => SESSIONS },
                Some(alert),
            )
            .await
        }
    }
}
