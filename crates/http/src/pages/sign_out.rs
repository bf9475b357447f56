//! Signing out: by POST only, so that no link or image can do it.

use axum::extract::State;
use http::HeaderValue;

use super::{Answer, end, see_other, with_cookies};
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
        end(&shared.identity, &site, &who).await?;
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
