//! Every page with sample data, hostile in every place that somebody else fills.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use http_body_util::BodyExt;
use minijinja::{Value, context};
use vestibule_identity::{Client, Cx, Kind, Micros};

use super::*;
use crate::language;
use crate::layers::{Arrival, Host, Lookup, Reception};
use crate::pages::sign_in::SignInForm;
use crate::site::sample_tenant;
use crate::templates::texts;

const HOSTILE: &str = "\"><img src=x onerror=alert(1)>'{{7777*7777}}{% raw %}</script>";

fn site() -> Site {
    site_in("en")
}

fn site_in(language: &'static str) -> Site {
    let tenant = Arc::new(sample_tenant(
        "[branding]\nproduct = '''<b>\"Acme\"'''\ncolor = '#1a56db'\nsupport = 'help@acme.test'",
    ));
    let client = Client {
        request_id: "7k3d9x2a-1f".into(),
        ..Client::default()
    };
    let reception = Arc::new(Reception {
        client: client.clone(),
        lookup: Lookup::Found(tenant.clone()),
        wish: Some(language),
    });
    let arrival = Arrival {
        reception,
        host: Host::parse("lms.acme.test").unwrap(),
        now: Micros(0),
    };
    let cx = Cx {
        tenant,
        now: Micros(0),
        client,
    };
    Site::new(cx, Arc::new(arrival))
}

fn profile() -> Value {
    context! { first_name => HOSTILE, last_name => HOSTILE, locale => HOSTILE, timezone => HOSTILE }
}

/// Each page's template and what it is filled with.
fn samples() -> Vec<(&'static str, Value)> {
    let device = context! { program => HOSTILE };
    let session = context! { id => "s1", current => false, device => device.clone(), address => HOSTILE, started => "then", last_seen => "now" };
    let person = context! { email => HOSTILE, password => HOSTILE, role => HOSTILE };
    let who = context! { name => HOSTILE, email => HOSTILE, role => HOSTILE };
    let mail = context! { tenant => HOSTILE, to => HOSTILE, subject => HOSTILE, at => "now", lines => vec![
    context! { text => HOSTILE, link => None::<&str> }, context! { text => "  https://x.test/", link => "https://x.test/" }] };
    let work = context! { kind => "pow", script => "/assets/x/captcha.js", style => "/assets/x/altcha.css", field => "altcha" };
    let provider =
        context! { kind => HOSTILE, script => HOSTILE, class => HOSTILE, site_key => HOSTILE };
    vec![
        (
            "sign-in.html",
            context! { email => HOSTILE, next => HOSTILE, may_sign_up => true },
        ),
        (
            "sign-up.html",
            context! { email => HOSTILE, name => HOSTILE, next => HOSTILE, open => true, min_length => 8 },
        ),
        (
            "sign-up.html",
            context! { email => HOSTILE, name => HOSTILE, next => HOSTILE, open => true, min_length => 8, captcha => work },
        ),
        (
            "sign-in.html",
            context! { email => HOSTILE, next => HOSTILE, may_sign_up => true, captcha => provider.clone() },
        ),
        (
            "sign-up-sent.html",
            context! { email => HOSTILE, next => HOSTILE, again => HOSTILE },
        ),
        (
            "forgot-password.html",
            context! { email => HOSTILE, next => HOSTILE, captcha => provider },
        ),
        (
            "sign-up.html",
            context! { next => HOSTILE, open => true, elsewhere => true, app => HOSTILE },
        ),
        (
            "choose.html",
            context! { offered_name => HOSTILE, offered_email => "b", current_name => HOSTILE, current_email => HOSTILE, home => HOSTILE },
        ),
        (
            "verify-email-told.html",
            context! { email => HOSTILE, next => HOSTILE, leads_to => HOSTILE, by_code => true },
        ),
        (
            "verify-email.html",
            context! { email => HOSTILE, asks_password => true, instead_of => HOSTILE },
        ),
        (
            "link-spent.html",
            context! { again => "/verify-email", again_key => "link_spent.verify_again" },
        ),
        (
            "link-spent.html",
            context! { confirmed => HOSTILE, leads_to => HOSTILE, again => "/verify-email", again_key => "link_spent.verify_again" },
        ),
        (
            "forgot-password-sent.html",
            context! { email => HOSTILE, next => HOSTILE, again => HOSTILE },
        ),
        (
            "forgot-password.html",
            context! { email => HOSTILE, next => HOSTILE },
        ),
        (
            "reset-password.html",
            context! { email => HOSTILE, min_length => 8 },
        ),
        (
            "onboarding.html",
            context! { profile => profile(), leads_to => HOSTILE, own_query => HOSTILE },
        ),
        (
            "account.html",
            context! { email => HOSTILE, email_verified => false, display_name => HOSTILE, profile => profile(), sessions => vec![session.clone()],
            min_length => 8, deletion_due => HOSTILE, section => "", home => HOSTILE, has_password => true, new_email => HOSTILE,
            pending => context! { email => HOSTILE }, sign_ins => vec![context! { at => HOSTILE, device => device.clone(), address => HOSTILE }] },
        ),
        (
            "account.html",
            context! { email => HOSTILE, email_verified => false, display_name => HOSTILE, profile => profile(), sessions => vec![session.clone(), session],
            min_length => 8, until => "then", home => HOSTILE, section => "password", has_password => true, new_email => HOSTILE,
            pending => context! { email => HOSTILE }, sign_ins => vec![context! { at => HOSTILE, device, address => HOSTILE }] },
        ),
        (
            "invitation.html",
            context! { email => HOSTILE, min_length => 8 },
        ),
        (
            "keep-account.html",
            context! { email => HOSTILE, due => "then", next => HOSTILE },
        ),
        (
            "email-change.html",
            context! { old_email => HOSTILE, new_email => HOSTILE },
        ),
        ("error.html", context! { status => 404, text => HOSTILE }),
        ("error.html", context! { status => 421, text => HOSTILE }),
        ("error.html", context! { status => 418, text => HOSTILE }),
        (
            "demo/home.html",
            context! { script => "/assets/x/demo.js", rezi => true, enclaive => true, alphalearn => true, people => vec![person], slug => HOSTILE,
            domains => vec![HOSTILE], tenants => vec![HOSTILE], who, mails => vec![mail.clone()] },
        ),
        (
            "demo/partner.html",
            context! { request => HOSTILE, status => 200, answer => HOSTILE, token => HOSTILE, onboarding => true, close => HOSTILE },
        ),
        (
            "demo/app.html",
            context! { script => "/assets/x/demo.js", path => HOSTILE, name => HOSTILE, email => HOSTILE, role => HOSTILE },
        ),
        ("demo/inbox.html", context! { mails => vec![mail] }),
    ]
}

