//! Where an invitation's mail links to: a form for the first password. Opening it changes nothing.

use axum::extract::State;
use minijinja::context;
use secrecy::SecretString;
use vestibule_identity::{AcceptInvitation, Authenticated, Error, Kind, OneTimeKind};

use super::{Alert, Answer, link_spent, onward, signed_in, welcome, with_alert};
use crate::extract::{Form, PathToken, Visitor};
use crate::shared::Shared;
use crate::site::Site;

/// GET `/invitation/{token}`.
pub(crate) async fn show(
    State(shared): State<Shared>,
    Visitor { site, who }: Visitor,
    PathToken(token): PathToken,
) -> Answer {
    page(&shared, &site, who, (&token, None)).await
}

/// POST `/invitation/{token}`: sets the password and signs in.
pub(crate) async fn accept(
    State(shared): State<Shared>,
    Visitor { site, who }: Visitor,
    PathToken(token): PathToken,
    Form(fields): Form,
) -> Answer {
    let outcome = if fields.get("password").is_empty() {
        Err(Kind::MissingPassword.into())
    } else {
        let command = AcceptInvitation {
            token: token.clone(),
            password: fields.secret("password"),
        };
        shared.identity.accept_invitation(&site.cx, command).await
    };
    match outcome {
        Ok(new) => {
            let leads_to = welcome(&site, &new.account, "");
            signed_in(&shared.identity, &site, who, &new, &leads_to).await
        }
        Err(error) if matches!(error.kind, Kind::InvalidToken | Kind::RateLimited) => {
            spent(&shared, &site, who, error).await
        }
        Err(error) => {
            let alert = Some(Alert::of(&site, error)?);
            page(&shared, &site, who, (&token, alert)).await
        }
    }
}

async fn page(
    shared: &Shared,
    site: &Site,
    who: Option<Authenticated>,
    (token, alert): (&SecretString, Option<Alert>),
) -> Answer {
    let kind = OneTimeKind::Invitation;
    match shared.identity.peek_one_time(&site.cx, kind, token).await {
        Ok(account) => {
            let min_length = site.tenant().file.password.min_length;
            let values = context! { email => account.email, min_length };
            with_alert(site, alert, "invitation.html", values)
        }
        Err(error) => spent(shared, site, who, error).await,
    }
}

/// The link is no good: says so, and how to get in all the same.
async fn spent(shared: &Shared, site: &Site, who: Option<Authenticated>, error: Error) -> Answer {
    let values = context! {
        confirmed => who.map(|who| who.account.email.clone()),
        leads_to => onward(site, ""),
        again => "/forgot-password",
        again_key => "link_spent.invitation_again",
    };
    link_spent(&shared.identity, site, error, values).await
}
