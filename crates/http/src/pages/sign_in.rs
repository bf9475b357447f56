//! Sign-in with e-mail address and password.

use axum::extract::State;
use minijinja::{Value, context};
use vestibule_identity::{CaptchaAt, Kind, SessionKind, SignInPassword};

use super::captcha::{self, with_captcha};
use super::{Alert, Answer, onward, see_other, signed_in};
use crate::extract::{Fields, Form, Query, Visitor};
use crate::shared::Shared;
use crate::site::Site;

const AT: CaptchaAt = CaptchaAt::SignIn;

/// What the form shows.
#[derive(Default)]
pub(crate) struct SignInForm<'a> {
    pub(crate) email: &'a str,
    /// Not checked yet; checked when it is followed.
    pub(crate) next: &'a str,
    /// Good news from the step before, by its key.
    pub(crate) notice: Option<&'static str>,
    pub(crate) alert: Option<Alert>,
}

pub(crate) fn page(site: &Site, form: SignInForm<'_>) -> Answer {
    let notice = form.notice.and_then(|key| site.voice().text(key));
    with_captcha(
        site,
        AT,
        form.alert,
        "sign-in.html",
        values(site, form.email, form.next, notice),
    )
}

fn values(site: &Site, email: &str, next: &str, notice: Option<&str>) -> Value {
    context! { email, next, notice, may_sign_up => site.tenant().file.registration.open }
}

/// GET. Whoever is signed in already is sent on.
pub(crate) async fn show(Visitor { site, who }: Visitor, Query(query): Query) -> Answer {
    if who.is_some() {
        return Ok(see_other(&onward(&site, query.get("next"))));
    }
    let notice = match query.get("notice") {
        "signed-out" => Some("notice.signed_out"),
        "password-reset" => Some("notice.password_reset"),
        "deletion-asked" => Some("notice.deletion_asked"),
        "email-changed" => Some("notice.email_changed"),
        "email-half" => Some("notice.email_half"),
        "email-refused" => Some("notice.email_refused"),
        _ => None,
    };
    page(
        &site,
        SignInForm {
            next: query.get("next"),
            notice,
            ..SignInForm::default()
        },
    )
}

/// POST.
pub(crate) async fn submit(
    State(shared): State<Shared>,
    Visitor { site, who }: Visitor,
    Form(fields): Form,
) -> Answer {
    let outcome = match missing(&fields) {
        Some(kind) => Err(kind.into()),
        None => {
            let email = fields.get("email").to_owned();
            let command = SignInPassword {
                email,
                password: fields.secret("password"),
                captcha: captcha::answer(&site, AT, &fields),
                kind: SessionKind::Browser,
            };
            shared.identity.sign_in_password(&site.cx, command).await
        }
    };
    shared.settings.metrics.sign_in(
        outcome
            .as_ref()
            .map_or_else(|error| error.kind.code(), |_| "ok"),
    );
    match outcome {
        Ok(new) => {
            let leads_to = onward(&site, fields.get("next"));
            signed_in(&shared.identity, &site, who, &new, &leads_to).await
        }
        Err(error) => {
            let alert = Some(Alert::of(&site, error)?);
            page(
                &site,
                SignInForm {
                    email: fields.get("email"),
                    next: fields.get("next"),
                    alert,
                    ..SignInForm::default()
                },
            )
        }
    }
}

pub(super) fn missing(fields: &Fields) -> Option<Kind> {
    match (fields.get("email").trim(), fields.get("password")) {
        ("", _) => Some(Kind::MissingEmail),
        (_, "") => Some(Kind::MissingPassword),
        _ => None,
    }
}
