//! The same with very many accounts and tenants.

use std::sync::Arc;

use anyhow::{Context, Result};
use hyper::{Method, StatusCode};
use serde_json::json;

use super::{CLIENTS, Case, told};
use crate::clock::memory;
use crate::fill;
use crate::load::{Client, Fresh, Load, Sample, ask};
use crate::report::Wanted::{AtMost, Nothing};
use crate::server::{Server, Site};
use crate::stage::{Measured, Stage, people, sign_in};

pub const CASE: Case = Case {
    name: "growth",
    about: "sign-in, refresh and mint with --scale accounts, against 1,000",
    runs: |options| options.scale.is_some(),
    once: true,
    round,
};

/// A filled installation and what its tenants hold.
struct Filled {
    server: Server,
    bytes: u64,
    tenants: i64,
    key: String,
}

fn filled(stage: &Stage, name: &str, accounts: i64) -> Result<Filled> {
    let site = Site::new(&stage.folder.join(name), &stage.options.program, None)?;
    let server = site.start()?;
    stage
        .runtime
        .block_on(people(server.port, crate::load::HOST, 1))?;
    let key = site.key()?;
    drop(server);
    let file = site.folder.join("data/vestibule.db");
    let before = std::fs::metadata(&file)?.len();
    fill::fill(&file, accounts, |done| {
        stage.say(format!("growth: {done} of {accounts} accounts"))
    })?;
    let bytes = std::fs::metadata(&file)?.len() - before;
    // The first start reads what the disk has; the second is the one that counts.
    drop(site.start()?);
    let server = site.start()?;
    Ok(Filled {
        server,
        bytes,
        tenants: accounts / 1_000,
        key,
    })
}

fn round(stage: &mut Stage) -> Result<Vec<Measured>> {
    let accounts = stage
        .options
        .scale
        .context("--scale names how many accounts")?;
    let small = filled(stage, "small", 1_000)?;
    let large = filled(stage, "large", accounts)?;
    let mut figures = vec![
        told(
            "disk for each account",
            "bytes",
            AtMost(500.0),
            large.bytes as f64 / accounts as f64,
        ),
        told(
            "to the first 200",
            "ms",
            // Each of the tenants is read at the start; a thousand of them go with a million accounts.
            if accounts > 1_000_000 {
                Nothing
            } else {
                AtMost(100.0)
            },
            large.server.start.as_secs_f64() * 1e3,
        ),
        told(
            "idle memory",
            "MiB",
            Nothing,
            memory(large.server.pid(), "VmRSS")?,
        ),
    ];
    for kind in ["sign-in", "refresh", "mint"] {
        let mut ratios = Vec::new();
        for _ in 0..stage.rounds() {
            stage.say(format!("growth: {kind}"));
            let (few, many) = (load(stage, &small, kind)?, load(stage, &large, kind)?);
            ratios.push(many.cpu_each() / few.cpu_each());
        }
        ratios.sort_by(f64::total_cmp);
        let what = format!("processor time of {kind}, in that at 1,000 accounts");
        figures.push((what, "×", AtMost(1.1), ratios[ratios.len() / 2]));
    }
    Ok(figures)
}

/// People all over the tenants.
fn load(stage: &Stage, filled: &Filled, kind: &str) -> Result<Sample> {
    let mut clients: Vec<Box<dyn Client>> = Vec::new();
    for index in 0..CLIENTS as i64 {
        let tenant = index * filled.tenants / CLIENTS as i64;
        let host = fill::host(tenant);
        let email = fill::email(tenant, index * 31);
        let post = |path: &str, token, body| ask(&host, Method::POST, path, token, Some(&body));
        let request = match kind {
            "sign-in" => post(
                "/authorize/login",
                None,
                json!({ "email": email, "password": fill::PASSWORD }),
            )?,
            "refresh" => {
                let port = filled.server.port;
                let person = sign_in(port, &host, email, fill::PASSWORD.to_owned());
                let token = stage.runtime.block_on(person)?.refresh;
                post(
                    "/authorize/refresh-token",
                    None,
                    json!({ "refreshToken": token }),
                )?
            }
            _ => crate::path::mint::ask(&filled.key, &format!("known{index}"))?,
        };
        let request = Arc::new(request);
        clients.push(Box::new(Fresh(move || (*request).clone(), StatusCode::OK)));
    }
    let load = Load {
        port: filled.server.port,
        pid: filled.server.pid(),
        seconds: stage.seconds(),
        pace: None,
    };
    stage.runtime.block_on(load.drive(clients))
}
