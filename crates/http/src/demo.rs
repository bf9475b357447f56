//! `/`; and in demo mode a page there on which every dialect can be tried, with stand-ins for a partner's back end and for
//! the tenant's app.

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use minijinja::{Value, context};
use secrecy::ExposeSecret;
use serde_json::json;
use vestibule_dialect::Call;
use vestibule_identity::{Error, Kind};

use crate::extract::{self, Form, Visitor};
use crate::fault::Fault;
use crate::layers::{Beyond, page_policy};
use crate::pages::{Answer, see_other};
use crate::settings::{Demo, DemoTenant};
use crate::shared::{Everything, Shared};
use crate::site::Site;
use crate::{inbox, redirect, templates};

/// First segments of paths at which the sample app stands in, beside the tenant's own hand-off destinations.
const APP_PATHS: &[&str] = &["app", "course", "dashboard"];

/// So many of the newest mails are shown beside the dialects.
const MAILS: i64 = 4;

/// GET `/`.
pub(crate) async fn root(State(shared): State<Shared>, Visitor { site, who }: Visitor) -> Answer {
    if let Some((demo, tenant)) = sample(&shared, &site) {
        let mails = inbox::newest(&shared.identity, MAILS).await?;
        let mut response = templates::page(
            &site,
            StatusCode::OK,
            "demo/home.html",
            context! { mails, ..home_values(demo, tenant, &site, who.as_ref()) },
        )?;
        response.headers_mut().insert(
            header::CONTENT_SECURITY_POLICY,
            page_policy(Some(site.tenant()), &Beyond::OWN_FETCHES),
        );
        return Ok(response);
    }
    Ok(match who {
        Some(_) => see_other(&redirect::home_from_root(site.tenant())),
        None => see_other("/sign-in"),
    })
}

/// The sample tenant of this host, in demo mode.
fn sample<'a>(shared: &'a Everything, site: &Site) -> Option<(&'a Demo, &'a DemoTenant)> {
    let demo = shared.settings.demo.as_ref()?;
    Some((demo, demo.tenant(site.tenant().slug())?))
}

fn home_values(
    demo: &Demo,
    sample: &DemoTenant,
    site: &Site,
    who: Option<&vestibule_identity::Authenticated>,
) -> Value {
    let tenant = site.tenant();
    let mounts = |dialect: &str| tenant.mount(dialect).is_some();
    let people = sample.people.iter().map(|person| {
        context! { email => &person.email, password => person.password.expose_secret(), role => &person.role }
    });
    context! {
        script => templates::asset("demo.js"),
        rezi => mounts("rezi"),
        enclaive => mounts("enclaive"),
        alphalearn => mounts("alphalearn"),
        people => people.collect::<Vec<_>>(),
        slug => &sample.slug,
        domains => &tenant.file.domains,
        tenants => demo.tenants.iter().map(|tenant| tenant.slug.clone()).collect::<Vec<_>>(),
        who => who.map(|who| context! { name => who.account.display_name(), email => &who.account.email, role => &who.account.role }),
    }
}

/// POST `/demo/partner`: what a partner's back end does. Calls the partner route with the private key, which stays here,
/// and shows both sides and the link that the partner would send the browser to.
pub(crate) async fn partner(
    State(shared): State<Shared>,
    site: Site,
    Form(fields): Form,
) -> Answer {
    let Some((_, sample)) = sample(&shared, &site) else {
        return Err(Kind::NotFound.into());
    };
    let body = json!({ "email": fields.get("email"), "uid": fields.get("uid") });
    let call = partner_call(&site, sample, body.to_string())?;
    let vestibule_dialect::Answer::Plain {
        status,
        body: answer,
        ..
    } = shared.dialects.answer(&shared.identity, call).await
    else {
        return Err(Kind::NotFound.into());
    };
    let answer: serde_json::Value = serde_json::from_slice(&answer).map_err(Error::internal)?;
    let close = fields.get("close");
    let values = context! {
        request => pretty(&body),
        status => status.as_u16(),
        answer => pretty(&answer),
        token => answer.get("token").and_then(|token| token.as_str()),
        onboarding => fields.get("onboarding") == "true",
        close => (!close.is_empty()).then_some(close),
    };
    Ok(templates::page(
        &site,
        StatusCode::OK,
        "demo/partner.html",
        values,
    )?)
}

fn partner_call(site: &Site, sample: &DemoTenant, body: String) -> Result<Call, Fault> {
    let mut headers = HeaderMap::new();
    let mut key = HeaderValue::from_str(&format!("Bearer {}", sample.api_key.expose_secret()))
        .map_err(Error::internal)?;
    key.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, key);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    let mut client = site.cx.client.clone();
    // The back end calls, not the page.
    client.origin = None;
    Ok(Call {
        method: Method::POST,
        uri: http::Uri::from_static("/v1/user/token"),
        headers,
        body: Ok(body.into()),
        host_tenant: Some(site.cx.tenant.clone()),
        client,
        now: site.cx.now,
    })
}

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Paths that nothing else answers: in demo mode some of them are the tenant's app, which shows who is signed in.
pub(crate) async fn app_page(shared: &Everything, parts: &Parts) -> Result<Response, Fault> {
    let site = Site::of(parts)?;
    let file = &site.tenant().file;
    let first = |path: &str| {
        path.trim_start_matches('/')
            .split('/')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let wanted = first(parts.uri.path());
    let is_app =
        APP_PATHS.contains(&&*wanted) || file.handoff.values().any(|path| first(path) == wanted);
    if shared.settings.demo.is_none() || parts.method != Method::GET || wanted.is_empty() || !is_app
    {
        return Err(Kind::NotFound.into());
    }
    let Some(who) = extract::browser(&shared.identity, &site, &parts.headers).await? else {
        return Ok(see_other(&extract::sign_in_and_back(parts)));
    };
    let values = context! {
        script => templates::asset("demo.js"),
        path => parts.uri.path_and_query().map(|path| path.as_str()),
        name => who.account.display_name(),
        email => &who.account.email,
        role => &who.account.role,
        onboarded => who.account.onboarded,
    };
    Ok(templates::page(
        &site,
        StatusCode::OK,
        "demo/app.html",
        values,
    )?)
}
