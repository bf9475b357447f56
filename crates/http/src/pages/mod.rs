//! The hosted pages. Each file is one page or one step: what it shows, what its form does, where that leads.

pub(crate) mod account;
pub(crate) mod captcha;
pub(crate) mod email_change;
pub(crate) mod forgot;
pub(crate) mod invitation;
pub(crate) mod leaving;
pub(crate) mod onboarding;
pub(crate) mod sign_in;
pub(crate) mod sign_out;
pub(crate) mod sign_up;
pub(crate) mod verify;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use minijinja::{Value, context};
use vestibule_identity::{Account, Authenticated, Error, Identity, Kind, SignedIn};

use crate::fault::Fault;
use crate::site::Site;
use crate::{agent, cookie, device, redirect, templates};

#[cfg(test)]
mod tests;

/// What a handler of a page answers.
pub(crate) type Answer = Result<Response, Fault>;

/// 303; an address that no header can hold leads to `/`.
pub(crate) fn see_other(location: &str) -> Response {
    let location = HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// Where a person goes on to: the checked internal path they came for, else the tenant's app.
pub(crate) fn onward(site: &Site, next: &str) -> String {
    redirect::internal_path(next).unwrap_or_else(|| site.tenant().home().to_owned())
}

/// For `device` of `fields.html`.
pub(crate) fn device_values(user_agent: Option<&str>) -> Value {
    let agent = agent::read(user_agent.unwrap_or_default());
    context! { browser => agent.browser, system => agent.system, program => agent.program }
}

/// `path`, leading on to `next` where there is one.
pub(crate) fn with_next(path: &str, next: &str) -> String {
    let option = (!next.is_empty()).then(|| ("next".to_owned(), next.to_owned()));
    redirect::with_options(path, option.as_slice())
}

/// Where a newcomer goes on to: past the onboarding page, unless it was seen.
pub(crate) fn welcome(site: &Site, account: &Account, next: &str) -> String {
    match account.onboarded {
        true => onward(site, next),
        false => with_next("/onboarding", next),
    }
}

/// Signs this browser in, knows it from then on, and sends it on.
pub(crate) async fn signed_in(
    identity: &Identity,
    site: &Site,
    former: Option<Authenticated>,
    new: &SignedIn,
    location: &str,
) -> Answer {
    let answer = gone_on(identity, site, former, new, location).await?;
    let device = device::remember(identity, site, &new.account);
    Ok(with_cookies(answer, device.into_iter().collect()))
}

/// Puts this browser in the session and sends it on. The session that its cookie named so far ends with that cookie.
pub(crate) async fn gone_on(
    identity: &Identity,
    site: &Site,
    former: Option<Authenticated>,
    new: &SignedIn,
    location: &str,
) -> Answer {
    // A link followed twice leads into the session that it opened.
    if let Some(former) = former.filter(|former| former.session.id != new.session.id) {
        end(identity, site, &former).await?;
    }
    // Who wanted the account deleted and comes back is asked first.
    let asked = identity.deletion_due(&site.cx, &new.account.id).await?;
    let keep = asked.map(|_| with_next("/account/keep", location));
    let location = keep.as_deref().unwrap_or(location);
    let tenant = site.tenant();
    let value = identity.cookie_value(tenant, &new.session);
    let cookies = cookie::sign_in(tenant, &value, site.cx.now, new.session.expires_at);
    Ok(with_cookies(see_other(location), cookies))
}

/// Ends this browser's session, unless it has ended by itself meanwhile.
pub(crate) async fn end(
    identity: &Identity,
    site: &Site,
    who: &Authenticated,
) -> Result<(), Fault> {
    match identity.sign_out(&site.cx, &who.session).await {
        Err(error) if error.kind != Kind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

pub(crate) fn with_cookies(mut response: Response, cookies: Vec<HeaderValue>) -> Response {
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// A refusal told on the page it belongs to, above what was typed.
#[derive(Debug)]
pub(crate) struct Alert {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    /// The id of the field that it is about, on most pages.
    pub(crate) wrong: Option<&'static str>,
    retry_after: Option<u32>,
}

impl Alert {
    /// Faults of ours get the error page instead, but for what is told to the person in words of its own.
    pub(crate) fn of(site: &Site, error: Error) -> Result<Alert, Fault> {
        let told = error.detail().is_some() && error.kind == Kind::Unavailable;
        if matches!(error.kind, Kind::Internal | Kind::Unavailable) && !told {
            return Err(error.into());
        }
        Ok(Alert {
            status: vestibule_dialect::natural_status(error.kind),
            text: templates::error_text(site.voice(), &error),
            wrong: wrong_field(&error),
            retry_after: error.retry_after,
        })
    }
}

impl Alert {
    /// The same on a page where that field has another id.
    fn with_id(self, field: &str, id: &'static str) -> Alert {
        let wrong = self
            .wrong
            .map(|wrong| if wrong == field { id } else { wrong });
        Alert { wrong, ..self }
    }

    /// The same where the present password has that id.
    fn with_password(self, id: &'static str) -> Alert {
        self.with_id("password", id).with_id("current", id)
    }
}

fn wrong_field(error: &Error) -> Option<&'static str> {
    match (error.kind, error.reason()) {
        (Kind::MissingEmail | Kind::InvalidEmail | Kind::EmailTaken | Kind::SameEmail, _) => {
            Some("email")
        }
        (Kind::InvalidCredentials, Some(("present", _))) => Some("current"),
        (Kind::MissingPassword | Kind::WeakPassword | Kind::InvalidCredentials, _) => {
            Some("password")
        }
        (Kind::MissingName | Kind::InvalidName, _) => Some("name"),
        (Kind::InvalidCode | Kind::SpentCode, _) => Some("code"),
        (Kind::MalformedInput, Some(("timezone", _))) => Some("timezone"),
        _ => None,
    }
}

/// The page of a mailed link that is no good: says so, and how to go on. Its reference leads to an audit entry.
pub(crate) async fn link_spent(
    identity: &Identity,
    site: &Site,
    error: Error,
    values: Value,
) -> Answer {
    let kind = error.kind;
    let alert = Some(Alert::of(site, error)?);
    identity
        .note_refusal(&site.cx, "link.followed", kind)
        .await?;
    with_alert(site, alert, "link-spent.html", values)
}

/// The page with its alert, if any, and the status that goes with it.
fn with_alert(site: &Site, alert: Option<Alert>, name: &str, values: Value) -> Answer {
    let Some(alert) = alert else {
        return Ok(templates::page(site, StatusCode::OK, name, values)?);
    };
    let values = context! { alert => alert.text, wrong => alert.wrong, ..values };
    let mut response = templates::page(site, alert.status, name, values)?;
    if let Some(seconds) = alert.retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(response)
}
