//! A new e-mail address: asked for on the account page, confirmed by links in both mailboxes. Opening a link changes nothing.

use axum::extract::State;
use axum::response::Response;
use minijinja::context;
use vestibule_identity::{Authenticated, ChangeEmail, Error, Kind, Mailbox};

use super::account::{self, EMAIL};
use super::{Alert, Answer, link_spent, see_other, with_alert};
use crate::extract::{Form, PathToken, Person, Visitor};
use crate::shared::Shared;
use crate::site::Site;

/// POST `/account/email`: the wish, or that it is to be forgotten.
pub(crate) async fn ask(
    State(shared): State<Shared>,
    person: Person,
    Form(fields): Form,
) -> Answer {
    let Person { site, who } = &person;
    let identity = &shared.identity;
    if fields.has("cancel") {
        identity.cancel_email_change(&site.cx, who).await?;
        return Ok(see_other("/account?notice=email-change-cancelled"));
    }
    let email = fields.get("email");
    let outcome = if email.trim().is_empty() {
        Err(Kind::MissingEmail.into())
    } else {
        let command = ChangeEmail {
            email: email.to_owned(),
            password: Some(fields.secret("password")),
        };
        identity.change_email(&site.cx, who, command).await
    };
    match outcome {
        Ok(()) => Ok(see_other("/account?notice=email-change-asked")),
        Err(error) => {
            let alert = Alert::of(site, error)?
                .with_id("email", "new_email")
                .with_password("email_password");
            let typed = context! { section => EMAIL, new_email => email };
            account::page(&shared, &person, typed, Some(alert)).await
        }
    }
}

/// GET `/account/email/{token}`: what the link would say yes to.
pub(crate) async fn show(
    State(shared): State<Shared>,
    site: Site,
    PathToken(token): PathToken,
) -> Answer {
    match shared.identity.peek_email_change(&site.cx, &token).await {
        Ok(change) => {
            let values = context! {
                is_new => change.mailbox == Mailbox::New,
                old_email => change.old_email,
                new_email => change.new_email,
            };
            with_alert(&site, None, "email-change.html", values)
        }
        Err(error) => spent(&shared, &site, error).await,
    }
}

/// POST `/account/email/{token}`: yes or no.
pub(crate) async fn answer(
    State(shared): State<Shared>,
    Visitor { site, who }: Visitor,
    PathToken(token): PathToken,
    Form(fields): Form,
) -> Answer {
    let identity = &shared.identity;
    let outcome = match fields.get("answer") {
        "no" => identity
            .refuse_email_change(&site.cx, &token)
            .await
            .map(|_| "email-refused"),
        _ => identity
            .confirm_email_change(&site.cx, &token)
            .await
            .map(|change| match change.done {
                true => "email-changed",
                false => "email-half",
            }),
    };
    match outcome {
        Ok(notice) => Ok(told(who, notice)),
        Err(error) => spent(&shared, &site, error).await,
    }
}

/// On to the account page where somebody is signed in, else to sign-in.
fn told(who: Option<Authenticated>, notice: &str) -> Response {
    let page = if who.is_some() { "account" } else { "sign-in" };
    see_other(&format!("/{page}?notice={notice}"))
}

/// The link is no good: says so, and how to get another.
async fn spent(shared: &Shared, site: &Site, error: Error) -> Answer {
    let values = context! { again => "/account", again_key => "link_spent.email_again" };
    link_spent(&shared.identity, site, error, values).await
}
