//! Proofs of being human, checked with the provider that the tenant configured. A provider that does not answer lets nobody in.

use secrecy::ExposeSecret;
use serde_json::Value;

use crate::Identity;
use crate::context::Cx;
use crate::error::{Error, Kind, Result};
use crate::tenant::Captcha;

fn verdict_url(captcha: Captcha) -> Option<&'static str> {
    match captcha {
        Captcha::None | Captcha::Pow => None,
        Captcha::Turnstile => Some("https://challenges.cloudflare.com/turnstile/v0/siteverify"),
        Captcha::Hcaptcha => Some("https://api.hcaptcha.com/siteverify"),
        Captcha::Recaptcha => Some("https://www.google.com/recaptcha/api/siteverify"),
    }
}

/// The answer that the tenant wants with this request; none where it wants none.
pub(crate) fn wanted<'a>(cx: &Cx, answer: Option<&'a str>) -> Result<Option<&'a str>> {
    if cx.tenant.file.registration.captcha == Captcha::None {
        return Ok(None);
    }
    let given = answer.map(str::trim).filter(|answer| !answer.is_empty());
    Ok(Some(given.ok_or(Kind::MissingCaptcha)?))
}

impl Identity {
    /// Nothing configured: nothing asked. Otherwise the answer must be there and the provider must confirm it.
    pub(crate) async fn check_captcha(&self, cx: &Cx, answer: Option<&str>) -> Result<()> {
        let registration = &cx.tenant.file.registration;
        let Some(answer) = wanted(cx, answer)? else {
            return Ok(());
        };
        let url = registration
            .captcha_url
            .as_deref()
            .or_else(|| verdict_url(registration.captcha));
        let (Some(url), Some(reference)) = (url, registration.captcha_secret.as_deref()) else {
            return Err(Error::internal(
                "the tenant's captcha is not fully configured",
            ));
        };
        let secret = self
            .references()
            .resolve(reference)
            .map_err(Error::internal)?;
        let form = [("secret", secret.expose_secret()), ("response", answer)];
        let body = self
            .ports()
            .upstream
            .post_form(url, &form)
            .await
            .map_err(Error::unavailable)?;
        let verdict: Value = serde_json::from_slice(&body).map_err(Error::unavailable)?;
        match verdict.get("success") {
            Some(Value::Bool(true)) => Ok(()),
            _ => Err(Kind::InvalidCaptcha.into()),
        }
    }
}
