//! The captcha on forms: its widget, the Content-Security-Policy that lets it run, and its answer.

use http::header;
use minijinja::{Value, context};
use vestibule_identity::{Captcha, CaptchaAt, PowChallenge};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;

use super::{Alert, Answer, with_alert};
use crate::extract::Fields;
use crate::fault::Fault;
use crate::layers::{Beyond, page_policy};
use crate::shared::Shared;
use crate::site::Site;
use crate::templates::ASSETS_HASH;

/// What a provider's documentation says its widget is.
struct Provider {
    name: &'static str,
    script: &'static str,
    class: &'static str,
    /// The form field that the widget fills.
    field: &'static str,
    beyond: Beyond,
}

const TURNSTILE: Provider = Provider {
    name: "turnstile",
    script: "https://challenges.cloudflare.com/turnstile/v0/api.js",
    class: "cf-turnstile",
    field: "cf-turnstile-response",
    beyond: Beyond {
        script: "https://challenges.cloudflare.com",
        frame: "https://challenges.cloudflare.com",
        ..Beyond::NOTHING
    },
};
const HCAPTCHA_HOSTS: &str = "https://hcaptcha.com https://*.hcaptcha.com";
const HCAPTCHA: Provider = Provider {
    name: "hcaptcha",
    script: "https://js.hcaptcha.com/1/api.js",
    class: "h-captcha",
    field: "h-captcha-response",
    beyond: Beyond {
        script: HCAPTCHA_HOSTS,
        frame: HCAPTCHA_HOSTS,
        style: HCAPTCHA_HOSTS,
        connect: HCAPTCHA_HOSTS,
    },
};
const RECAPTCHA: Provider = Provider {
    name: "recaptcha",
    script: "https://www.google.com/recaptcha/api.js",
    class: "g-recaptcha",
    field: "g-recaptcha-response",
    beyond: Beyond {
        script: "https://www.google.com/recaptcha/ https://www.gstatic.com/recaptcha/",
        frame: "https://www.google.com/recaptcha/ https://recaptcha.google.com/recaptcha/",
        ..Beyond::NOTHING
    },
};
/// The field that the ALTCHA widget fills.
const WORK_FIELD: &str = "altcha";

/// A widget as its form shows it.
struct Widget {
    values: Value,
    field: &'static str,
    beyond: Beyond,
}

/// What the form must show; none where no captcha is asked for, or the tenant has given no site key.
fn widget(site: &Site, at: CaptchaAt) -> Option<Widget> {
    let registration = &site.tenant().file.registration;
    if !registration.wants_captcha(at) {
        return None;
    }
    let provider = match registration.captcha {
        Captcha::None => return None,
        Captcha::Pow => {
            let asset = |name| format!("/assets/{}/{name}", *ASSETS_HASH);
            return Some(Widget {
                values: context! {
                    kind => "pow", script => asset("captcha.js"), style => asset("altcha.css"), field => WORK_FIELD,
                },
                field: WORK_FIELD,
                beyond: Beyond::OWN_FETCHES,
            });
        }
        Captcha::Turnstile => TURNSTILE,
        Captcha::Hcaptcha => HCAPTCHA,
        Captcha::Recaptcha => RECAPTCHA,
    };
    let Provider {
        name,
        script,
        class,
        ..
    } = provider;
    let site_key = registration.captcha_site_key.as_deref()?;
    Some(Widget {
        values: context! { kind => name, script, class, site_key },
        field: provider.field,
        beyond: provider.beyond,
    })
}

/// Whether the form asks for a captcha that it cannot show.
pub(super) fn is_elsewhere(site: &Site, at: CaptchaAt) -> bool {
    site.tenant().file.registration.wants_captcha(at) && widget(site, at).is_none()
}

/// The answer among the form's fields.
pub(super) fn answer(site: &Site, at: CaptchaAt, fields: &Fields) -> Option<String> {
    widget(site, at).map(|widget| fields.get(widget.field).to_owned())
}

/// `with_alert`, with the captcha of such a form.
pub(super) fn with_captcha(
    site: &Site,
    at: CaptchaAt,
    alert: Option<Alert>,
    name: &str,
    values: Value,
) -> Answer {
    let Some(widget) = widget(site, at) else {
        return with_alert(site, alert, name, values);
    };
    let values = context! { captcha => widget.values, ..values };
    let mut response = with_alert(site, alert, name, values)?;
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        page_policy(Some(site.tenant()), &widget.beyond),
    );
    Ok(response)
}

/// GET `/captcha/challenge`: for the widget, on our pages or on those of a partner.
pub(crate) async fn challenge(State(shared): State<Shared>, site: Site) -> Result<Response, Fault> {
    let challenge: PowChallenge = shared.identity.captcha_challenge(&site.cx)?;
    let anybody = [(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    )];
    Ok((anybody, axum::Json(challenge)).into_response())
}
