//! A refresh that leaves the refresh token as it is: one row read, and one signature.

use anyhow::Result;
use serde_json::json;

use super::{Case, between, case, plain, told};
use crate::bound;
use crate::load::{Ask, post};
use crate::report::Wanted::{AtMost, Nothing};
use crate::stage::{Measured, Person, Stage, same};

pub const CASE: Case = case(
    "refresh",
    "POST /authorize/refresh-token, 64 clients",
    round,
);

pub fn ask(person: &Person) -> Result<Ask> {
    post(
        "/authorize/refresh-token",
        None,
        &json!({ "refreshToken": person.refresh }),
    )
}

/// Processor time, in µs, of a bare handler that reads and writes JSON and of so many ES256 signatures.
pub fn signed(stage: &Stage, json: &Ask, signatures: f64) -> Result<f64> {
    let signature = bound::signatures(stage.seconds() / 2.0)?.es256;
    Ok(stage.load_bare(64, json)?.cpu_each() + signatures * signature * 1e6)
}

fn round(stage: &mut Stage) -> Result<Vec<Measured>> {
    let people = stage.people.clone();
    let mut json = ask(&people[0])?;
    *json.uri_mut() = "/json".parse()?;
    let bound = || signed(stage, &json, 1.0);
    let ask = |client: usize| ask(&people[client]);
    let ([before, after], ours) = between(bound, || stage.load(same(64, ask)?))?;
    let bound = f64::midpoint(before, after);
    let mut figures = vec![
        told(
            "processor time, in a bare JSON handler and its signature",
            "×",
            AtMost(3.0),
            ours.cpu_each() / bound,
        ),
        told(
            "a bare JSON handler and a raw ES256 signature",
            "µs",
            Nothing,
            bound,
        ),
    ];
    figures.extend(plain(&ours));
    Ok(figures)
}
