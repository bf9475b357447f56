//! Proof of an e-mail address: the page after sign-up, and the mailed link. Opening the link changes nothing, because mail
//! scanners open links too; its button does.

use axum::extract::State;
use minijinja::context;
use vestibule_identity::{Authenticated, OneTimeKind, SessionKind, VerifyEmail};

use super::{Alert, Answer, onward, see_other, signed_in, with_alert};
use crate::extract::{Form, PathToken, Person, Query, Visitor};
use crate::shared::Shared;
use crate::site::Site;
use crate::templates;

/// GET `/verify-email`: tells of the mail, and offers another.
pub(crate) async fn told(Person { site, who }: Person, Query(query): Query) -> Answer {
    if who.account.email_verified {
        return Ok(see_other(&onward(&site, query.get("next"))));
    }
    let sent = (query.get("notice") == "sent")
        .then(|| templates::text(site.language(), "notice.mail_sent"))
        .flatten();
    told_page(&site, &who.account.email, query.get("next"), sent, None)
}

fn told_page(
    site: &Site,
    email: &str,
    next: &str,
    notice: Option<&str>,
    alert: Option<Alert>,
) -> Answer {
    let leads_to = onward(site, next);
    with_alert(
        site,
        alert,
        "verify-email-told.html",
        context! { email, next, leads_to, notice },
    )
}

/// POST `/verify-email`: another mail.
pub(crate) async fn resend(
    State(shared): State<Shared>,
    Person { site, who }: Person,
    Form(fields): Form,
) -> Answer {
    match shared
        .identity
        .send_verification(&site.cx, &who.account)
        .await
    {
        Ok(()) => {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("notice", "sent")
                .append_pair("next", fields.get("next"))
                .finish();
            Ok(see_other(&format!("/verify-email?{query}")))
        }
        Err(error) => told_page(
            &site,
            &who.account.email,
            fields.get("next"),
            None,
            Some(Alert::of(&site, error)?),
        ),
    }
}

/// GET `/verify-email/{token}`: shows whose address it is and a button.
pub(crate) async fn show(
    State(shared): State<Shared>,
    Visitor { site, who }: Visitor,
    PathToken(token): PathToken,
) -> Answer {
    match shared
        .identity
        .peek_one_time(&site.cx, OneTimeKind::VerifyEmail, &token)
        .await
    {
        Ok(account) => with_alert(
            &site,
            None,
            "verify-email.html",
            context! { email => account.email },
        ),
        Err(error) => spent(&site, who, Alert::of(&site, error)?),
    }
}

/// POST `/verify-email/{token}`: confirms the address and signs this browser in.
pub(crate) async fn confirm(
    State(shared): State<Shared>,
    Visitor { site, who }: Visitor,
    PathToken(token): PathToken,
    Form(_): Form,
) -> Answer {
    match shared
        .identity
        .verify_email(
            &site.cx,
            VerifyEmail {
                token,
                kind: SessionKind::Browser,
            },
        )
        .await
    {
        Ok(new) => {
            let leads_to = if new.account.onboarded {
                onward(&site, "")
            } else {
                "/onboarding".to_owned()
            };
            signed_in(&shared.identity, &site, who, &new, &leads_to).await
        }
        Err(error) => spent(&site, who, Alert::of(&site, error)?),
    }
}

/// The link is no good: says so, and how to get another. Who is signed in here and needs none is told that instead.
fn spent(site: &Site, who: Option<Authenticated>, alert: Alert) -> Answer {
    let confirmed = who.filter(|who| who.account.email_verified);
    let values = context! {
        confirmed => confirmed.map(|who| who.account.email),
        leads_to => onward(site, ""),
        again => "/verify-email",
        again_key => "link_spent.verify_again",
    };
    with_alert(site, Some(alert), "link-spent.html", values)
}
