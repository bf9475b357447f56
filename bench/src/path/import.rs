//! People of another system, with their hashes, into an empty tenant.

use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use anyhow::Result;

use super::{Case, told};
use crate::clock::children_cpu;
use crate::report::Wanted::{AtMost, Nothing};
use crate::server::Site;
use crate::stage::{Measured, Stage};

pub const CASE: Case = Case {
    name: "import",
    about: "`user import` of a million people with Argon2id hashes",
    runs: |_| true,
    once: true,
    round,
};

fn round(stage: &mut Stage) -> Result<Vec<Measured>> {
    let people: u32 = if stage.options.quick {
        50_000
    } else {
        1_000_000
    };
    let site = Site::new(&stage.folder.join("import"), &stage.options.program, None)?;
    let file = site.folder.join("people.jsonl");
    let mut lines = String::new();
    for person in 0..people {
        // Each salt another one; whether the hash is that of a password is not looked at.
        writeln!(
            lines,
            "{{\"email\":\"person{person}@import.test\",\"first_name\":\"Ada\",\"last_name\":\"King\",\"email_verified\":true,\
             \"password_hash\":\"$argon2id$v=19$m=19456,t=2,p=1$MDAwMDAwMDAw{person:08}AA${}\"}}",
            "A".repeat(43)
        )?;
    }
    fs::write(&file, lines)?;
    stage.say(format!("import: {people} people"));
    let (begun, cpu) = (Instant::now(), children_cpu()?);
    site.command(&[
        "user",
        "import",
        &file.to_string_lossy(),
        "--tenant",
        "bench",
    ])?;
    let (took, cpu) = (begun.elapsed().as_secs_f64(), children_cpu()? - cpu);
    let size = fs::metadata(site.folder.join("data/vestibule.db"))?.len();
    fs::remove_dir_all(&site.folder)?;
    let each = f64::from(people);
    Ok(vec![
        told("a million people", "s", AtMost(60.0), took * 1e6 / each),
        told("processor time each", "µs", Nothing, cpu * 1e6 / each),
        told(
            "of the database each",
            "bytes",
            AtMost(500.0),
            size as f64 / each,
        ),
    ])
}
