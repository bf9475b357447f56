//! Forgotten passwords: asking for a link, and setting a new password by it.

use axum::extract::State;
use http::HeaderMap;
use minijinja::context;
use secrecy::{ExposeSecret, SecretString};
use vestibule_identity::{CaptchaAt, Error, ForgotPassword, Kind, OneTimeKind, ResetPassword};

use super::captcha::{self, with_captcha};
use super::{Alert, Answer, link_spent, see_other, with_alert, with_next};
use crate::cookie;
use crate::device;
use crate::extract::{Form, PathToken, Query};
use crate::flow::{Flow, Way};
use crate::pages::with_cookies;
use crate::redirect;
use crate::shared::Shared;
use crate::site::Site;

const AT: CaptchaAt = CaptchaAt::ForgotPassword;

fn ask_page(site: &Site, email: &str, next: &str, alert: Option<Alert>) -> Answer {
    let values = context! { email, next };
    with_captcha(site, AT, alert, "forgot-password.html", values)
}

/// GET `/forgot-password`.
pub(crate) async fn ask(site: Site, Query(query): Query) -> Answer {
    ask_page(&site, query.get("email"), query.get("next"), None)
}

/// POST `/forgot-password`: the same answer whether or not anybody has this address.
pub(crate) async fn send(State(shared): State<Shared>, site: Site, Form(fields): Form) -> Answer {
    let (email, next) = (fields.get("email"), fields.get("next"));
    let identity = &shared.identity;
    let flow = Flow::begin(identity, &site, Way::ForgottenPassword, &fields);
    let outcome = if email.trim().is_empty() {
        Err(Kind::MissingEmail.into())
    } else {
        let command = ForgotPassword {
            email: email.to_owned(),
            notify: true,
            link: None,
            proof: None,
            captcha: captcha::answer(&site, AT, &fields),
            begun: Some(flow.begun()),
        };
        identity.forgot_password(&site.cx, command).await
    };
    match outcome {
        Ok(_) => {
            let cookie = flow.remember(identity, site.tenant())?;
            let told = see_other("/forgot-password/sent");
            Ok(with_cookies(told, cookie.into_iter().collect()))
        }
        Err(error) => ask_page(&site, email, next, Some(Alert::of(&site, error)?)),
    }
}

/// GET `/forgot-password/sent`: tells of the mail, and takes its code.
pub(crate) async fn sent(State(shared): State<Shared>, site: Site, headers: HeaderMap) -> Answer {
    match Flow::read(&shared.identity, &site, Way::ForgottenPassword, &headers) {
        Some(flow) => sent_page(&site, &flow, None),
        None => Ok(see_other("/forgot-password")),
    }
}

fn sent_page(site: &Site, flow: &Flow, alert: Option<Alert>) -> Answer {
    let again = redirect::with_options(
        &with_next("/forgot-password", &flow.next),
        &[("email".to_owned(), flow.email.clone())],
    );
    let values = context! { email => &flow.email, next => &flow.next, again };
    with_alert(site, alert, "forgot-password-sent.html", values)
}

/// POST `/forgot-password/sent`: the code of the mail takes the place of its link.
pub(crate) async fn code(
    State(shared): State<Shared>,
    site: Site,
    headers: HeaderMap,
    Form(fields): Form,
) -> Answer {
    let identity = &shared.identity;
    let Some(flow) = Flow::read(identity, &site, Way::ForgottenPassword, &headers) else {
        return Ok(see_other("/forgot-password"));
    };
    let typed = fields.get("code");
    let name = flow.name();
    let of = (&name, &*flow.email);
    match identity.reset_code(&site.cx, of, typed).await {
        Ok(token) => {
            let form = format!("/reset-password/{}", token.expose_secret());
            Ok(see_other(&form))
        }
        Err(error) => sent_page(&site, &flow, Some(Alert::of(&site, error)?)),
    }
}

/// GET `/reset-password/{token}`: the form. Changes nothing.
pub(crate) async fn show(
    State(shared): State<Shared>,
    site: Site,
    PathToken(token): PathToken,
) -> Answer {
    reset_page(&shared, &site, &token, None).await
}

/// POST `/reset-password/{token}`: sets the password; every session has ended, so the way on is to sign in.
pub(crate) async fn reset(
    State(shared): State<Shared>,
    site: Site,
    PathToken(token): PathToken,
    Form(fields): Form,
) -> Answer {
    let outcome = if fields.get("password").is_empty() {
        Err(Kind::MissingPassword.into())
    } else {
        let command = ResetPassword {
            token: token.clone(),
            password: fields.secret("password"),
        };
        shared.identity.reset_and_return(&site.cx, command).await
    };
    match outcome {
        Ok((account, return_to)) => {
            let on = with_next("/sign-in?notice=password-reset", &return_to);
            let mut cookies = cookie::sign_out(site.tenant());
            // Whoever reads the mailbox is not held up by strangers' guesses.
            cookies.extend(device::remember(&shared.identity, &site, &account));
            Ok(with_cookies(see_other(&on), cookies))
        }
        Err(error) if matches!(error.kind, Kind::InvalidToken | Kind::RateLimited) => {
            spent(&shared, &site, error).await
        }
        Err(error) => {
            let alert = Alert::of(&site, error)?;
            reset_page(&shared, &site, &token, Some(alert)).await
        }
    }
}

async fn reset_page(
    shared: &Shared,
    site: &Site,
    token: &SecretString,
    alert: Option<Alert>,
) -> Answer {
    match shared
        .identity
        .peek_one_time(&site.cx, OneTimeKind::ResetPassword, token)
        .await
    {
        Ok(account) => {
            let min_length = site.tenant().file.password.min_length;
            with_alert(
                site,
                alert,
                "reset-password.html",
                context! { email => account.email, min_length },
            )
        }
        Err(error) => spent(shared, site, error).await,
    }
}

/// The link is no good: says so, and how to get another.
async fn spent(shared: &Shared, site: &Site, error: Error) -> Answer {
    let values = context! { again => "/forgot-password", again_key => "link_spent.reset_again" };
    link_spent(&shared.identity, site, error, values).await
}
