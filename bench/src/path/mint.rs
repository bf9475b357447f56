//! A partner's back end asks for a login token for somebody it has connected before.

use anyhow::Result;
use serde_json::json;

use super::{Case, between, case, plain, told};
use crate::bound;
use crate::load::{Ask, post};
use crate::report::Wanted::{AtMost, Nothing};
use crate::stage::{Measured, Stage, same};

pub const CASE: Case = case(
    "mint",
    "POST /v1/user/token, known people, 8 clients",
    round,
);

/// A partner's call for a person of that name.
pub fn ask(key: &str, name: &str) -> Result<Ask> {
    let body = json!({ "email": format!("{name}@partner.test"), "uid": format!("uid of {name}") });
    post("/v1/user/token", Some(key), &body)
}

fn round(stage: &mut Stage) -> Result<Vec<Measured>> {
    for client in 0..8 {
        stage.once(ask(&stage.key, &format!("known{client}"))?)?;
    }
    let known = |client| ask(&stage.key, &format!("known{client}"));
    let bound = || bound::signatures(stage.seconds() / 2.0);
    let ([before, after], ours) = between(bound, || stage.load(same(8, known)?))?;
    let raw = f64::midpoint(before.rs256, after.rs256);
    let mut figures = vec![
        told(
            "processor time, in raw RS256 signatures",
            "×",
            AtMost(1.5),
            ours.cpu_each() / 1e6 / raw,
        ),
        told("a raw RS256 signature", "µs", Nothing, raw * 1e6),
        told(
            "a raw ES256 signature",
            "µs",
            Nothing,
            f64::midpoint(before.es256, after.es256) * 1e6,
        ),
        told(
            "a raw EdDSA signature",
            "µs",
            Nothing,
            f64::midpoint(before.eddsa, after.eddsa) * 1e6,
        ),
    ];
    figures.extend(plain(&ours));
    Ok(figures)
}
