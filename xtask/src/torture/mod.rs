//! `cargo xtask torture`: clients at work on the real program, kill -9 and power cuts at random moments, and after each
//! restart every acknowledged change held against the public API.

mod act;
mod check;
mod client;
mod disk;
mod faults;
mod journal;
mod nodes;
mod prove;
mod round;
pub(crate) mod server;
mod smtp;
mod story;
mod web;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::postgres::Postgres;
use crate::runner::Runner;
use act::Desk;
use check::Sort;
use journal::Act;
use round::{Cut, Tally, Torture};
use server::{Site, Sync};
use smtp::Sink;

/// What `cargo xtask torture` can be told.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Rounds: by turns a power cut, failing storage with a power cut later, and kill -9 (PostgreSQL: kill -9 only)
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Clients at work at the same time
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// The database to torture
    #[arg(long, value_enum, default_value_t = Engine::Sqlite)]
    engine: Engine,
    /// Earlier moments of each power-cut round at which the power is cut as well, on a copy
    #[arg(long, default_value_t = 5)]
    moments: usize,
    /// Start of the random choices; drawn and printed if not given
    #[arg(long)]
    seed: Option<u64>,
    /// Two servers on a PostgreSQL primary and its synchronous standby, with the primary killed in each round
    #[arg(long)]
    nodes: bool,
    /// Torture this program instead of a release build of the repository
    #[arg(long)]
    program: Option<PathBuf>,
    /// Prove the harness instead: a disk that only says it syncs, and planted faults, must be found
    #[arg(long)]
    prove: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    Sqlite,
    Postgres,
}

impl Options {
    /// What `cargo xtask test` runs.
    pub(crate) fn short(program: PathBuf) -> Options {
        Options {
            rounds: 3,
            clients: 4,
            engine: Engine::Sqlite,
            moments: 3,
            seed: None,
            nodes: false,
            program: Some(program),
            prove: false,
        }
    }

    /// The same with two servers and two databases.
    pub(crate) fn short_of_nodes(program: PathBuf) -> Options {
        Options {
            rounds: 2,
            clients: 8,
            nodes: true,
            ..Options::short(program)
        }
    }

    /// The same with the harness proven instead.
    pub(crate) fn proving(self) -> Options {
        Options {
            prove: true,
            ..self
        }
    }
}

/// Runs the rounds; fails if anything was found.
pub(crate) fn run(runner: &Runner, options: &Options) -> Result<()> {
    let program = match &options.program {
        Some(program) => program.canonicalize()?,
        None => {
            let build = "build --release --locked -p vestibule";
            runner.run(&mut runner.cargo(build.split(' ')))?;
            runner.target_dir().join("release/vestibule")
        }
    };
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("torture: --seed {seed}");
    let postgres = match options.engine {
        Engine::Postgres if !options.nodes => Some(Postgres::start(runner, true)?),
        _ => None,
    };
    let folder = Folder::create()?;
    let sink = Sink::start()?;
    let place = Place {
        folder: &folder.0,
        program: &program,
        sink: &sink,
        seed,
    };
    if options.nodes {
        return nodes::run(runner, options, &place);
    }
    if options.prove {
        return prove::run(&place, options);
    }
    let site = place.site("site", postgres.as_ref().map(Postgres::url))?;
    let mut torture = place.torture(&site, options.clients)?;
    let begun = Instant::now();
    let bar = progress(options.rounds);
    for number in 0..options.rounds {
        if runner.interrupted() {
            bail!("interrupted");
        }
        let moments = options.moments;
        let cut = match number % 3 {
            _ if site.is_postgres() => Cut::Kill,
            0 => Cut::Power { moments },
            1 => Cut::Faults { moments },
            _ => Cut::Kill,
        };
        torture.round(cut)?;
        bar.set_message(line(&torture.tally));
        bar.inc(1);
    }
    bar.finish_and_clear();
    if !site.is_postgres() {
        let times = faults::drill(&mut torture)?;
        println!(
            "torture: failing storage was told within {} ms, and recovered from within {} ms",
            times.refusal.as_millis(),
            times.recovery.as_millis()
        );
    }
    report(&torture.tally, begun.elapsed());
    match torture.tally.findings.len() {
        0 => Ok(()),
        count => bail!("{count} findings; run again with --seed {seed}"),
    }
}

/// What every site of a run has in common.
struct Place<'a> {
    folder: &'a Path,
    program: &'a Path,
    sink: &'a Sink,
    seed: u64,
}

impl Place<'_> {
    /// A site that has survived a power cut right after it was set up.
    fn site(&self, name: &str, database: Option<String>) -> Result<Site> {
        let url = self.sink.url();
        let site = Site::new(&self.folder.join(name), self.program, database, &url)?;
        let mut disk = site.settle()?;
        site.set_up()?;
        if !site.is_postgres() {
            let mut random = fastrand::Rng::with_seed(self.seed);
            disk.replay(&site.changes()?, &mut random);
            fs::remove_dir_all(site.data())?;
            server::make_folder(&site.data())?;
            disk.cut(&site.data(), &mut random)?;
        }
        Ok(site)
    }

    fn torture<'s>(&'s self, site: &'s Site, clients: usize) -> Result<Torture<'s>> {
        let mut server = site.start()?;
        let desk = Desk {
            web: server.web(),
            site,
            key: String::new(),
        };
        let name = "harness".to_owned();
        let Ok(key) = desk.perform(&Act::CreateKey { name })? else {
            bail!("no key was made");
        };
        server.kill()?;
        Ok(Torture {
            site,
            sink: self.sink,
            clients: clients.max(1),
            random: fastrand::Rng::with_seed(self.seed),
            key: key.token,
            clock: 0,
            sync: Sync::Honest,
            tally: Tally::default(),
            elders: Vec::new(),
            shared: Vec::new(),
            lives: 0,
        })
    }
}

fn progress(rounds: usize) -> ProgressBar {
    let bar = ProgressBar::new(rounds as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} rounds, {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn line(tally: &Tally) -> String {
    format!(
        "{} kills, {} power cuts, {} effects checked, {} lost, {} revived, {} twice, {} half done, {} wrong",
        tally.kills,
        tally.cuts,
        tally.effects,
        tally.count(Sort::Lost),
        tally.count(Sort::Revived),
        tally.count(Sort::Twice),
        tally.count(Sort::Between),
        tally.count(Sort::Wrong),
    )
}

fn report(tally: &Tally, took: Duration) {
    const SHOWN: usize = 30;
    for finding in tally.findings.iter().take(SHOWN) {
        println!("{finding}");
    }
    println!("torture: {}", line(tally));
    let mut starts = tally.starts.clone();
    starts.sort();
    let at =
        |part: usize| starts.get((starts.len() * part / 100).min(starts.len().saturating_sub(1)));
    let shown = |time: Option<&Duration>| time.map_or(0, Duration::as_millis);
    println!(
        "torture: restart to the first 200: median {} ms, 95 % within {} ms, longest {} ms; {:.0} s in all",
        shown(at(50)),
        shown(at(95)),
        shown(starts.last()),
        took.as_secs_f64()
    );
}

/// A folder that is gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn create() -> Result<Folder> {
        let name = format!("vestibule-torture-{}", std::process::id());
        let path = std::env::temp_dir().canonicalize()?.join(name);
        server::make_folder(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