async fn text(response: Response) -> String {
    String::from_utf8(
        response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    )
    .unwrap()
}

#[tokio::test]
async fn every_page_renders_and_escapes() {
    let site = site();
    for (name, values) in samples() {
        let alert = Alert {
            status: StatusCode::BAD_REQUEST,
            text: HOSTILE.into(),
            wrong: Some("email"),
            retry_after: Some(3),
        };
        for alert in [None, Some(alert)] {
            let html = text(
                with_alert(
                    &site,
                    alert,
                    name,
                    context! { notice => HOSTILE, ..values.clone() },
                )
                .unwrap(),
            )
            .await;
            assert!(
                !html.contains("<img") && html.contains("&lt;img"),
                "{name}: {html}"
            );
            assert!(
                !html.contains("<b>") && html.contains("&lt;b&gt;"),
                "{name}: {html}"
            );
            assert!(
                html.contains("{{7777*7777}}") && !html.contains("60481729"),
                "{name}: {html}"
            );
            assert!(
                !html.contains("style=") && !html.contains("onclick") && !html.contains("<script>"),
                "{name}: {html}"
            );
            assert!(
                html.contains("<title>")
                    && html.contains("name=\"viewport\"")
                    && html.contains("mailto:help@acme.test"),
                "{name}: {html}"
            );
        }
    }
}

#[tokio::test]
async fn every_page_speaks_every_language() {
    let mut said = BTreeSet::new();
    for language in texts::languages() {
        let site = site_in(language);
        for (name, values) in samples() {
            let html = text(with_alert(&site, None, name, values).unwrap()).await;
            let direction = language::direction(language);
            let start = format!("<html lang=\"{language}\" dir=\"{direction}\">");
            assert!(html.contains(&start), "{language}: {name}");
            let without = html
                .replace("{{7777*7777}}", "")
                .replace("{% raw %}", "")
                .lines()
                .filter(|line| !line.contains("<altcha-widget"))
                .collect::<String>();
            // The demo's pages speak of APIs, in English and with their braces.
            if !name.starts_with("demo/") {
                assert!(!without.contains(['{', '}']), "{language}: {name}: {html}");
                assert!(
                    said.insert(html.replace(&start, "")),
                    "{name} is not in {language}"
                );
            }
        }
    }
}

#[test]
fn every_template_has_a_sample() {
    let parts = BTreeSet::from(["frame.html", "fields.html"].map(str::to_owned));
    let pages = templates::page_names()
        .into_iter()
        .filter(|name| !parts.contains(name))
        .collect::<BTreeSet<_>>();
    let sampled = samples()
        .into_iter()
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(pages, sampled);
}

#[tokio::test]
async fn an_alert_sets_the_status_and_keeps_what_was_typed() {
    let site = site();
    let alert = Alert::of(&site, Error::rate_limited(7)).ok();
    let response = sign_in::page(
        &site,
        SignInForm {
            email: "ada@example.com",
            alert,
            ..SignInForm::default()
        },
    )
    .unwrap();
    assert_eq!(
        (response.status(), &response.headers()["retry-after"]),
        (
            StatusCode::TOO_MANY_REQUESTS,
            &HeaderValue::from_static("7")
        )
    );
    let html = text(response).await;
    assert!(
        html.contains("value=\"ada@example.com\"") && html.contains("role=\"alert\""),
        "{html}"
    );
    assert!(
        Alert::of(&site, Kind::Internal.into()).is_err(),
        "a fault of ours gets the error page"
    );
}

#[test]
fn next_is_followed_only_inside() {
    let site = site();
    assert_eq!(
        onward(&site, "/onboarding?next=%2Fdashboard"),
        "/onboarding?next=%2Fdashboard"
    );
    assert_eq!(onward(&site, "//evil.test"), "/account");
    assert_eq!(onward(&site, ""), "/account");
}

#[test]
fn every_kind_of_error_has_words_and_a_status() {
    let table: String = Kind::ALL
        .iter()
        .map(|kind| {
            let words = templates::error_text(site().voice(), &Error::new(*kind));
            assert!(words.len() > 10, "{kind:?}");
            format!(
                "{} {}\n",
                kind.code(),
                vestibule_dialect::natural_status(*kind).as_u16()
            )
        })
        .collect();
    for line in [
        "email_taken 409",
        "unknown_tenant 421",
        "rate_limited 429",
        "invalid_login_token 401",
        "wrong_role 403",
        "internal 500",
    ] {
        assert!(
            table.lines().any(|told| told == line),
            "{line} is missing in\n{table}"
        );
    }
}
