//! A private PostgreSQL: own folder, own port, gone afterwards.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::machine;
use crate::runner::Runner;

const FOLDER: &str = "vestibule-postgres-";
const ATTEMPTS: u32 = 3;

/// A running server; dropping it stops it and removes its folder.
#[derive(Debug)]
pub(crate) struct Postgres<'a> {
    runner: &'a Runner,
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl<'a> Postgres<'a> {
    /// Starts a server on a free loopback port. Unless `durable`, it never waits for the disk: its data is worth nothing.
    pub(crate) fn start(runner: &'a Runner, durable: bool) -> Result<Self> {
        let initdb = machine::find("initdb").context("PostgreSQL's initdb was not found")?;
        // Debian's wrappers aside, all server programs lie where initdb really is.
        let programs = fs::canonicalize(initdb)?
            .parent()
            .context("initdb lies in no folder")?
            .to_path_buf();
        let owner = owner(runner)?;
        sweep(runner, &programs, owner);
        let folder = std::env::temp_dir().join(format!("{FOLDER}{}", std::process::id()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        // From here on the guard cleans up, whatever fails.
        let mut server = Self {
            runner,
            programs,
            folder,
            port: 0,
        };
        server.create(owner)?;
        server.launch(durable)?;
        Ok(server)
    }

    /// For `VESTIBULE_TEST_POSTGRES`: the superuser, trusted on loopback.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn create(&self, owner: u32) -> Result<()> {
        chown(&self.folder, Some(owner), None)?;
        let mut initdb = command(&self.programs, &self.folder, "initdb");
        initdb.arg("--pgdata").arg(data(&self.folder));
        initdb.args(
            "--username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync".split(' '),
        );
        self.runner.output(&mut initdb).map(drop)
    }

    fn launch(&mut self, durable: bool) -> Result<()> {
        let mut attempt = 1;
        loop {
            // Somebody may take the port between here and the server's start; hence the attempts.
            self.port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            let log = self.folder.join("log");
            let mut start = self.pg_ctl();
            start.args(["start", "--wait", "--timeout=60", "--log"]);
            start
                .arg(&log)
                .arg("--options")
                .arg(options(self.port, durable));
            let Err(error) = self.runner.output(&mut start) else {
                return Ok(());
            };
            if self.runner.interrupted() {
                bail!("interrupted");
            }
            let said = fs::read_to_string(&log).unwrap_or_default();
            if attempt == ATTEMPTS || !said.contains("Address already in use") {
                return Err(error.context(format!("PostgreSQL did not start. Its log:\n{said}")));
            }
            attempt += 1;
        }
    }

    fn pg_ctl(&self) -> Command {
        let mut command = command(&self.programs, &self.folder, "pg_ctl");
        command.arg("--pgdata").arg(data(&self.folder));
        command
    }
}

impl Drop for Postgres<'_> {
    fn drop(&mut self) {
        remove(self.runner, &self.programs, &self.folder);
    }
}

/// Starts a server and keeps it until this program is told to end.
pub(crate) fn stay(runner: &Runner, durable: bool) -> Result<()> {
    let postgres = Postgres::start(runner, durable)?;
    println!("{}", postgres.url());
    eprintln!(
        "VESTIBULE_TEST_POSTGRES={} -- Ctrl-C stops it",
        postgres.url()
    );
    while !runner.interrupted() {
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn options(port: u16, durable: bool) -> String {
    let mut settings = vec![
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        "unix_socket_directories=".to_owned(),
        "max_connections=400".to_owned(),
        "timezone=UTC".to_owned(),
    ];
    if !durable {
        let fast = [
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
        ];
        settings.extend(fast.map(str::to_owned));
    }
    let settings: Vec<String> = settings.iter().map(|s| format!("-c {s}")).collect();
    settings.join(" ")
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// One of PostgreSQL's programs, as the user `postgres` when this is root.
pub(crate) fn command(programs: &Path, folder: &Path, program: &str) -> Command {
    let path = programs.join(program);
    let mut command = if machine::is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(path);
        command
    } else {
        Command::new(path)
    };
    command.current_dir(folder);
    command
}

/// The user to run the server as: `postgres` for root, whom PostgreSQL refuses, else whoever this is.
pub(crate) fn owner(runner: &Runner) -> Result<u32> {
    if !machine::is_root() {
        return Ok(rustix::process::geteuid().as_raw());
    }
    let said = runner
        .output(Command::new("id").args(["-u", "postgres"]))
        .context("root needs a user named postgres to run PostgreSQL as")?;
    Ok(said.trim().parse()?)
}

/// Stops the server of a folder, if it runs, and removes the folder.
fn remove(runner: &Runner, programs: &Path, folder: &Path) {
    if data(folder).join("postmaster.pid").exists() {
        let mut stop = command(programs, folder, "pg_ctl");
        stop.arg("--pgdata").arg(data(folder));
        stop.args(["stop", "--mode=immediate", "--wait"]);
        if let Err(error) = runner.output(&mut stop) {
            eprintln!("warning: {error:#}");
        }
    }
    if let Err(error) = fs::remove_dir_all(folder) {
        eprintln!("warning: cannot remove {}: {error}", folder.display());
    }
}

/// Removes what a killed run could not remove itself: folders named after a process that is gone.
fn sweep(runner: &Runner, programs: &Path, owner: u32) {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(FOLDER));
        let Some(pid) = pid.and_then(|pid| pid.parse::<u32>().ok()) else {
            continue;
        };
        let ours = entry
            .metadata()
            .is_ok_and(|m| m.is_dir() && m.uid() == owner);
        let gone = Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{pid}")).exists();
        if ours && gone {
            remove(runner, programs, &entry.path());
        }
    }
}
