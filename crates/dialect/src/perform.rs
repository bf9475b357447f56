//! From checked inputs to one operation of the identity core.

use std::sync::Arc;

use secrecy::ExposeSecret;
use vestibule_identity::{
    Cx, Error, ExchangePartnerToken, ForgotPassword, Identity, Kind, ProviderKind, Refresh,
    Register, ResendVerification, ResetPassword, SessionKind, SignInPassword, SignInProvider,
    VerifyEmail,
};

use crate::inputs::Inputs;
use crate::operation::Verb;
use crate::scope::Outcome;

const KIND: SessionKind = SessionKind::Api;

/// Runs the operation. A browser's wish is not run here: the surface that owns the cookie does.
pub(crate) async fn perform(
    identity: &Identity,
    cx: &Cx,
    verb: Verb,
    mut inputs: Inputs,
) -> Result<Outcome, Error> {
    let signed_in = match verb {
        Verb::SignInPassword => {
            identity
                .sign_in_password(cx, sign_in_password(&mut inputs))
                .await?
        }
        Verb::Register => identity.register(cx, register(&mut inputs)).await?,
        Verb::VerifyEmail => {
            identity
                .verify_email(
                    cx,
                    VerifyEmail {
                        token: inputs.secret("token"),
                        kind: KIND,
                    },
                )
                .await?
        }
        Verb::ResendVerification => {
            let (token, captcha) = (
                inputs.secret("token"),
                plain(inputs.optional_secret("captcha")),
            );
            identity
                .resend_verification(cx, ResendVerification { token, captcha })
                .await?
        }
        Verb::RefreshSession => {
            let (token, rotate) = (inputs.secret("token"), inputs.flag("rotate"));
            identity.refresh(cx, Refresh { token, rotate }).await?
        }
        Verb::SignInProvider => {
            let provider = provider(&inputs.text("provider"))?;
            identity
                .sign_in_provider(
                    cx,
                    SignInProvider {
                        provider,
                        token: inputs.secret("token"),
                        kind: KIND,
                    },
                )
                .await?
        }
        _ => return perform_unsigned(identity, cx, verb, inputs).await,
    };
    Ok(Outcome {
        signed_in: Some(Arc::new(signed_in)),
        ..Outcome::default()
    })
}

/// The operations after which nobody is signed in.
async fn perform_unsigned(
    identity: &Identity,
    cx: &Cx,
    verb: Verb,
    mut inputs: Inputs,
) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    match verb {
        Verb::ExchangePartnerToken => {
            let (key, email, uid) = (
                inputs.secret("key"),
                inputs.text("email"),
                inputs.secret("uid"),
            );
            outcome.account = Some(
                identity
                    .exchange_partner_token(cx, ExchangePartnerToken { key, email, uid })
                    .await?,
            );
        }
        Verb::ForgotPassword => {
            let (email, notify) = (inputs.text("email"), inputs.flag("notify"));
            let (link, proof) = (
                inputs.optional_text("link"),
                inputs.optional_secret("proof"),
            );
            let captcha = plain(inputs.optional_secret("captcha"));
            let token = identity
                .forgot_password(
                    cx,
                    ForgotPassword {
                        email,
                        notify,
                        link,
                        proof,
                        captcha,
                        begun: None,
                    },
                )
                .await?;
            outcome.reset_token = Some(token.expose_secret().to_owned());
        }
        Verb::ResetPassword => {
            let (token, password) = (inputs.secret("token"), inputs.secret("password"));
            outcome.account = Some(
                identity
                    .reset_password(cx, ResetPassword { token, password })
                    .await?,
            );
        }
        Verb::EmailExists => {
            outcome.exists = Some(identity.email_exists(cx, inputs.text("email")).await?)
        }
        other => {
            return Err(Error::internal(format!(
                "{other:?} is not an operation that answers JSON"
            )));
        }
    }
    Ok(outcome)
}

pub(crate) fn sign_in_password(inputs: &mut Inputs) -> SignInPassword {
    SignInPassword {
        email: inputs.text("email"),
        password: inputs.secret("password"),
        captcha: plain(inputs.optional_secret("captcha")),
        kind: KIND,
    }
}

pub(crate) fn register(inputs: &mut Inputs) -> Register {
    Register {
        email: inputs.text("email"),
        password: inputs.secret("password"),
        name: inputs.text("name"),
        captcha: plain(inputs.optional_secret("captcha")),
        kind: KIND,
    }
}

fn plain(secret: Option<secrecy::SecretString>) -> Option<String> {
    secret.map(|secret| secret.expose_secret().to_owned())
}

fn provider(name: &str) -> Result<ProviderKind, Error> {
    match name {
        "google" => Ok(ProviderKind::Google),
        _ => Err(Kind::InvalidProvider.into()),
    }
}
