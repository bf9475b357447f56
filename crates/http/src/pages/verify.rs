//! Proof of an e-mail address: the page for whoever is signed in without it, and the mailed link. Opening the link changes nothing, because mail
//! scanners open links too; its button does.

use axum::extract::State;
use http::HeaderMap;
use minijinja::context;
use secrecy::SecretString;
use vestibule_identity::{Account, Authenticated, Brought, Error, Kind, OneTimeKind, Proposed};

use super::{
    Alert, Answer, link_spent, onward, see_other, signed_in, welcome, with_alert, with_cookies,
    with_next,
};
use crate::cookie::Cookie;
use crate::device;
use crate::extract::{Fields, Form, PathToken, Person, Query, Visitor};
use crate::flow::{Flow, Way};
use crate::shared::Shared;
use crate::site::Site;
use crate::templates;

/// GET `/verify-email`: tells of the mail, takes its code, and offers another.
pub(crate) async fn told(
    State(shared): State<Shared>,
    person: Person,
    Query(query): Query,
) -> Answer {
    if person.who.account.email_verified {
        return Ok(see_other(&onward(&person.site, query.get("next"))));
    }
    let sent = (query.get("notice") == "sent")
        .then(|| person.site.voice().text("notice.mail_sent"))
        .flatten();
    told_page(&shared, &person, query.get("next"), (sent, None)).await
}

async fn told_page(
    shared: &Shared,
    Person { site, who }: &Person,
    next: &str,
    (notice, alert): (Option<&str>, Option<Alert>),
) -> Answer {
    let flow = SecretString::from(who.session.id.as_str());
    let by_code = shared
        .identity
        .awaits_code(&site.cx, OneTimeKind::VerifyEmail, &flow)
        .await?;
    let (email, leads_to) = (&who.account.email, onward(site, next));
    with_alert(
        site,
        alert,
        "verify-email-told.html",
        context! { email, next, leads_to, notice, by_code },
    )
}

/// POST `/verify-email`: the code of the mail, or the wish for another mail.
pub(crate) async fn answer(
    State(shared): State<Shared>,
    person: Person,
    Form(fields): Form,
) -> Answer {
    match fields.has("code") {
        true => code(&shared, &person, &fields).await,
        false => resend(&shared, &person, &fields).await,
    }
}

async fn resend(shared: &Shared, person: &Person, fields: &Fields) -> Answer {
    let (site, next) = (&person.site, fields.get("next"));
    match shared
        .identity
        .send_verification(&site.cx, &person.who, next)
        .await
    {
        Ok(()) => Ok(see_other(&with_next("/verify-email?notice=sent", next))),
        Err(error) => {
            let alert = Some(Alert::of(site, error)?);
            told_page(shared, person, next, (None, alert)).await
        }
    }
}

async fn code(shared: &Shared, person: &Person, fields: &Fields) -> Answer {
    let Person { site, who } = person;
    let next = fields.get("next");
    // The same form sent twice, or the link opened meanwhile.
    if who.account.email_verified {
        return Ok(see_other(&welcome(site, &who.account, next)));
    }
    match shared
        .identity
        .verify_email_by_code(&site.cx, &who.session, fields.get("code"))
        .await
    {
        Ok(return_to) => {
            let next = if return_to.is_empty() {
                next
            } else {
                &return_to
            };
            let proven = Account {
                email_verified: true,
                ..who.account.clone()
            };
            let device = device::remember(&shared.identity, site, &proven);
            let location = welcome(site, &proven, next);
            Ok(with_cookies(
                see_other(&location),
                device.into_iter().collect(),
            ))
        }
        Err(error) => {
            let alert = Some(Alert::of(site, error)?);
            told_page(shared, person, next, (None, alert)).await
        }
    }
}

/// GET `/verify-email/{token}`: shows whose address it is and a button. Where its owner is signed in, and in the browser that
/// signed up, a script presses the button.
pub(crate) async fn show(
    State(shared): State<Shared>,
    Visitor { site, who }: Visitor,
    PathToken(token): PathToken,
    headers: HeaderMap,
) -> Answer {
    let flow = Flow::read(&shared.identity, &site, Way::SignUp, &headers).map(|flow| flow.name());
    let link = Link { token, flow };
    link_page(&shared, (&site, who), &link, None).await
}

/// A mailed link, in this browser.
struct Link {
    token: SecretString,
    /// The name of the sign-up that was begun here.
    flow: Option<SecretString>,
}

async fn link_page(
    shared: &Shared,
    (site, who): (&Site, Option<Authenticated>),
    link: &Link,
    alert: Option<Alert>,
) -> Answer {
    let peeked = shared
        .identity
        .peek_verification(&site.cx, &link.token, link.flow.as_ref())
        .await;
    match peeked {
        Ok(proposed) => {
            let Proposed {
                email,
                account_id,
                asks_password,
            } = proposed;
            let is_here = who
                .as_ref()
                .is_some_and(|who| Some(&who.account.id) == account_id.as_ref());
            let own = is_here || (account_id.is_none() && !asks_password);
            let script = own.then(|| templates::asset("continue.js"));
            let instead_of = who
                .filter(|_| !is_here)
                .map(|who| who.account.email.clone());
            let values = context! { email, asks_password, instead_of, script };
            with_alert(site, alert, "verify-email.html", values)
        }
        Err(error) => spent(shared, site, who, error).await,
    }
}

/// POST `/verify-email/{token}`: confirms the address and signs this browser in. Of a sign-up that was made elsewhere the
/// password is asked.
pub(crate) async fn confirm(
    State(shared): State<Shared>,
    Visitor { site, who }: Visitor,
    PathToken(token): PathToken,
    headers: HeaderMap,
    Form(fields): Form,
) -> Answer {
    let flow = Flow::read(&shared.identity, &site, Way::SignUp, &headers);
    let link = Link {
        token,
        flow: flow.map(|flow| flow.name()),
    };
    let brought = Brought {
        flow: link.flow.clone(),
        password: Some(fields.secret("password")),
    };
    let identity = &shared.identity;
    match identity
        .confirm_on_page(&site.cx, link.token.clone(), brought)
        .await
    {
        Ok((new, return_to)) => {
            let leads_to = welcome(&site, &new.account, &return_to);
            let answer = signed_in(identity, &site, who, &new, &leads_to).await?;
            let begun = link.flow.and_then(|_| Cookie::Flow.clear(site.tenant()));
            Ok(with_cookies(answer, begun.into_iter().collect()))
        }
        Err(error) if matches!(error.kind, Kind::InvalidCredentials | Kind::MissingPassword) => {
            let alert = Some(Alert::of(&site, error)?);
            link_page(&shared, (&site, who), &link, alert).await
        }
        Err(error) => spent(&shared, &site, who, error).await,
    }
}

/// The link is no good: says so, and how to get another. Who is signed in here and needs none is told that instead.
async fn spent(shared: &Shared, site: &Site, who: Option<Authenticated>, error: Error) -> Answer {
    // Somebody signed up twice and followed both links, or has an account by another way meanwhile.
    if error.kind == Kind::EmailTaken {
        let values = context! { again => "/forgot-password", again_key => "sign_in.forgot" };
        return link_spent(&shared.identity, site, error, values).await;
    }
    let confirmed = who.filter(|who| who.account.email_verified);
    let values = context! {
        confirmed => confirmed.map(|who| who.account.email.clone()),
        leads_to => onward(site, ""),
        again => "/verify-email",
        again_key => "link_spent.verify_again",
    };
    link_spent(&shared.identity, site, error, values).await
}
