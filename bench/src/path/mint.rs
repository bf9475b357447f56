//! A partner's back end asks for a login token for somebody it has connected before.

use anyhow::Result;
use serde_json::json;

use super::{Case, case, plain, told};
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
    let signatures = bound::signatures(stage.seconds())?;
    let raw = signatures.rs256;
    for client in 0..8 {
        stage.once(ask(&stage.key, &format!("known{client}"))?)?;
    }
    let ours = stage.load(same(8, |client| {
        ask(&stage.key, &format!("known{client}"))
    })?)?;
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
            signatures.es256 * 1e6,
        ),
        told(
            "a raw EdDSA signature",
            "µs",
            Nothing,
            signatures.eddsa * 1e6,
        ),
    ];
    figures.extend(plain(&ours));
    Ok(figures)
}
