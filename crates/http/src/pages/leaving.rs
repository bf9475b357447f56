//! Taking one's data along, and having the account deleted; for those who come back within the grace, keeping it.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use minijinja::context;
use vestibule_identity::Error;

use super::account::{self, DATA, DELETION};
use super::{Alert, Answer, end, onward, see_other, with_alert, with_cookies};
use crate::cookie;
use crate::extract::{Form, Person, Query};
use crate::shared::Shared;
use crate::site::Site;
use crate::{moment, personal};

/// POST `/account/export`: everything held on the person, as a file.
pub(crate) async fn export(
    State(shared): State<Shared>,
    person: Person,
    Form(fields): Form,
) -> Answer {
    let Person { site, who } = &person;
    let password = fields.secret("password");
    match shared
        .identity
        .export_account(&site.cx, who, Some(&password))
        .await
    {
        Ok(data) => file(site, &personal::document(site, &data)),
        Err(error) => refused(&shared, &person, (DATA, "export_password"), error).await,
    }
}

fn file(site: &Site, document: &serde_json::Value) -> Answer {
    let text = serde_json::to_string_pretty(document).map_err(Error::internal)?;
    let name = format!(
        "attachment; filename=\"{}-account.json\"",
        site.tenant().slug()
    );
    let name = HeaderValue::from_str(&name).map_err(Error::internal)?;
    let kind = HeaderValue::from_static("application/json");
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, text).into_response())
}

async fn refused(
    shared: &Shared,
    person: &Person,
    (section, field): (&'static str, &'static str),
    error: Error,
) -> Result<Response, crate::fault::Fault> {
    let alert = Alert::of(&person.site, error)?.with_password(field);
    account::page(shared, person, context! { section }, Some(alert)).await
}

/// POST `/account/delete`: the account is deleted once the grace is over.
pub(crate) async fn delete(
    State(shared): State<Shared>,
    person: Person,
    Form(fields): Form,
) -> Answer {
    let Person { site, who } = &person;
    let password = fields.secret("password");
    match shared
        .identity
        .ask_deletion(&site.cx, who, Some(&password))
        .await
    {
        Ok(_) => Ok(with_cookies(
            see_other("/sign-in?notice=deletion-asked"),
            cookie::sign_out(site.tenant()),
        )),
        Err(error) => refused(&shared, &person, (DELETION, "deletion_password"), error).await,
    }
}

/// GET `/account/keep`: asks whoever signed in again whether the account is to stay.
pub(crate) async fn ask_keep(
    State(shared): State<Shared>,
    Person { site, who }: Person,
    Query(query): Query,
) -> Answer {
    let next = query.get("next");
    let due = shared
        .identity
        .deletion_due(&site.cx, &who.account.id)
        .await?;
    match due {
        Some(due) => {
            let values = context! { due => moment::readable(due, site.language(), &who.account.timezone), email => &who.account.email, next };
            with_alert(&site, None, "keep-account.html", values)
        }
        None => Ok(see_other(&onward(&site, next))),
    }
}

/// POST `/account/keep`: it stays, or the person leaves.
pub(crate) async fn keep(
    State(shared): State<Shared>,
    Person { site, who }: Person,
    Form(fields): Form,
) -> Answer {
    if fields.get("answer") == "keep" {
        let kept = shared.identity.keep_account(&site.cx, &who);
        kept.await?;
        return Ok(see_other(&onward(&site, fields.get("next"))));
    }
    end(&shared.identity, &site, &who).await?;
    Ok(with_cookies(
        see_other("/sign-in?notice=signed-out"),
        cookie::sign_out(site.tenant()),
    ))
}
