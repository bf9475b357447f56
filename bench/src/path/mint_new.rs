//! A partner's back end connects somebody new: a hash, a signature, a durable commit.

use std::time::Duration;

use anyhow::Result;
use hyper::StatusCode;

use super::{Case, case, mint, plain, told};
use crate::bound;
use crate::load::{Client, Fresh};
use crate::report::Wanted::AtMost;
use crate::stage::{Measured, Stage};

pub const CASE: Case = case(
    "mint-new",
    "POST /v1/user/token, new people, one client",
    round,
);

fn round(stage: &mut Stage) -> Result<Vec<Measured>> {
    let seconds = stage.seconds();
    let hash = bound::argon2(seconds / 2.0)?.cpu;
    let signature = bound::signatures(seconds / 2.0)?.rs256;
    let sync = 1.0 / bound::syncs(&stage.folder, seconds / 8.0, 1, Duration::ZERO)?;
    let (key, mut count) = (stage.key.clone(), 0_u64);
    let nobody = mint::ask(&key, "nobody")?;
    let drawn = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_nanos();
    let fresh = move || {
        count += 1;
        mint::ask(&key, &format!("new{drawn}-{count}")).unwrap_or_else(|_| nobody.clone())
    };
    let ours = stage.load(vec![
        Box::new(Fresh(fresh, StatusCode::OK)) as Box<dyn Client>
    ])?;
    let mut figures = vec![
        told(
            "median time, in hash + signature + fsync",
            "×",
            AtMost(1.2),
            ours.percentile(50.0) / 1e3 / (hash + signature + sync),
        ),
        told(
            "processor time, in hash + signature",
            "×",
            AtMost(1.2),
            ours.cpu_each() / 1e6 / (hash + signature),
        ),
    ];
    figures.extend(plain(&ours));
    Ok(figures)
}
