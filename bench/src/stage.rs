//! What paths are measured on: a server with people, the bare handlers, and the rounds.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, StatusCode};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::Options;
use crate::bare::Bare;
use crate::load::{self, Ask, Clients, HOST, Load, Reply, Same, Sample};
use crate::machine::{self, Fact};
use crate::path::{self, Case};
use crate::report::{self, Figure, Wanted};
use crate::server::{Server, Site};

/// Clients at most: each path has a person for each.
const PEOPLE: usize = 64;

/// Somebody who signed in.
#[derive(Debug, Clone)]
pub struct Person {
    pub email: String,
    pub password: String,
    pub access: String,
    pub refresh: String,
    pub session: String,
}

/// Everything a path needs.
pub struct Stage {
    pub options: Options,
    pub runtime: Runtime,
    pub folder: PathBuf,
    pub server: Server,
    pub bare: Bare,
    pub people: Arc<Vec<Person>>,
    /// A private key of the tenant.
    pub key: String,
    bar: ProgressBar,
    facts: Vec<Fact>,
    figures: Vec<Figure>,
}

/// Measures what the options name.
pub fn run(options: Options) -> Result<()> {
    let chosen = chosen(&options)?;
    let root = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = root.join(format!("vestibule-bench-{}", std::process::id()));
    let result = Stage::new(options, folder.clone()).and_then(|stage| stage.measure(&chosen));
    let _ = std::fs::remove_dir_all(&folder);
    result
}

fn chosen(options: &Options) -> Result<Vec<&'static Case>> {
    for name in &options.only {
        let known = path::ALL.iter().any(|path| path.name == name);
        ensure!(
            known,
            "no path is called `{name}`; `cargo xtask bench --list` names them"
        );
    }
    let wanted = |path: &&Case| match options.only.is_empty() {
        true => (path.runs)(options),
        false => options.only.iter().any(|name| name == path.name),
    };
    Ok(path::ALL.iter().filter(wanted).collect())
}

impl Stage {
    fn new(options: Options, folder: PathBuf) -> Result<Stage> {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} {msg}")?;
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(250));
        bar.set_message("preparing");
        let facts = machine::facts(&options.docs);
        let runtime = Runtime::new()?;
        let site = Site::new(&folder.join("site"), &options.program, None)?;
        let server = site.start()?;
        let people = runtime.block_on(people(server.port, HOST, PEOPLE))?;
        Ok(Stage {
            key: site.key()?,
            bare: Bare::start()?,
            people: Arc::new(people),
            options,
            runtime,
            folder,
            server,
            bar,
            facts,
            figures: Vec::new(),
        })
    }

    fn measure(mut self, chosen: &[&Case]) -> Result<()> {
        let rounds = self.rounds();
        let times = |case: &Case| if case.once { 1 } else { rounds };
        self.bar
            .set_length(chosen.iter().map(|case| times(case) as u64).sum());
        println!("{}", report::HEAD);
        for case in chosen {
            self.bar.set_message(case.name);
            let mut told = Vec::new();
            for _ in 0..times(case) {
                let round = (case.round)(&mut self).with_context(|| case.name)?;
                keep(&mut told, case.name, round);
                self.bar.inc(1);
            }
            for figure in told {
                self.bar.suspend(|| println!("{}", figure.row()));
                self.figures.push(figure);
            }
        }
        self.bar.finish_and_clear();
        let whole = !self.options.quick && self.options.only.is_empty();
        if whole || self.options.write {
            let how = format!(
                "{rounds} rounds, {} s for each measurement; `cargo xtask bench{}{}`",
                report::shown(self.seconds()),
                self.options
                    .scale
                    .map(|scale| format!(" --scale {scale}"))
                    .unwrap_or_default(),
                if self.options.postgres.is_some() {
                    " --postgres"
                } else {
                    ""
                },
            );
            report::write(&self.options.docs, &self.facts, &self.figures, &how)?;
            println!(
                "written to {}",
                self.options.docs.join("benchmarks.md").display()
            );
        }
        Ok(())
    }

    pub fn rounds(&self) -> usize {
        self.options
            .rounds
            .unwrap_or(if self.options.quick { 2 } else { 5 })
    }

    /// Seconds of one measurement.
    pub fn seconds(&self) -> f64 {
        self.options
            .seconds
            .unwrap_or(if self.options.quick { 0.4 } else { 3.0 })
    }

    /// Tells how far a long path is.
    pub fn say(&self, what: impl Into<String>) {
        self.bar.set_message(what.into());
    }

    /// Loads the server that all paths share.
    pub fn load(&self, clients: Clients) -> Result<Sample> {
        self.load_server(&self.server, clients)
    }

    pub fn load_server(&self, server: &Server, clients: Clients) -> Result<Sample> {
        self.drive(server.port, server.pid(), clients)
    }

    /// Loads the bare handlers.
    pub fn load_bare(&self, clients: usize, ask: &Ask) -> Result<Sample> {
        self.drive(
            self.bare.port,
            self.bare.pid(),
            same(clients, |_| Ok(ask.clone()))?,
        )
    }

    fn drive(&self, port: u16, pid: u32, clients: Clients) -> Result<Sample> {
        let seconds = self.seconds();
        let load = Load {
            port,
            pid,
            seconds,
            pace: None,
        };
        self.runtime.block_on(load.drive(clients))
    }

    pub fn once(&self, ask: Ask) -> Result<Reply> {
        self.runtime.block_on(load::once(self.server.port, ask))
    }

    /// Makes the bare handler answer as the server does.
    pub fn mirror(&self, ask: Ask) -> Result<Ask> {
        let reply = self.once(ask)?;
        ensure!(reply.status == StatusCode::OK, "answered {}", reply.status);
        self.serve_bare(reply.body)?;
        load::get("/", None)
    }

    pub fn serve_bare(&self, body: Bytes) -> Result<()> {
        let mut put = load::ask(HOST, Method::PUT, "/", None, None)?;
        *put.body_mut() = Full::new(body);
        self.runtime
            .block_on(load::once(self.bare.port, put))
            .map(drop)
    }
}

