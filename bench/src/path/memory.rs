//! Memory: idle, after thousands of sign-ins, and whether it grows on.

use anyhow::Result;

use super::{Case, told};
use crate::clock::memory;
use crate::load::Load;
use crate::path::sign_in;
use crate::report::Wanted::{AtMost, Nothing};
use crate::server::Site;
use crate::stage::{Measured, Stage, people};

pub const CASE: Case = Case {
    name: "memory",
    about: "resident memory: idle, after sign-ins, at rest again",
    runs: |_| true,
    once: true,
    round,
};

/// Longer than the threads that hash keep their memory without work.
const REST: std::time::Duration = std::time::Duration::from_secs(10);

fn round(stage: &mut Stage) -> Result<Vec<Measured>> {
    let site = Site::new(&stage.folder.join("memory"), &stage.options.program, None)?;
    let server = site.start()?;
    std::thread::sleep(std::time::Duration::from_secs(1));
    let idle = memory(server.pid(), "VmRSS")?;
    let made = stage
        .runtime
        .block_on(people(server.port, crate::load::HOST, 32))?;
    // The paths that follow want their own people back.
    let own = std::mem::replace(&mut stage.people, made.into());
    let wanted = if stage.options.quick {
        100
    } else {
        stage.options.sign_ins
    };
    let mut done = 0;
    let mut half = idle;
    while done < wanted {
        stage.say(format!("memory: {done} of {wanted} sign-ins"));
        let load = Load {
            port: server.port,
            pid: server.pid(),
            seconds: stage.seconds(),
            pace: None,
        };
        done += stage
            .runtime
            .block_on(load.drive(sign_in::clients(stage, true)?))?
            .requests;
        if done < wanted / 2 {
            half = memory(server.pid(), "VmRSS")?;
        }
    }
    let after = memory(server.pid(), "VmRSS")?;
    std::thread::sleep(REST);
    let rest = memory(server.pid(), "VmRSS")?;
    stage.people = own;
    let cores = std::thread::available_parallelism()?.get() as f64;
    Ok(vec![
        told("idle", "MiB", AtMost(20.0), idle),
        told(
            &format!("after {done} sign-ins"),
            "MiB",
            AtMost(20.0 + 19.0 * cores),
            after,
        ),
        told("ten seconds later", "MiB", Nothing, rest),
        told(
            "growth in the second half of them",
            "MiB",
            Nothing,
            after - half,
        ),
    ])
}
