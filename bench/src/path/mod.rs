//! The paths, one file each. A new one is a file with a `CASE` and a line in [`ALL`].

mod dialect;
mod discovery;
mod forward_auth;
mod growth;
mod import;
mod jwks;
mod memory;
mod mint;
mod mint_new;
mod postgres;
mod refresh;
mod rotation;
mod session;
mod sign_in;
mod slow_disk;
mod start;
mod verification;
mod while_hashing;

use anyhow::Result;

use crate::Options;
use crate::load::{Ask, Sample};
use crate::report::Wanted;
use crate::stage::{Measured, Stage, same};

/// What can be measured.
pub struct Case {
    pub name: &'static str,
    pub about: &'static str,
    /// Whether it belongs to a run with these options.
    pub runs: fn(&Options) -> bool,
    /// One round is enough.
    pub once: bool,
    /// Measures bound and path, in turn.
    pub round: fn(&mut Stage) -> Result<Vec<Measured>>,
}

/// Each path, in the order of the table.
pub const ALL: &[Case] = &[
    sign_in::CASE,
    while_hashing::CASE,
    mint::CASE,
    mint_new::CASE,
    refresh::CASE,
    rotation::CASE,
    slow_disk::CASE,
    session::CASE,
    forward_auth::CASE,
    verification::CASE,
    jwks::CASE,
    discovery::CASE,
    dialect::CASE,
    memory::CASE,
    start::CASE,
    import::CASE,
    postgres::CASE,
    growth::CASE,
];

const fn case(
    name: &'static str,
    about: &'static str,
    round: fn(&mut Stage) -> Result<Vec<Measured>>,
) -> Case {
    Case {
        name,
        about,
        runs: |_| true,
        once: false,
        round,
    }
}

/// Clients of the paths that are compared with a bare handler.
const CLIENTS: usize = 32;

fn told(what: &str, unit: &'static str, wanted: Wanted, value: f64) -> Measured {
    (what.to_owned(), unit, wanted, value)
}

/// What every path tells besides what is wanted of it.
fn plain(sample: &Sample) -> Vec<Measured> {
    vec![
        told(
            "requests refused, of all",
            "%",
            Wanted::AtMost(0.0),
            sample.refused_percent(),
        ),
        told("requests", "/s", Wanted::Nothing, sample.throughput()),
        told(
            "processor time each",
            "µs",
            Wanted::Nothing,
            sample.cpu_each(),
        ),
        told("p50", "ms", Wanted::Nothing, sample.percentile(50.0)),
        told("p99", "ms", Wanted::Nothing, sample.percentile(99.0)),
    ]
}

/// Measures a bound before and after a path: the speed of a shared machine is another one from second to second.
fn between<B, P>(
    bound: impl Fn() -> Result<B>,
    path: impl FnOnce() -> Result<P>,
) -> Result<([B; 2], P)> {
    let before = bound()?;
    let path = path()?;
    Ok(([before, bound()?], path))
}

/// Compares with the bare handler that serves the same bytes.
fn against_bare(
    stage: &Stage,
    wanted: f64,
    ask: impl Fn(usize) -> Result<Ask>,
) -> Result<Vec<Measured>> {
    let bare = stage.mirror(ask(0)?)?;
    let bound = || stage.load_bare(CLIENTS, &bare);
    let ([before, after], ours) = between(bound, || stage.load(same(CLIENTS, ask)?))?;
    let throughput = f64::midpoint(before.throughput(), after.throughput());
    let mut figures = vec![
        told(
            "of a bare handler's throughput",
            "×",
            Wanted::AtLeast(wanted),
            ours.throughput() / throughput,
        ),
        told(
            "a bare handler's requests",
            "/s",
            Wanted::Nothing,
            throughput,
        ),
        told(
            "a bare handler's processor time",
            "µs",
            Wanted::Nothing,
            f64::midpoint(before.cpu_each(), after.cpu_each()),
        ),
    ];
    figures.extend(plain(&ours));
    Ok(figures)
}
