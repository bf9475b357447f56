//! From the start of the process to its first 200, on a database that is there.

use anyhow::Result;

use super::{Case, case, told};
use crate::clock::process_cpu;
use crate::report::Wanted::{AtMost, Nothing};
use crate::server::Site;
use crate::stage::{Measured, Stage};

pub const CASE: Case = case(
    "start",
    "time to the first 200 on an existing database",
    round,
);

fn round(stage: &mut Stage) -> Result<Vec<Measured>> {
    let folder = stage.folder.join("start");
    let site = Site::new(&folder, &stage.options.program, None)?;
    drop(site.start()?);
    let server = site.start()?;
    Ok(vec![
        told(
            "to the first 200",
            "ms",
            AtMost(30.0),
            server.start.as_secs_f64() * 1e3,
        ),
        told(
            "processor time of it",
            "ms",
            Nothing,
            process_cpu(server.pid())? * 1e3,
        ),
    ])
}
