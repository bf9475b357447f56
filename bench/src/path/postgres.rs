//! Refresh and mint on PostgreSQL, against the same on SQLite; one node and two.

use anyhow::{Context, Result};

use super::{CLIENTS, Case, mint, refresh};
use crate::driver;
use crate::load::{Ask, Clients, HOST, Load, Sample};
use crate::report::Wanted::{AtLeast, AtMost, Nothing};
use crate::server::{Server, Site};
use crate::stage::{Measured, Person, Stage, people, same};

pub const CASE: Case = Case {
    name: "postgres",
    about: "refresh and mint on PostgreSQL, one node and two (--postgres)",
    runs: |options| options.postgres.is_some(),
    once: true,
    round,
};

fn round(stage: &mut Stage) -> Result<Vec<Measured>> {
    let url = stage
        .options
        .postgres
        .clone()
        .context("--postgres names a server")?;
    let site = Site::new(
        &stage.folder.join("postgres"),
        &stage.options.program,
        Some(url.clone()),
    )?;
    let (one, key) = (site.start()?, site.key()?);
    let theirs = stage.runtime.block_on(people(one.port, HOST, CLIENTS))?;
    let two = site.start()?;
    let ours = stage.people.clone();
    let mut figures = Vec::new();
    for kind in ["refresh", "mint"] {
        let ask = |people: &[Person], key: &str, client: usize| -> Result<Ask> {
            match kind {
                "refresh" => refresh::ask(&people[client]),
                _ => mint::ask(key, &format!("known{client}")),
            }
        };
        let on_sqlite = || same(CLIENTS, |client| ask(&ours, &stage.key, client));
        let on_postgres = || same(CLIENTS, |client| ask(&theirs, &key, client));
        // Partners' people are known, and their secrets remembered, before anything counts.
        stage.load(on_sqlite()?)?;
        both(stage, [&one, &two], on_postgres()?)?;
        let (mut ratios, mut nodes, mut costs) = (Vec::new(), Vec::new(), Vec::new());
        let mut bounds = Vec::new();
        for _ in 0..stage.rounds() {
            let sqlite = stage.load(on_sqlite()?)?;
            let alone = stage.load_server(&one, on_postgres()?)?;
            if kind == "refresh" {
                let looks = driver::looks(&url, CLIENTS, stage.seconds());
                bounds.push(alone.throughput() / stage.runtime.block_on(looks)?);
            }
            let (throughput, cpu) = both(stage, [&one, &two], on_postgres()?)?;
            ratios.push(alone.throughput() / sqlite.throughput());
            nodes.push(throughput / alone.throughput());
            costs.push(cpu / alone.cpu_each());
        }
        let mut tell = |what: String, wanted, values: Vec<f64>| {
            let mut values = values;
            values.sort_by(f64::total_cmp);
            figures.push((what, "×", wanted, values[values.len() / 2]));
        };
        tell(
            format!("{kind}, of SQLite's throughput"),
            AtLeast(0.5),
            ratios,
        );
        if kind == "refresh" {
            let what = "refresh, of the same statements by the driver alone";
            tell(what.to_owned(), Nothing, bounds);
        }
        tell(
            format!("{kind} on two nodes, of one's throughput"),
            Nothing,
            nodes,
        );
        tell(
            format!("{kind} on two nodes, processor time of one"),
            AtMost(1.1),
            costs,
        );
    }
    drop(two);
    Ok(figures)
}

/// Half of the clients at each node: throughput together, and processor time for each request.
fn both(stage: &Stage, nodes: [&Server; 2], clients: Clients) -> Result<(f64, f64)> {
    let mut halves = [Vec::new(), Vec::new()];
    for (index, client) in clients.into_iter().enumerate() {
        halves[index % 2].push(client);
    }
    let loads = nodes.map(|node| Load {
        port: node.port,
        pid: node.pid(),
        seconds: stage.seconds(),
        pace: None,
    });
    let [first, second] = halves;
    let [one, two] = loads;
    let (first, second): (Result<Sample>, Result<Sample>) = stage
        .runtime
        .block_on(async { tokio::join!(one.drive(first), two.drive(second)) });
    let (first, second) = (first?, second?);
    let requests = (first.requests + second.requests) as f64;
    Ok((
        first.throughput() + second.throughput(),
        (first.cpu + second.cpu) * 1e6 / requests,
    ))
}
