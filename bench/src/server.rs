//! The program under measurement: set up, started, stopped.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::load::HOST;

const START: Duration = Duration::from_secs(120);

/// One address drives all load here; everything else is as it comes.
const LIMITS: &str = "sign_in_account=1000000000,sign_in_address=1000000000,sign_in_tenant=1000000000,\
    sign_up_address=1000000000,sign_up_tenant=1000000000,bad_tokens=1000000000";

/// One installation: a folder, and the database if it is not in there.
#[derive(Debug, Clone)]
pub struct Site {
    pub folder: PathBuf,
    program: PathBuf,
    database: Option<String>,
}

impl Site {
    /// An installation with the tenant `bench`.
    pub fn new(folder: &Path, program: &Path, database: Option<String>) -> Result<Site> {
        let site = Site {
            folder: folder.to_owned(),
            program: program.to_owned(),
            database,
        };
        fs::DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(folder)?;
        let file = folder.join("bench.toml");
        fs::write(
            &file,
            format!(
                "slug = \"bench\"\nname = \"Bench\"\ndomains = [\"{HOST}\"]\n\
                 dialects = [\"rezi\", \"enclaive\", \"alphalearn\"]\n"
            ),
        )?;
        site.command(&["apply", &file.to_string_lossy()])?;
        Ok(site)
    }

    fn prepare(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("VESTIBULE_DATA", self.folder.join("data"))
            .env("VESTIBULE_LOG_FORMAT", "json")
            .env("VESTIBULE_LIMITS", LIMITS)
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        if let Some(url) = &self.database {
            command.env("VESTIBULE_DATABASE_URL", url);
        }
        command
    }

    /// Runs a command of the program to its end; its standard output.
    pub fn command(&self, args: &[&str]) -> Result<String> {
        let output = self.prepare().args(args).output();
        let output = output.with_context(|| format!("cannot run {}", self.program.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{} failed: {}",
            args[0],
            said.trim()
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// A private key of the tenant.
    pub fn key(&self) -> Result<String> {
        let said = self.command(&[
            "api-key", "create", "--tenant", "bench", "--name", "bench", "--json",
        ])?;
        let said: serde_json::Value = serde_json::from_str(&said)?;
        Ok(said["key"]
            .as_str()
            .context("api-key create --json")?
            .to_owned())
    }

    /// Starts the server and waits for its first answer.
    pub fn start(&self) -> Result<Server> {
        self.start_with(&[])
    }

    /// The same, with more in its environment.
    pub fn start_with(&self, environment: &[(&str, &Path)]) -> Result<Server> {
        // Free a moment ago; that it is taken meanwhile shows as an error.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = self.folder.join(format!("log-{port}"));
        let begun = Instant::now();
        let mut child = self
            .prepare()
            .env("VESTIBULE_LISTEN", format!("127.0.0.1:{port}"))
            .envs(environment.iter().copied())
            .arg("serve")
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()?;
        while !answers(port) {
            if let Some(status) = child.try_wait()? {
                bail!("the server ended ({status}): {}", fs::read_to_string(&log)?);
            }
            ensure!(
                begun.elapsed() < START,
                "no answer: {}",
                fs::read_to_string(&log)?
            );
            std::thread::sleep(Duration::from_micros(500));
        }
        Ok(Server {
            child,
            port,
            start: begun.elapsed(),
        })
    }
}

/// Whether the server says that it is ready.
fn answers(port: u16) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let mut head = [0; 12];
    let ask = format!("GET /health/ready HTTP/1.1\r\nhost: {HOST}\r\n\r\n");
    stream.write_all(ask.as_bytes()).is_ok()
        && stream.read_exact(&mut head).is_ok()
        && head.ends_with(b" 200")
}

/// A running server; dropping it asks it to stop and waits.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub port: u16,
    /// From the start of the process to the first 200.
    pub start: Duration,
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}