/// A figure of one round.
pub type Measured = (String, &'static str, Wanted, f64);

fn keep(told: &mut Vec<Figure>, path: &'static str, round: Vec<Measured>) {
    for (what, unit, wanted, value) in round {
        match told.iter_mut().find(|figure| figure.what == what) {
            Some(figure) => figure.values.push(value),
            None => told.push(Figure {
                path,
                what,
                unit,
                wanted,
                values: vec![value],
            }),
        }
    }
}

/// So many clients, each repeating a request of its own.
pub fn same(clients: usize, ask: impl Fn(usize) -> Result<Ask>) -> Result<Clients> {
    let client = |index| Ok(Box::new(Same(ask(index)?)) as Box<dyn load::Client>);
    (0..clients).map(client).collect()
}

/// Makes people and signs them in.
pub async fn people(port: u16, host: &str, count: usize) -> Result<Vec<Person>> {
    let mut people = Vec::new();
    for index in 0..count {
        let email = format!("person{index}@{host}");
        let password = format!("correct horse {index} battery");
        let body = json!({ "name": "A Person", "email": email, "password": password });
        let ask = load::ask(host, Method::POST, "/api/register", None, Some(&body))?;
        let reply = load::once(port, ask).await?;
        ensure!(
            reply.status.is_success(),
            "sign-up answered {}: {:?}",
            reply.status,
            reply.body
        );
        people.push(sign_in(port, host, email, password).await?);
    }
    Ok(people)
}

/// Signs somebody in at the learning platform's API.
pub async fn sign_in(port: u16, host: &str, email: String, password: String) -> Result<Person> {
    let body = json!({ "email": email, "password": password });
    let ask = load::ask(host, Method::POST, "/authorize/login", None, Some(&body))?;
    let reply = load::once(port, ask).await?;
    let said: Value = serde_json::from_slice(&reply.body)?;
    let data = &said["data"]["response"]["data"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let person = Person {
        email,
        password,
        access: text(&data["token"]),
        refresh: text(&data["refresh-token"]),
        session: text(&data["user"]["sessionToken"]),
    };
    if person.access.is_empty() || person.refresh.is_empty() || person.session.is_empty() {
        bail!("sign-in answered {}: {said}", reply.status);
    }
    Ok(person)
}
