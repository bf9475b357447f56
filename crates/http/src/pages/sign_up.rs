//! Sign-up with name, e-mail address and password, and the page after it, which takes the code of the mail.

use axum::extract::State;
use http::HeaderMap;
use minijinja::context;
use vestibule_identity::{CaptchaAt, Kind, SignUp};

use super::captcha::{self, with_captcha};
use super::{
    Alert, Answer, onward, see_other, sign_in, signed_in, welcome, with_alert, with_cookies,
    with_next,
};
use crate::cookie::Cookie;
use crate::extract::{Fields, Form, Query, Visitor};
use crate::flow::{Flow, Way};
use crate::language;
use crate::redirect;
use crate::shared::Shared;
use crate::site::Site;

const AT: CaptchaAt = CaptchaAt::SignUp;

fn page(site: &Site, fields: &Fields, alert: Option<Alert>) -> Answer {
    let file = &site.tenant().file;
    let values = context! {
        email => fields.get("email"),
        name => fields.get("name"),
        next => fields.get("next"),
        open => file.registration.open,
        elsewhere => captcha::is_elsewhere(site, AT),
        app => file.app_url.as_deref(),
        min_length => file.password.min_length,
    };
    match file.registration.open {
        true => with_captcha(site, AT, alert, "sign-up.html", values),
        false => with_alert(site, alert, "sign-up.html", values),
    }
}

/// The page's language, for the mails to come, unless it is that of the tenant's default.
fn language_to_keep(site: &Site) -> Option<String> {
    let default = language::of_tag(&site.tenant().file.defaults.locale);
    let spoken = site.language();
    (default != Some(spoken)).then(|| spoken.to_owned())
}

/// GET. Whoever is signed in already is sent on.
pub(crate) async fn show(Visitor { site, who }: Visitor, Query(query): Query) -> Answer {
    if who.is_some() {
        return Ok(see_other(&onward(&site, query.get("next"))));
    }
    page(&site, &query, None)
}

/// POST: has the mail sent, and leads to the page that tells of it, whether or not somebody has this address.
pub(crate) async fn submit(State(shared): State<Shared>, site: Site, Form(fields): Form) -> Answer {
    let identity = &shared.identity;
    let flow = Flow::begin(identity, &site, Way::SignUp, &fields);
    let missing = sign_in::missing(&fields).or_else(|| {
        fields
            .get("name")
            .trim()
            .is_empty()
            .then_some(Kind::MissingName)
    });
    let outcome = match missing {
        Some(kind) => Err(kind.into()),
        None => {
            let command = SignUp {
                email: fields.get("email").to_owned(),
                password: fields.secret("password"),
                name: fields.get("name").to_owned(),
                captcha: captcha::answer(&site, AT, &fields),
                locale: language_to_keep(&site),
                begun: flow.begun(),
            };
            identity.sign_up(&site.cx, command).await
        }
    };
    match outcome {
        Ok(()) => {
            let cookie = flow.remember(identity, site.tenant())?;
            let told = see_other("/sign-up/sent");
            Ok(with_cookies(told, cookie.into_iter().collect()))
        }
        Err(error) => page(&site, &fields, Some(Alert::of(&site, error)?)),
    }
}

/// GET `/sign-up/sent`: tells of the mail, and takes its code.
pub(crate) async fn sent(State(shared): State<Shared>, site: Site, headers: HeaderMap) -> Answer {
    match Flow::read(&shared.identity, &site, Way::SignUp, &headers) {
        Some(flow) => sent_page(&site, &flow, None),
        None => Ok(see_other("/sign-up")),
    }
}

fn sent_page(site: &Site, flow: &Flow, alert: Option<Alert>) -> Answer {
    let again = redirect::with_options(
        &with_next("/sign-up", &flow.next),
        &[("email".to_owned(), flow.email.clone())],
    );
    let values = context! { email => &flow.email, next => &flow.next, again };
    with_alert(site, alert, "sign-up-sent.html", values)
}

/// POST `/sign-up/sent`: the code of the mail makes the account and signs in.
pub(crate) async fn code(
    State(shared): State<Shared>,
    Visitor { site, who }: Visitor,
    headers: HeaderMap,
    Form(fields): Form,
) -> Answer {
    let identity = &shared.identity;
    let Some(flow) = Flow::read(identity, &site, Way::SignUp, &headers) else {
        return Ok(see_other("/sign-up"));
    };
    let name = flow.name();
    let of = (&name, &*flow.email);
    match identity
        .sign_up_by_code(&site.cx, of, fields.get("code"))
        .await
    {
        Ok((new, return_to)) => {
            let leads_to = welcome(&site, &new.account, &return_to);
            let answer = signed_in(identity, &site, who, &new, &leads_to).await?;
            let spent = Cookie::Flow.clear(site.tenant());
            Ok(with_cookies(answer, spent.into_iter().collect()))
        }
        Err(error) => sent_page(&site, &flow, Some(Alert::of(&site, error)?)),
    }
}
