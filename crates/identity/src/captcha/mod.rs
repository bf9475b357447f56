//! Proofs of being human: work that the client does, or the word of the provider that the tenant configured. A provider
//! that does not answer lets nobody in.

mod pow;
pub(crate) mod store;

pub use pow::PowChallenge;
#[cfg(feature = "fuzzing")]
pub(crate) use pow::is_read;

use secrecy::ExposeSecret;
use serde_json::Value;

use crate::Identity;
use crate::context::Cx;
use crate::error::{Error, Kind, Result};
use crate::limit::{BAD_TOKENS, address_key};
use crate::tenant::{Captcha, CaptchaAt};

fn verdict_url(captcha: Captcha) -> Option<&'static str> {
    match captcha {
        Captcha::None | Captcha::Pow => None,
        Captcha::Turnstile => Some("https://challenges.cloudflare.com/turnstile/v0/siteverify"),
        Captcha::Hcaptcha => Some("https://api.hcaptcha.com/siteverify"),
        Captcha::Recaptcha => Some("https://www.google.com/recaptcha/api/siteverify"),
    }
}

/// The answer that the tenant wants with such a request; none where it wants none.
pub(crate) fn wanted<'a>(
    cx: &Cx,
    at: CaptchaAt,
    answer: Option<&'a str>,
) -> Result<Option<&'a str>> {
    if !cx.tenant.file.registration.wants_captcha(at) {
        return Ok(None);
    }
    let given = answer.map(str::trim).filter(|answer| !answer.is_empty());
    Ok(Some(given.ok_or(Kind::MissingCaptcha)?))
}

impl Identity {
    /// Not wanted here: nothing asked. Otherwise the answer must be there and hold.
    pub(crate) async fn check_captcha(
        &self,
        cx: &Cx,
        at: CaptchaAt,
        answer: Option<&str>,
    ) -> Result<()> {
        let Some(answer) = wanted(cx, at, answer)? else {
            return Ok(());
        };
        // Each answer costs a derivation or a question to the provider: wrong ones are counted, and then not looked at.
        self.limits()
            .check(BAD_TOKENS, &address_key(&cx.tenant.id, &cx.client), cx.now)?;
        let checked = match cx.tenant.file.registration.captcha {
            Captcha::Pow => self.take_work(cx, answer).await,
            _ => self.ask_provider(cx, answer).await,
        };
        checked.map_err(|error| self.bad_token(cx, error))
    }

    async fn ask_provider(&self, cx: &Cx, answer: &str) -> Result<()> {
        let registration = &cx.tenant.file.registration;
        let url = registration
            .captcha_url
            .as_deref()
            .or_else(|| verdict_url(registration.captcha));
        let (Some(url), Some(reference)) = (url, registration.captcha_secret.as_deref()) else {
            return Err(Error::internal(
                "the tenant's captcha is not fully configured",
            ));
        };
        let unchecked = |why: String, what: &str| {
            tracing::warn!(tenant = cx.tenant.slug(), %why, "{what}");
            Error::unavailable(why)
                .saying("The captcha could not be checked just now. Try again in a moment.")
        };
        let secret = self.references().resolve(reference);
        let secret = secret.map_err(|why| unchecked(why, "no `registration.captcha_secret`"))?;
        let form = [("secret", secret.expose_secret()), ("response", answer)];
        let silent = |why| unchecked(why, "the captcha's provider gave no verdict");
        let body = self.ports().upstream.post_form(url, &form).await;
        let verdict: Value = body
            .and_then(|body| serde_json::from_slice(&body).map_err(|error| error.to_string()))
            .map_err(silent)?;
        match verdict.get("success") {
            Some(Value::Bool(true)) => Ok(()),
            _ => Err(Kind::InvalidCaptcha.into()),
        }
    }
}
