//! A PostgreSQL primary with a synchronous standby, and what may happen to them.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::wire::Wire;
use crate::machine;
use crate::postgres;
use crate::runner::Runner;

/// How long a standby may take to be in step.
const IN_STEP: Duration = Duration::from_secs(20);

/// Two places for a server; at most one is the primary.
#[derive(Debug)]
pub(crate) struct Cluster<'a> {
    runner: &'a Runner,
    programs: PathBuf,
    folder: PathBuf,
    owner: u32,
    ports: [u16; 2],
    /// By which each server's standby reads from it.
    links: [Wire; 2],
    primary: usize,
    /// Whether commits wait for the standby.
    synchronous: bool,
}

impl<'a> Cluster<'a> {
    /// A primary and its standby, in step.
    pub(crate) fn start(runner: &'a Runner) -> Result<Cluster<'a>> {
        let initdb = machine::find("initdb").context("PostgreSQL's initdb was not found")?;
        let programs = fs::canonicalize(initdb)?;
        let programs = programs.parent().context("initdb lies in no folder")?;
        let owner = postgres::owner(runner)?;
        // Beside the other files of the run, which only their owner may see.
        let name = format!("vestibule-cluster-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        chown(&folder, Some(owner), None)?;
        let ports = [free_port()?, free_port()?];
        let cluster = Cluster {
            runner,
            programs: programs.to_path_buf(),
            folder,
            owner,
            ports,
            links: [Wire::to(ports[0])?, Wire::to(ports[1])?],
            primary: 0,
            synchronous: true,
        };
        let mut initdb = cluster.program("initdb");
        initdb.arg("--pgdata").arg(cluster.data(0));
        initdb.args(
            "--username=postgres --auth=trust --encoding=UTF8 --locale=C --no-sync".split(' '),
        );
        runner.output(&mut initdb)?;
        cluster.launch(0)?;
        cluster.add_standby()?;
        Ok(cluster)
    }

    pub(crate) fn ports(&self) -> [u16; 2] {
        self.ports
    }

    fn standby(&self) -> usize {
        1 - self.primary
    }

    fn data(&self, server: usize) -> PathBuf {
        self.folder.join(format!("data{server}"))
    }

    fn program(&self, name: &str) -> Command {
        postgres::command(&self.programs, &self.folder, name)
    }

    fn launch(&self, server: usize) -> Result<()> {
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={} -c unix_socket_directories= -c max_connections=200 -c timezone=UTC \
             -c fsync=off -c full_page_writes=off -c wal_level=replica -c hot_standby=on -c max_wal_senders=8",
            self.ports[server]
        );
        let mut start = self.program("pg_ctl");
        start.arg("--pgdata").arg(self.data(server));
        start.args(["start", "--wait", "--timeout=60", "--log"]);
        start.arg(self.folder.join(format!("log{server}")));
        start.arg("--options").arg(options);
        self.runner.output(&mut start).map(drop)
    }

    /// Makes the other place a standby of the primary's present state, and has commits wait for it.
    pub(crate) fn add_standby(&self) -> Result<()> {
        let standby = self.standby();
        let _ = fs::remove_dir_all(self.data(standby));
        let mut copy = self.program("pg_basebackup");
        copy.args(["--host=127.0.0.1", "--username=postgres"]);
        copy.arg(format!("--port={}", self.links[self.primary].port));
        copy.arg("--pgdata").arg(self.data(standby));
        copy.args(
            "--write-recovery-conf --checkpoint=fast --wal-method=stream --no-sync".split(' '),
        );
        self.runner.output(&mut copy)?;
        chown(self.data(standby), Some(self.owner), None)?;
        self.launch(standby)?;
        let names = if self.synchronous { "*" } else { "" };
        self.sql(&format!(
            "ALTER SYSTEM SET synchronous_standby_names = '{names}'"
        ))?;
        self.sql("SELECT pg_reload_conf()")?;
        let wanted = if self.synchronous { "sync" } else { "async" };
        let begun = Instant::now();
        while self.sql("SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'")?
            != wanted
        {
            ensure!(
                begun.elapsed() < IN_STEP,
                "the standby does not get into step"
            );
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Commits no longer wait for the standby.
    pub(crate) fn wait_for_nobody(&mut self) -> Result<()> {
        self.synchronous = false;
        self.sql("ALTER SYSTEM SET synchronous_standby_names = ''")?;
        self.sql("SELECT pg_reload_conf()").map(drop)
    }

    /// Runs SQL on the primary; its unadorned output.
    pub(crate) fn sql(&self, sql: &str) -> Result<String> {
        let mut psql = self.psql();
        psql.arg("--command").arg(sql);
        Ok(self.runner.output(&mut psql)?.trim().to_owned())
    }

    fn psql(&self) -> Command {
        let mut psql = self.program("psql");
        psql.args(
            "--no-psqlrc --tuples-only --no-align --quiet --host=127.0.0.1 --username=postgres"
                .split(' '),
        );
        psql.arg(format!("--port={}", self.ports[self.primary]));
        psql
    }

    /// Starts SQL on the primary and does not wait for its end.
    pub(crate) fn sql_aside(&self, sql: &str) -> Result<()> {
        let mut child = self
            .psql()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        child
            .stdin
            .take()
            .context("no standard input")?
            .write_all(sql.as_bytes())?;
        thread::spawn(move || child.wait());
        Ok(())
    }

    /// A signal to every process of a server.
    fn signal(&self, server: usize, signal: &str) -> Result<()> {
        let file = self.data(server).join("postmaster.pid");
        let text = fs::read_to_string(file)?;
        let pid = text.lines().next().unwrap_or_default().trim().to_owned();
        ensure!(
            pid.parse::<u32>().is_ok_and(|pid| pid > 1),
            "no process in {text:?}"
        );
        // The postmaster leads a session of its own; each of its children a group.
        let own = self
            .runner
            .output(Command::new("ps").args(["-o", "pid=", "--ppid", &pid]));
        let mut kill = Command::new("kill");
        kill.arg(format!("-{signal}")).arg(&pid);
        let children = own.unwrap_or_default();
        kill.args(children.split_whitespace());
        let _ = self.runner.output(&mut kill);
        Ok(())
    }

    /// The standby hears nothing any more; commits wait for it.
    pub(crate) fn deafen_standby(&self) {
        self.links[self.primary].stall(true);
    }

    /// Ends the waiting of every commit, which the server then calls done, with a warning.
    pub(crate) fn end_waiting(&self) -> Result<()> {
        self.sql("SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
            .map(drop)
    }

    /// kill -9 of the primary, all of it.
    pub(crate) fn kill_primary(&self) -> Result<()> {
        self.signal(self.primary, "KILL")?;
        // What was under way to the standby is lost too.
        self.links[self.primary].cut(false);
        self.links[self.primary].stall(false);
        Ok(())
    }

    /// The standby becomes the primary; it waits for nobody until it has a standby.
    pub(crate) fn promote(&mut self) -> Result<()> {
        let standby = self.standby();
        let mut promote = self.program("pg_ctl");
        promote.arg("--pgdata").arg(self.data(standby));
        promote.args(["promote", "--wait", "--timeout=30"]);
        // Before: once it takes changes nothing may wait for a standby that is dead.
        let set = self.data(standby).join("postgresql.auto.conf");
        let text = fs::read_to_string(&set)?;
        let kept: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("synchronous_standby_names"))
            .collect();
        fs::write(&set, kept.join("\n") + "\n")?;
        let mut reload = self.program("pg_ctl");
        reload.arg("--pgdata").arg(self.data(standby)).arg("reload");
        self.runner.output(&mut reload)?;
        self.runner.output(&mut promote)?;
        self.primary = standby;
        Ok(())
    }
}

impl Drop for Cluster<'_> {
    fn drop(&mut self) {
        for server in [0, 1] {
            if self.data(server).join("postmaster.pid").exists() {
                let mut stop = self.program("pg_ctl");
                stop.arg("--pgdata").arg(self.data(server));
                stop.args(["stop", "--mode=immediate", "--wait", "--timeout=20"]);
                let _ = self.runner.output(&mut stop);
            }
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn free_port() -> Result<u16> {
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    match port {
        0 => bail!("no free port"),
        port => Ok(port),
    }
}
