//! Forgotten passwords: asking for a link, and setting a new password by it.

use axum::extract::State;
use minijinja::context;
use secrecy::SecretString;
use vestibule_identity::{CaptchaAt, Error, ForgotPassword, Kind, OneTimeKind, ResetPassword};

use super::captcha::{self, with_captcha};
use super::{Alert, Answer, see_other, with_alert};
use crate::cookie;
use crate::extract::{Form, PathToken, Query};
use crate::pages::with_cookies;
use crate::shared::Shared;
use crate::site::Site;

const AT: CaptchaAt = CaptchaAt::ForgotPassword;

fn ask_page(site: &Site, email: &str, sent: bool, alert: Option<Alert>) -> Answer {
    let (name, values) = ("forgot-password.html", context! { email, sent });
    match sent {
        true => with_alert(site, alert, name, values),
        false => with_captcha(site, AT, alert, name, values),
    }
}

/// GET `/forgot-password`.
pub(crate) async fn ask(site: Site, Query(query): Query) -> Answer {
    ask_page(&site, query.get("email"), false, None)
}

/// POST `/forgot-password`: the same answer whether or not anybody has this address.
pub(crate) async fn send(State(shared): State<Shared>, site: Site, Form(fields): Form) -> Answer {
    let email = fields.get("email");
    let outcome = if email.trim().is_empty() {
        Err(Kind::MissingEmail.into())
    } else {
        let command = ForgotPassword {
            email: email.to_owned(),
            notify: true,
            link: None,
            proof: None,
            captcha: captcha::answer(&site, AT, &fields),
        };
        shared.identity.forgot_password(&site.cx, command).await
    };
    match outcome {
        Ok(_) => ask_page(&site, email, true, None),
        Err(error) => ask_page(&site, email, false, Some(Alert::of(&site, error)?)),
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
        shared.identity.reset_password(&site.cx, command).await
    };
    match outcome {
        Ok(_) => Ok(with_cookies(
            see_other("/sign-in?notice=password-reset"),
            cookie::sign_out(site.tenant()),
        )),
        Err(error) if matches!(error.kind, Kind::InvalidToken | Kind::RateLimited) => {
            spent(&site, error)
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
        Err(error) => spent(site, error),
    }
}

/// The link is no good: says so, and how to get another.
fn spent(site: &Site, error: Error) -> Answer {
    let values = context! { again => "/forgot-password", again_key => "link_spent.reset_again" };
    let alert = Some(Alert::of(site, error)?);
    with_alert(site, alert, "link-spent.html", values)
}
