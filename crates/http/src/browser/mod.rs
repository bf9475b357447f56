//! A browser that a dialect sends to be signed in: by a link with a login token, or by a form with an access token.
//!
//! The credential never stays in an address. Where the browser has to be asked something first, it waits in a sealed,
//! short-lived cookie.

mod waiting;

use axum::extract::State;
use axum::response::IntoResponse;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use minijinja::context;
use vestibule_dialect::{BrowserOpen, BrowserRequest};
use vestibule_identity::{
    Account, Authenticated, BrowserCredential, Cx, Error, Kind, Opened, SignedIn, Tenant,
};

use crate::cookie::Cookie;
use crate::extract::{self, Form, Visitor};
use crate::layers::Arrival;
use crate::pages::sign_in::{self, SignInForm};
use crate::pages::{self, Alert, Answer, see_other, with_cookies};
use crate::shared::{Everything, Shared};
use crate::site::Site;
use crate::{redirect, templates};
use waiting::Waiting;

const CHOICE_PAGE: &str = "/sign-in/choose";

/// Goes on with what a dialect's route found in the request.
pub(crate) async fn open(shared: &Everything, parts: &Parts, cx: Cx, open: BrowserOpen) -> Answer {
    // Link previews ask with HEAD; it must use nothing up.
    if parts.method == Method::HEAD {
        return Ok(StatusCode::OK.into_response());
    }
    let site = Site::new(cx, Arrival::of(parts)?);
    let request = match open.outcome {
        Ok(request) => request,
        Err(error) => return refused(shared, &site, error).await,
    };
    let next = next_page(&request);
    let Some(credential) = request.credential.clone() else {
        return sign_in::page(
            &site,
            SignInForm {
                next: &next,
                ..SignInForm::default()
            },
        );
    };
    if !is_navigation(&parts.headers) {
        return refused(shared, &site, Kind::NotANavigation.into()).await;
    }
    let leads_to = match leads_to(site.tenant(), &request, &next) {
        Ok(leads_to) => leads_to,
        Err(error) => return refused(shared, &site, error).await,
    };
    let dialect = site.cx.client.dialect.as_deref().map(str::to_owned);
    let waiting = Waiting {
        credential,
        leads_to,
        dialect,
    };
    if hides_its_session(parts, site.tenant()) {
        return ask(shared, &site, &waiting).await;
    }
    let current = extract::browser(&shared.identity, &site, &parts.headers).await?;
    match waiting
        .open(&shared.identity, &site, current.clone(), false)
        .await
    {
        Ok(Opened::SignedIn(new)) => signed_in(shared, &site, &waiting, current, &new).await,
        Ok(Opened::Ask { .. }) => ask(shared, &site, &waiting).await,
        Err(error) => refused(shared, &site, error).await,
    }
}

/// Whether this is a form of another site, sent by a browser in which somebody is signed in here: the session cookie is
/// held back from such a request, and comes with the next page.
fn hides_its_session(parts: &Parts, tenant: &Tenant) -> bool {
    parts.method == Method::POST
        && Cookie::Session.read(tenant, &parts.headers).is_none()
        && Cookie::Present.read(tenant, &parts.headers).is_some()
}

async fn signed_in(
    shared: &Everything,
    site: &Site,
    waiting: &Waiting,
    former: Option<Authenticated>,
    new: &SignedIn,
) -> Answer {
    shared.settings.metrics.sign_in("ok");
    let (identity, to) = (&shared.identity, &waiting.leads_to);
    match waiting.credential {
        BrowserCredential::LoginToken(_) => pages::signed_in(identity, site, former, new, to).await,
        // Whoever has the token of a session need not be who signed in.
        BrowserCredential::AccessToken { .. } => {
            pages::gone_on(identity, site, former, new, to).await
        }
    }
}

