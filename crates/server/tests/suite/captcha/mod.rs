//! Captchas: proof of work of our own, solved with the protocol's official library, and the providers' widgets.

mod pages;
mod work;

use altcha::{Challenge, Payload, SolveChallengeOptions, solve_challenge};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use vestibule_identity::Cx;

use crate::app::TestApp;
use crate::browser::HOST;

/// Proof of work wherever a captcha can be asked for, as cheap as the settings let it be.
pub const EVERYWHERE: &str = "[registration]\ncaptcha = 'pow'\ncaptcha_cost = 100\ncaptcha_on = ['sign-up', 'sign-in', 'forgot-password']\n";

pub async fn guarded(app: &TestApp) -> Cx {
    app.acme_with(EVERYWHERE).await
}

/// A fresh challenge of the tenant at this host.
pub async fn challenge(app: &TestApp, host: &str) -> Value {
    app.get(host, "/captcha/challenge", &[])
        .await
        .status(200)
        .json()
}

/// The widget's answer to a challenge, taken apart.
pub fn solution(challenge: &Value) -> Value {
    let challenge: Challenge = serde_json::from_value(challenge.clone()).unwrap();
    let solution = solve_challenge(SolveChallengeOptions::new(&challenge))
        .unwrap()
        .unwrap();
    json!(Payload {
        challenge,
        solution
    })
}

pub fn encoded(answer: &Value) -> String {
    STANDARD.encode(answer.to_string())
}

/// A right answer to a fresh challenge.
pub async fn solved(app: &TestApp) -> String {
    encoded(&solution(&challenge(app, HOST).await))
}
