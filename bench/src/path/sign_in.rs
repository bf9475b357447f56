//! Sign-in with a password, right and wrong, against raw hashes on all cores.

use anyhow::Result;
use hyper::StatusCode;
use serde_json::json;

use super::{CLIENTS, Case, case, plain, told};
use crate::bound;
use crate::load::{Client, Fresh, Sample, post};
use crate::report::Wanted::{AtLeast, AtMost, Nothing};
use crate::stage::{Measured, Stage};

pub const CASE: Case = case("sign-in", "POST /authorize/login, 32 clients", round);

/// Everybody signs in with the password, or with another one.
pub fn load(stage: &Stage, right: bool) -> Result<Sample> {
    stage.load(clients(stage, right)?)
}

pub fn clients(stage: &Stage, right: bool) -> Result<Vec<Box<dyn Client>>> {
    let people = stage.people.iter().take(CLIENTS);
    let client = |person: &crate::stage::Person| {
        let password = if right {
            &person.password
        } else {
            "something else entirely"
        };
        let body = json!({ "email": person.email, "password": password });
        let ask = post("/authorize/login", None, &body)?;
        let status = if right {
            StatusCode::OK
        } else {
            StatusCode::UNAUTHORIZED
        };
        Ok(Box::new(Fresh(move || ask.clone(), status)) as Box<dyn Client>)
    };
    people.map(client).collect()
}

fn round(stage: &mut Stage) -> Result<Vec<Measured>> {
    // Before and after: the processor's own speed drifts.
    let before = bound::argon2(stage.seconds())?;
    let right = load(stage, true)?;
    let raw = before.mean(bound::argon2(stage.seconds())?);
    let wrong = load(stage, false)?;
    let fair = 1e3 * CLIENTS as f64 / right.throughput();
    let mut figures = vec![
        told(
            "of the raw hashes a second",
            "×",
            AtLeast(0.95),
            right.throughput() / raw.throughput,
        ),
        told("raw hashes", "/s", Nothing, raw.throughput),
        told(
            "processor time, in raw hashes",
            "×",
            Nothing,
            right.cpu_each() / 1e6 / raw.cpu,
        ),
        told(
            "p99, in 32 / throughput",
            "×",
            AtMost(1.5),
            right.percentile(99.0) / fair,
        ),
        told(
            "a wrong password's processor time, in a right one's",
            "×",
            AtMost(1.1),
            wrong.cpu_each() / right.cpu_each(),
        ),
    ];
    figures.extend(plain(&right));
    Ok(figures)
}
