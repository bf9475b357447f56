//! `cargo xtask torture --nodes`: two servers on a PostgreSQL primary with a synchronous standby. Clients work at both
//! while servers are killed and stopped, connections cut, reset and stalled, the pool exhausted, and the primary killed
//! and its standby promoted. Afterwards every acknowledged change is held against what both servers say.

mod cluster;
mod trouble;
mod wire;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::act::Desk;
use super::check::{Finding, Sort};
use super::client::Client;
use super::journal::{self, Act, Entry, Journal};
use super::round::{ELDERS, GRACE, Tally, elder, look};
use super::server::{Control, Server, Site};
use super::story::Story;
use super::web::Web;
use super::{Options, Place, progress, report};
use crate::runner::Runner;
use cluster::Cluster;
use wire::Wire;

/// From the promotion of the standby to the first change that each server makes.
const BACK: Duration = Duration::from_secs(5);

/// Runs the rounds; fails if anything was found.
pub(super) fn run(runner: &Runner, options: &Options, place: &Place<'_>) -> Result<()> {
    let sites = sites(place)?;
    if options.prove {
        return prove(runner, options, place, &sites);
    }
    let cluster = Cluster::start(runner)?;
    let mut nodes = Nodes::start(cluster, place, &sites, options)?;
    let begun = Instant::now();
    let bar = progress(options.rounds);
    for number in 0..options.rounds {
        ensure!(!runner.interrupted(), "interrupted");
        nodes.round(number % 2 == 1)?;
        bar.set_message(super::line(&nodes.tally));
        bar.inc(1);
    }
    bar.finish_and_clear();
    nodes.report(begun.elapsed());
    match nodes.tally.findings.len() {
        0 => Ok(()),
        count => bail!(
            "{count} findings; run again with --nodes --seed {}",
            place.seed
        ),
    }
}

/// A standby that nobody waits for: what it did not hear is lost when it takes over, and must be found.
fn prove(runner: &Runner, options: &Options, place: &Place<'_>, sites: &[Site; 2]) -> Result<()> {
    let mut cluster = Cluster::start(runner)?;
    cluster.wait_for_nobody()?;
    let mut nodes = Nodes::start(cluster, place, sites, options)?;
    nodes.round(true)?;
    let lost = nodes.tally.count(Sort::Lost);
    ensure!(lost > 0, "a standby that nobody waited for lost nothing");
    println!(
        "torture: {lost} lost changes found after a standby took over that nobody had waited for"
    );
    Ok(())
}

/// Two installations that share the secret key.
fn sites(place: &Place<'_>) -> Result<[Site; 2]> {
    let smtp = place.sink.url();
    let site = |name: &str| {
        Site::new(
            &place.folder.join(name),
            place.program,
            Some(String::new()),
            &smtp,
        )
    };
    Ok([site("one")?, site("two")?])
}

struct Nodes<'a> {
    cluster: Cluster<'a>,
    place: &'a Place<'a>,
    sites: &'a [Site; 2],
    servers: [Option<Server<'a>>; 2],
    ports: Arc<[AtomicU16]>,
    /// Between the second server and each PostgreSQL.
    wires: [Wire; 2],
    clients: usize,
    key: String,
    random: fastrand::Rng,
    clock: i64,
    tally: Tally,
    elders: Vec<Story>,
    lives: usize,
    promotions: usize,
    back: Vec<Duration>,
}