async fn ask(shared: &Everything, site: &Site, waiting: &Waiting) -> Answer {
    // What a link's further options make too long for a cookie leads home without them.
    let short = Waiting {
        leads_to: site.tenant().home().to_owned(),
        ..waiting.clone()
    };
    for waiting in [waiting, &short] {
        let sealed = waiting.seal(&shared.identity, site)?;
        if let Some(cookie) = Cookie::Choice.set(site.tenant(), &sealed, waiting::SECONDS) {
            return Ok(with_cookies(see_other(CHOICE_PAGE), vec![cookie]));
        }
    }
    // A credential too long for a cookie is none of ours.
    refused(shared, site, Kind::InvalidLoginToken.into()).await
}

/// The sign-in page with a plain explanation; no cookie, and nothing of the credential.
async fn refused(shared: &Everything, site: &Site, error: Error) -> Answer {
    shared.settings.metrics.sign_in(error.kind.code());
    // A fault of ours gets the error page, and is noted with that.
    if !matches!(error.kind, Kind::Internal | Kind::Unavailable) {
        let noted = shared
            .identity
            .note_refusal(&site.cx, "sign_in.browser", error.kind);
        noted.await?;
    }
    let alert = Some(Alert::of(site, error)?);
    sign_in::page(
        site,
        SignInForm {
            alert,
            ..SignInForm::default()
        },
    )
}

/// Only a person going to a page: no image, frame, script or prefetch. Browsers that do not tell are believed.
fn is_navigation(headers: &HeaderMap) -> bool {
    let told = |name: &str, wanted: &str| headers.get_all(name).iter().all(|value| value == wanted);
    let prefetches = |name: &str| {
        let mut lines = headers.get_all(name).iter();
        lines.any(|value| {
            value
                .as_bytes()
                .to_ascii_lowercase()
                .starts_with(b"prefetch")
        })
    };
    // The last two are what older browsers and mail programs send.
    let ahead = ["sec-purpose", "purpose", "x-moz"]
        .into_iter()
        .any(prefetches);
    told("sec-fetch-dest", "document") && told("sec-fetch-mode", "navigate") && !ahead
}

/// The page of ours that comes first after signing in: onboarding where it was asked for, which leads on to where its
/// closing leads. Empty: the tenant's app.
fn next_page(request: &BrowserRequest) -> String {
    if !request.onboarding {
        return String::new();
    }
    let close = request
        .return_to
        .as_deref()
        .and_then(redirect::internal_path);
    // The first `next` is the page's own; an option of that name behind it travels on.
    let has_next = request.pass_on.iter().any(|(name, _)| name == "next");
    let close = close
        .or_else(|| has_next.then(String::new))
        .map(|path| ("next".to_owned(), path));
    let options: Vec<_> = close
        .into_iter()
        .chain(request.pass_on.iter().cloned())
        .collect();
    redirect::with_options("/onboarding", &options)
}

fn leads_to(tenant: &Tenant, request: &BrowserRequest, next: &str) -> Result<String, Error> {
    if !next.is_empty() {
        return Ok(next.to_owned());
    }
    let target = match &request.destination {
        Some((name, values)) => {
            redirect::destination(tenant, name, values).ok_or(Kind::InvalidDestination)?
        }
        None => tenant.home().to_owned(),
    };
    Ok(redirect::with_options(&target, &request.pass_on))
}

/// GET: asks which of two people to be. Nothing is used up by asking.
pub(crate) async fn choose(
    State(shared): State<Shared>,
    method: Method,
    headers: HeaderMap,
    Visitor { site, who }: Visitor,
) -> Answer {
    if method == Method::HEAD {
        return Ok(StatusCode::OK.into_response());
    }
    let Some(waiting) = Waiting::read(&shared.identity, &site, &headers) else {
        return Ok(see_other("/sign-in"));
    };
    if !is_navigation(&headers) {
        return Err(Kind::NotANavigation.into());
    }
    match waiting
        .open(&shared.identity, &site, who.clone(), false)
        .await
    {
        Ok(Opened::SignedIn(new)) => signed_in(&shared, &site, &waiting, who, &new).await,
        Ok(Opened::Ask { offered, current }) => choice_page(&site, &offered, &current),
        Err(error) => forget(&site, refused(&shared, &site, error).await),
    }
}

