//! Refreshes that rotate where a sync takes its time: what clients that share one gain.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Case, case, plain, rotation, told};
use crate::bound;
use crate::load::HOST;
use crate::report::Wanted::Nothing;
use crate::server::Site;
use crate::stage::{Measured, Stage, people};

pub const CASE: Case = case(
    "slow-disk",
    "rotation, 64 clients, on a disk whose syncs take two milliseconds longer",
    round,
);

/// As in `slow_disk.c`.
const LONGER: Duration = Duration::from_millis(2);

fn round(stage: &mut Stage) -> Result<Vec<Measured>> {
    let folder = stage.folder.join("slow");
    let site = Site::new(&folder, &stage.options.program, None)?;
    let server = site.start_with(&[("LD_PRELOAD", &compiled(&folder)?)])?;
    let people = people(server.port, HOST, stage.people.len());
    let people = stage.runtime.block_on(people)?;
    let clients = rotation::clients(stage, &server, &people)?;
    let alone = bound::syncs(&folder, stage.seconds() / 2.0, 1, LONGER)?;
    let ours = stage.load_server(&server, clients)?;
    let lonely = rotation::clients(stage, &server, &people[..1])?;
    let lonely = stage.load_server(&server, lonely)?.percentile(50.0);
    ensure!(
        lonely >= LONGER.as_secs_f64() * 1e3,
        "a change took {lonely} ms: the server's syncs were not made slower"
    );
    drop(server);
    fs::remove_dir_all(&folder)?;
    let mut figures = rotation::of_syncs(&ours, alone);
    figures.push(told("p50 of one client", "ms", Nothing, lonely));
    figures.extend(plain(&ours));
    Ok(figures)
}

/// The library that makes syncs slow.
fn compiled(folder: &Path) -> Result<PathBuf> {
    fs::write(folder.join("slow.c"), include_str!("../slow_disk.c"))?;
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-shared", "-fPIC", "-o", "slow.so", "slow.c", "-ldl"]);
    let status = cc.current_dir(folder).status();
    let status = status.context("a C compiler named cc")?;
    ensure!(status.success(), "cc failed");
    Ok(folder.join("slow.so").canonicalize()?)
}