impl<'a> Nodes<'a> {
    fn start(
        cluster: Cluster<'a>,
        place: &'a Place<'a>,
        sites: &'a [Site; 2],
        options: &Options,
    ) -> Result<Nodes<'a>> {
        let ports = cluster.ports();
        let wires = [Wire::to(ports[0])?, Wire::to(ports[1])?];
        let url = |ports: [u16; 2]| {
            let [one, two] = ports;
            format!("postgres://postgres@127.0.0.1:{one},127.0.0.1:{two}/postgres")
        };
        sites[0].set_database(url(ports));
        sites[1].set_database(url([wires[0].port, wires[1].port]));
        sites[0].set_up()?;
        let key = |site: &Site| site.data().join("secret.key");
        fs::copy(key(&sites[0]), key(&sites[1]))?;
        let mut nodes = Nodes {
            cluster,
            place,
            sites,
            servers: [None, None],
            ports: [AtomicU16::new(0), AtomicU16::new(0)].into(),
            wires,
            clients: options.clients.max(2),
            key: String::new(),
            random: fastrand::Rng::with_seed(place.seed),
            clock: 0,
            tally: Tally::default(),
            elders: Vec::new(),
            lives: 0,
            promotions: 0,
            back: Vec::new(),
        };
        nodes.start_server(0)?;
        nodes.start_server(1)?;
        let name = "harness".to_owned();
        let Ok(key) = nodes.desk().perform(&Act::CreateKey { name })? else {
            bail!("no key was made");
        };
        nodes.key = key.token;
        Ok(nodes)
    }

    fn start_server(&mut self, index: usize) -> Result<()> {
        let server = self.sites[index].start()?;
        self.tally.starts.push(server.start);
        self.ports[index].store(server.port(), Ordering::SeqCst);
        self.servers[index] = Some(server);
        Ok(())
    }

    fn kill_server(&mut self, index: usize) {
        if let Some(mut server) = self.servers[index].take() {
            self.tally.kills += 1;
            let killed = server.kill();
            self.finding(killed);
        }
    }

    fn finding(&mut self, result: Result<()>) {
        if let Err(error) = result {
            self.wrong(format!("{error:#}"));
        }
    }

    fn wrong(&mut self, what: String) {
        let sort = Sort::Wrong;
        self.tally.findings.push(Finding { sort, what });
    }

    /// A desk that asks both servers by turns.
    fn desk(&self) -> Desk<'a> {
        Desk {
            web: Web::of(self.ports.clone()),
            site: &self.sites[0],
            key: self.key.clone(),
        }
    }

    /// Work, troubles, the primary's end, work, and the check. `deaf`: the standby hears nothing of the last changes, and
    /// the waiting for it is broken off.
    fn round(&mut self, deaf: bool) -> Result<()> {
        self.lives += 1;
        let stop = AtomicBool::new(false);
        let mut clients = Vec::new();
        let mut journals: Vec<PathBuf> = Vec::new();
        for number in 0..self.clients {
            let name = format!("r{}c{number}", self.lives);
            let path = self.sites[0].folder().join(format!("journal-{name}"));
            let journal = Journal::create(&path)?;
            let named = (name, self.random.fork());
            clients.push(Client::new(
                self.desk(),
                self.place.sink,
                journal,
                named,
                &stop,
            ));
            journals.push(path);
        }
        let lived = thread::scope(|scope| {
            for client in clients {
                scope.spawn(|| client.live());
            }
            let lived = self.trouble().and_then(|()| self.fail_over(deaf));
            thread::sleep(Duration::from_millis(self.random.u64(200..=800)));
            stop.store(true, Ordering::Relaxed);
            lived
        });
        lived?;
        self.cluster.add_standby()?;
        let journals = journals.iter().map(|path| journal::read(path));
        self.check(&journals.collect::<Result<Vec<_>>>()?)
    }

    /// Kills the primary, has its standby promoted, and waits until both servers make changes again.
    fn fail_over(&mut self, deaf: bool) -> Result<()> {
        if deaf {
            self.cluster.deafen_standby();
            for _ in 0..3 {
                thread::sleep(Duration::from_millis(150));
                self.cluster.end_waiting()?;
            }
        }
        self.cluster.kill_primary()?;
        self.promotions += 1;
        let killed = self.random.bool().then(|| self.random.usize(..2));
        if let Some(index) = killed {
            self.kill_server(index);
        }
        for _ in 0..10 {
            self.ask_for_keys();
            thread::sleep(Duration::from_millis(10));
        }
        self.cluster.promote()?;
        let promoted = Instant::now();
        for index in [0, 1] {
            if self.servers[index].is_some() {
                self.comes_back(index, promoted);
            }
        }
        if let Some(index) = killed {
            self.start_server(index)?;
        }
        Ok(())
    }

    /// Signing keys come from memory, whatever the database does.
    fn ask_for_keys(&mut self) {
        for index in [0, 1] {
            let Some(server) = &self.servers[index] else {
                continue;
            };
            let reply = server.web().get("/.well-known/jwks.json", &[]);
            let keys = reply.map(|reply| {
                (
                    reply.status,
                    reply.json()["keys"].as_array().map_or(0, Vec::len),
                )
            });
            if !matches!(keys, Ok((200, 1..))) {
                self.wrong(format!(
                    "server {index} has no keys while the primary is gone: {keys:?}"
                ));
            }
        }
    }

    fn comes_back(&mut self, index: usize, promoted: Instant) {
        let desk = Desk {
            web: Web::new(self.ports[index].load(Ordering::SeqCst)),
            ..self.desk()
        };
        for attempt in 0.. {
            let act = Act::Register {
                email: format!("probe-{}-{index}-{attempt}@torture.test", self.lives),
                password: "a probe's password".to_owned(),
            };
            if matches!(desk.perform(&act), Ok(Ok(_))) {
                return self.back.push(promoted.elapsed());
            }
            if promoted.elapsed() > BACK {
                return self.wrong(format!(
                    "server {index} makes no change {BACK:?} after the promotion"
                ));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Holds everything acknowledged against what both servers say, once every grace is over.
    fn check(&mut self, journals: &[Vec<Entry>]) -> Result<()> {
        self.clock += GRACE;
        for site in self.sites {
            site.control(Control {
                clock_seconds: self.clock,
                ..Control::default()
            })?;
        }
        let stories = self.tally.gather(journals, u64::MAX);
        self.random.shuffle(&mut self.elders);
        let mut looked_at = stories.clone();
        looked_at.extend(self.elders.iter().take(ELDERS).cloned());
        let label = self.lives.to_string();
        let found = look(
            &self.desk(),
            self.place.sink,
            (self.clients, &label),
            looked_at,
        )?;
        self.tally.findings.extend(found);
        self.finding(self.sites[0].command(&["db", "check"]).map(drop));
        self.finding(self.sites[0].command(&["audit", "verify"]).map(drop));
        self.elders.extend(stories.iter().filter_map(elder));
        Ok(())
    }

    fn report(&self, took: Duration) {
        report(&self.tally, took);
        let mut back: Vec<u128> = self.back.iter().map(Duration::as_millis).collect();
        back.sort_unstable();
        println!(
            "torture: {} promotions; changes again after: median {} ms, longest {} ms",
            self.promotions,
            back.get(back.len() / 2).unwrap_or(&0),
            back.last().unwrap_or(&0)
        );
    }
}
