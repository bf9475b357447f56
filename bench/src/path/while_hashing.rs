//! What others wait while 32 clients keep all hashing threads busy.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::{Case, case, sign_in, told};
use crate::load::{Load, get, post};
use crate::report::Wanted::{AtMost, Nothing};
use crate::stage::{Measured, Stage, same};

pub const CASE: Case = case(
    "while-hashing",
    "refresh, token check and JWKS while 32 clients sign in",
    round,
);

/// Of each kind, so many clients ask so often: enough to see a stall, too few to be the load themselves.
const PACED: usize = 2;
const PACE: Duration = Duration::from_millis(20);

fn round(stage: &mut Stage) -> Result<Vec<Measured>> {
    let people = stage.people.clone();
    let last = people.len() - 1;
    let refresh = same(PACED, |client| {
        let body = json!({ "refreshToken": people[last - client].refresh });
        post("/authorize/refresh-token", None, &body)
    })?;
    let check = same(PACED, |client| {
        get("/forward-auth", Some(&people[last - client].access))
    })?;
    // Who asks first of all waits until the tenant's keys are made.
    stage.once(get("/.well-known/jwks.json", None)?)?;
    let jwks = same(PACED, |_| get("/.well-known/jwks.json", None))?;
    let hashing = sign_in::clients(stage, true)?;
    let hard = Load {
        port: stage.server.port,
        pid: stage.server.pid(),
        seconds: stage.seconds().max(1.5),
        pace: None,
    };
    let soft = Load {
        pace: Some(PACE),
        ..hard
    };
    let (hashing, refresh, check, jwks) = stage.runtime.block_on(async {
        let hard = tokio::spawn(hard.drive(hashing));
        let soft = [refresh, check, jwks].map(|clients| tokio::spawn(soft.drive(clients)));
        let [refresh, check, jwks] = soft;
        anyhow::Ok((hard.await??, refresh.await??, check.await??, jwks.await??))
    })?;
    Ok(vec![
        told(
            "p99 of a refresh",
            "ms",
            AtMost(20.0),
            refresh.percentile(99.0),
        ),
        told(
            "p99 of a token check",
            "ms",
            AtMost(20.0),
            check.percentile(99.0),
        ),
        told("p99 of JWKS", "ms", AtMost(20.0), jwks.percentile(99.0)),
        told("sign-ins meanwhile", "/s", Nothing, hashing.throughput()),
    ])
}