fn choice_page(site: &Site, offered: &Account, current: &Account) -> Answer {
    let values = context! {
        offered_name => offered.display_name(), offered_email => &offered.email,
        current_name => current.display_name(), current_email => &current.email,
        home => site.tenant().home(),
    };
    Ok(templates::page(
        site,
        StatusCode::OK,
        "choose.html",
        values,
    )?)
}

/// POST: the answer.
pub(crate) async fn chosen(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Visitor { site, who }: Visitor,
    Form(fields): Form,
) -> Answer {
    let Some(waiting) = Waiting::read(&shared.identity, &site, &headers) else {
        return Ok(see_other("/sign-in"));
    };
    if fields.get("choice") != "new" {
        return forget(&site, Ok(see_other(site.tenant().home())));
    }
    match waiting
        .open(&shared.identity, &site, who.clone(), true)
        .await
    {
        Ok(Opened::SignedIn(new)) => signed_in(&shared, &site, &waiting, who, &new).await,
        Ok(Opened::Ask { .. }) => Ok(see_other(CHOICE_PAGE)),
        Err(error) => forget(&site, refused(&shared, &site, error).await),
    }
}

/// The answer, with the waiting credential removed from the browser.
fn forget(site: &Site, answer: Answer) -> Answer {
    let cookies = Cookie::Choice.clear(site.tenant()).into_iter().collect();
    answer.map(|response| with_cookies(response, cookies))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use http::HeaderValue;

    use super::*;
    use crate::site::sample_tenant;

    #[test]
    fn only_navigations_use_a_token() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_static(value));
            }
            is_navigation(&headers)
        };
        assert!(of(&[]));
        assert!(of(&[
            ("sec-fetch-dest", "document"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "cross-site")
        ]));
        for (name, value) in [
            ("sec-fetch-dest", "image"),
            ("sec-fetch-dest", "iframe"),
            ("sec-fetch-dest", "empty"),
            ("sec-fetch-mode", "no-cors"),
            ("sec-fetch-mode", "cors"),
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("purpose", "prefetch"),
            ("x-moz", "Prefetch"),
        ] {
            assert!(!of(&[(name, value)]), "{name}: {value}");
        }
    }

    #[test]
    fn where_a_hand_off_leads() {
        let tenant = sample_tenant("app_url = 'https://lms.acme.test/start'");
        let follow = |request: &BrowserRequest| {
            leads_to(&tenant, request, &next_page(request)).map_err(|error| error.kind)
        };
        let pass_on = vec![("utm".to_owned(), "a b".to_owned())];
        let plain = BrowserRequest {
            pass_on: pass_on.clone(),
            ..BrowserRequest::default()
        };
        assert_eq!(
            follow(&plain).unwrap(),
            "https://lms.acme.test/start?utm=a+b"
        );
        let onboarding = |return_to: &str| BrowserRequest {
            onboarding: true,
            return_to: Some(return_to.to_owned()),
            pass_on: pass_on.clone(),
            ..BrowserRequest::default()
        };
        assert_eq!(
            follow(&onboarding("/dashboard/education")).unwrap(),
            "/onboarding?next=%2Fdashboard%2Feducation&utm=a+b"
        );
        assert_eq!(
            follow(&onboarding("//evil.test")).unwrap(),
            "/onboarding?utm=a+b"
        );
        let course = |name: &str, id: &str| BrowserRequest {
            destination: Some((
                name.to_owned(),
                BTreeMap::from([("enrollmentId".to_owned(), id.to_owned())]),
            )),
            ..BrowserRequest::default()
        };
        assert_eq!(follow(&course("trainee", "7")).unwrap(), "/course/7");
        assert_eq!(
            follow(&course("nobody", "7")).unwrap_err(),
            Kind::InvalidDestination
        );
    }
}
