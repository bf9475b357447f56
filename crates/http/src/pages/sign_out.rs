//! Signing out: by POST only, so that no link or image can do it.

use axum::extract::State;
use http::HeaderValue;
use vestibule_identity::Kind;

use super::{Answer, see_other, with_cookies};
use crate::cookie;
use crate::extract::{Form, Visitor};
use crate::shared::Shared;

/// POST: ends the session, clears its cookies and what the pages may have stored.
pub(crate) async fn submit(
    State(shared): State<Shared>,
    Visitor { site, who }: Visitor,
    Form(_): Form,
) -> Answer {
    if let Some(who) = who {
        match shared.identity.sign_out(&site.cx, &who.session).await {
            Err(error) if error.kind != Kind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    let mut response = with_cookies(
        see_other("/sign-in?notice=signed-out"),
        cookie::sign_out(site.tenant()),
    );
    // Not "cookies": that would sign out of everything else on the same registrable domain.
    response
        .headers_mut()
        .insert("clear-site-data", HeaderValue::from_static("\"storage\""));
    Ok(response)
}
