//! The first page a newcomer may see: name, language, time zone; and a way past it.

use axum::extract::State;
use minijinja::{Value, context};
use vestibule_identity::{Account, Authenticated, Error, Identity, ProfileChange};

use super::{Alert, Answer, onward, see_other, with_alert};
use crate::extract::{Fields, Form, Person, Query};
use crate::language;
use crate::redirect;
use crate::shared::Shared;
use crate::site::Site;

/// Where closing leads: `next`, with the other options of the query, which travel on to the app.
fn leads_to(site: &Site, query: &Fields) -> String {
    redirect::with_options(&onward(site, query.get("next")), &query.without("next"))
}

/// GET.
pub(crate) async fn show(Person { site, who }: Person, Query(query): Query) -> Answer {
    let account = &who.account;
    // Who has not chosen a language yet is offered that of the browser, and its time zone.
    let is_new = language::of_account(account, site.tenant()).is_none();
    let offered = match is_new && language::of_tag(&account.locale) != Some(site.language()) {
        true => site.language(),
        false => &account.locale,
    };
    let guess_zone = is_new && account.timezone == site.tenant().file.defaults.timezone;
    let profile = context! { guess_zone, ..profile_values(account, offered) };
    page(&site, profile, &query, None)
}

fn page(site: &Site, profile: Value, query: &Fields, alert: Option<Alert>) -> Answer {
    let own_query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(query.pairs())
        .finish();
    let values = context! { profile, leads_to => leads_to(site, query), own_query };
    with_alert(site, alert, "onboarding.html", values)
}

/// POST: saves, then leads on.
pub(crate) async fn save(
    State(shared): State<Shared>,
    Person { site, who }: Person,
    Query(query): Query,
    Form(fields): Form,
) -> Answer {
    let identity = &shared.identity;
    match save_profile(identity, (&site, &who), &fields).await {
        Ok(()) => {
            identity
                .finish_onboarding(&site.cx, &who.account.id)
                .await?;
            Ok(see_other(&leads_to(&site, &query)))
        }
        Err(error) => page(
            &site,
            typed_values(&fields),
            &query,
            Some(Alert::of(&site, error)?.with_id("name", "first_name")),
        ),
    }
}

/// Does what the form's four fields ask for.
pub(super) async fn save_profile(
    identity: &Identity,
    (site, who): (&Site, &Authenticated),
    fields: &Fields,
) -> Result<(), Error> {
    let field = |name: &str| Some(fields.get(name).to_owned());
    let change = ProfileChange {
        first_name: field("first_name"),
        last_name: field("last_name"),
        locale: field("locale"),
        timezone: field("timezone"),
    };
    let own = (&*who.account.id, Some(&*who.session.id));
    identity.update_profile(&site.cx, own, change).await?;
    Ok(())
}

/// What the form shows at first; `locale` is the language that is offered.
pub(super) fn profile_values(account: &Account, locale: &str) -> Value {
    context! {
        first_name => &account.first_name,
        last_name => &account.last_name,
        locale,
        timezone => &account.timezone,
    }
}

/// As it was typed, to be shown again above the alert.
pub(super) fn typed_values(fields: &Fields) -> Value {
    context! {
        first_name => fields.get("first_name"),
        last_name => fields.get("last_name"),
        locale => fields.get("locale"),
        timezone => fields.get("timezone"),
    }
}
