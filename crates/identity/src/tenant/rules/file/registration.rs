//! `[registration]`: its captcha above all.

use super::{Faults, is_reference, is_web_address, repeated};
use crate::tenant::{Captcha, CaptchaAt, Registration};

pub(super) fn check(given: &Registration, faults: &mut Faults) {
    if let Some(secret) = &given.captcha_secret {
        // What stands there may be the secret itself: it is not repeated.
        faults.unless(
            is_reference(secret),
            "registration.captcha_secret",
            "names where the secret is: env:NAME or file:PATH",
        );
    }
    if let Some(url) = &given.captcha_url {
        let message = format!("`{url}` is not a web address");
        faults.unless(is_web_address(url), "registration.captcha_url", message);
    }
    if let Some(key) = &given.captcha_site_key {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        faults.unless(
            (1..=200).contains(&key.len()) && key.bytes().all(plain),
            "registration.captcha_site_key",
            "a site key has letters, digits, - and _ only",
        );
    }
    faults.unless(
        (100..=50_000).contains(&given.captcha_cost),
        "registration.captcha_cost",
        "the cost of proof of work is 100 to 50000",
    );
    for at in repeated(given.captcha_on.iter().enumerate()) {
        let field = format!("registration.captcha_on.{at}");
        faults.unless(false, &field, "is listed twice");
    }
    captcha(given, faults);
}

/// What the kind of captcha needs, and what it has no use for.
fn captcha(given: &Registration, faults: &mut Faults) {
    let asks_nothing = given.captcha == Captcha::None || !given.captcha_on.is_empty();
    faults.unless(
        asks_nothing,
        "registration.captcha_on",
        "names at least one of sign-up, sign-in, forgot-password; without a captcha say captcha = \"none\"",
    );
    match given.captcha {
        Captcha::None => {}
        Captcha::Pow => {
            for (field, value) in [
                ("registration.captcha_secret", &given.captcha_secret),
                ("registration.captcha_site_key", &given.captcha_site_key),
                ("registration.captcha_url", &given.captcha_url),
            ] {
                faults.unless(
                    value.is_none(),
                    field,
                    "`pow` asks nobody else; leave this out",
                );
            }
        }
        Captcha::Turnstile | Captcha::Hcaptcha | Captcha::Recaptcha => {
            faults.unless(
                given.captcha_secret.is_some(),
                "registration.captcha_secret",
                "this captcha needs its secret, as env:NAME or file:PATH",
            );
            let beyond_sign_up = given.captcha_on.iter().any(|at| *at != CaptchaAt::SignUp);
            faults.unless(
                given.captcha_site_key.is_some() || !beyond_sign_up,
                "registration.captcha_site_key",
                "pages that ask for this captcha need its site key",
            );
        }
    }
}
