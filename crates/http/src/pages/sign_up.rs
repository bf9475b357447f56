//! Sign-up with name, e-mail address and password.

use axum::extract::State;
use minijinja::context;
use vestibule_identity::{CaptchaAt, Kind, Register, SessionKind};

use super::captcha::{self, with_captcha};
use super::{Alert, Answer, onward, see_other, sign_in, signed_in, with_alert, with_next};
use crate::extract::{Fields, Form, Query, Visitor};
use crate::language;
use crate::shared::Shared;
use crate::site::Site;

const AT: CaptchaAt = CaptchaAt::SignUp;

fn page(site: &Site, fields: &Fields, alert: Option<Alert>) -> Answer {
    let file = &site.tenant().file;
    let values = context! {
        email => fields.get("email"),
        name => fields.get("name"),
        next => fields.get("next"),
        open => file.registration.open,
        elsewhere => captcha::is_elsewhere(site, AT),
        app => file.app_url.as_deref(),
        min_length => file.password.min_length,
    };
    match file.registration.open {
        true => with_captcha(site, AT, alert, "sign-up.html", values),
        false => with_alert(site, alert, "sign-up.html", values),
    }
}

/// The page's language, for the mails to come, unless it is that of the tenant's default.
fn language_to_keep(site: &Site) -> Option<String> {
    let default = language::of_tag(&site.tenant().file.defaults.locale);
    let spoken = site.language();
    (default != Some(spoken)).then(|| spoken.to_owned())
}

/// GET. Whoever is signed in already is sent on.
pub(crate) async fn show(Visitor { site, who }: Visitor, Query(query): Query) -> Answer {
    if who.is_some() {
        return Ok(see_other(&onward(&site, query.get("next"))));
    }
    page(&site, &query, None)
}

/// POST: creates the account, signs in, and leads to the page that tells of the mail.
pub(crate) async fn submit(
    State(shared): State<Shared>,
    Visitor { site, who }: Visitor,
    Form(fields): Form,
) -> Answer {
    let missing = sign_in::missing(&fields).or_else(|| {
        fields
            .get("name")
            .trim()
            .is_empty()
            .then_some(Kind::MissingName)
    });
    let outcome = match missing {
        Some(kind) => Err(kind.into()),
        None => {
            let command = Register {
                email: fields.get("email").to_owned(),
                password: fields.secret("password"),
                name: fields.get("name").to_owned(),
                captcha: captcha::answer(&site, AT, &fields),
                kind: SessionKind::Browser,
                return_to: Some(fields.get("next").to_owned()),
                locale: language_to_keep(&site),
            };
            shared.identity.register(&site.cx, command).await
        }
    };
    match outcome {
        Ok(new) => {
            let told = with_next("/verify-email", fields.get("next"));
            signed_in(&shared.identity, &site, who, &new, &told).await
        }
        Err(error) => page(&site, &fields, Some(Alert::of(&site, error)?)),
    }
}
