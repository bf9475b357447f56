//! The real program under the shim: set up, started, killed, asked.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::disk;
use super::web::Web;
use crate::runner::shown;

const TENANT: &str = r#"
slug = "torture"
name = "Torture"
domains = ["torture.test"]
app_url = "https://app.torture.test/"
dialects = ["rezi", "enclaive", "alphalearn"]
"#;

/// How long a start may take, recovery of the database included.
const START: Duration = Duration::from_secs(20);

/// What the shim is told; laid out as in shim.c.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Control {
    /// The error number of every write, 0 for none.
    pub(crate) write_errno: i32,
    pub(crate) sync: Sync,
    /// How far the wall clock is ahead.
    pub(crate) clock_seconds: i64,
}

/// What fsync does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Sync {
    #[default]
    Honest,
    /// Answers EIO; what was to be written may be lost for good.
    Failing,
    /// Does nothing and says that it is done.
    Lying,
    /// Answers EIO for folders: the names of new files may be lost for good.
    FailingFolders,
}

/// One installation: a folder, a program, and what it runs with.
#[derive(Debug)]
pub(crate) struct Site {
    folder: PathBuf,
    program: PathBuf,
    shim: PathBuf,
    database: RwLock<Option<String>>,
    smtp: String,
    /// Commands hold it for reading: none runs at the moment of a kill.
    quiet: RwLock<()>,
}

/// Bytes of `struct control` in shim.c.
const CONTROL: u64 = 24;

impl Site {
    /// An empty folder; `database` is a PostgreSQL URL, without one it is SQLite in the folder.
    pub(crate) fn new(
        folder: &Path,
        program: &Path,
        database: Option<String>,
        smtp: &str,
    ) -> Result<Site> {
        let site = Site {
            folder: folder.to_path_buf(),
            program: program.to_path_buf(),
            shim: folder.join("shim.so"),
            database: RwLock::new(database),
            smtp: smtp.to_owned(),
            quiet: RwLock::new(()),
        };
        make_folder(folder)?;
        make_folder(&site.data())?;
        compile_shim(folder)?;
        fs::write(folder.join("torture.toml"), TENANT)?;
        site.control(Control::default())?;
        Ok(site)
    }

    /// The same program on a copy of the data as a power cut may have left it.
    pub(crate) fn beside(&self, name: &str) -> Result<Site> {
        let folder = self.folder.join(name);
        let _ = fs::remove_dir_all(&folder);
        make_folder(&folder)?;
        let site = Site {
            folder,
            program: self.program.clone(),
            shim: self.shim.clone(),
            database: RwLock::new(None),
            smtp: self.smtp.clone(),
            quiet: RwLock::new(()),
        };
        make_folder(&site.data())?;
        site.control(Control::default())?;
        Ok(site)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.database().is_some()
    }

    fn database(&self) -> Option<String> {
        let database = self.database.read();
        database.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_database(&self, url: String) {
        let database = self.database.write();
        *database.unwrap_or_else(PoisonError::into_inner) = Some(url);
    }

    /// Makes the database and the tenant; answers nothing until both are there.
    pub(crate) fn set_up(&self) -> Result<()> {
        let file = self.folder.join("torture.toml");
        self.command(&["apply", &file.to_string_lossy()]).map(drop)
    }

    /// Tells the shim, also that of a running server.
    pub(crate) fn control(&self, control: Control) -> Result<()> {
        let mut bytes = Vec::new();
        bytes.extend(control.write_errno.to_ne_bytes());
        bytes.extend((control.sync as u32).to_ne_bytes());
        bytes.extend(control.clock_seconds.to_ne_bytes());
        self.write_control(&bytes, 0)
    }

    /// Lets no change begin any more, until told otherwise.
    fn halt(&self, is_halted: bool) -> Result<()> {
        self.write_control(&u32::from(is_halted).to_ne_bytes(), 16)
    }

    /// Waits until the changes that have begun, if any, are done and recorded.
    fn settled(&self) -> Result<()> {
        let file = File::open(self.folder.join("control"))?;
        let mut busy = [0; 4];
        let begun = Instant::now();
        // Nothing takes so long: a command that ended in the middle of a change is counted for ever.
        while begun.elapsed() < Duration::from_secs(1)
            && file.read_at(&mut busy, 20)? == busy.len()
            && busy != [0; 4]
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn write_control(&self, bytes: &[u8], at: u64) -> Result<()> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.folder.join("control"))?;
        file.set_len(CONTROL)?;
        Ok(file.write_all_at(bytes, at)?)
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The changes since the log was last forgotten.
    pub(crate) fn changes(&self) -> Result<Vec<disk::Record>> {
        disk::read_log(&self.log())
    }

    /// Takes the data as it is for safely stored, and starts the log anew. No process of this site may run.
    pub(crate) fn settle(&self) -> Result<disk::Disk> {
        File::create(self.log())?;
        disk::Disk::of(&self.data())
    }

    fn prepare(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("LD_PRELOAD", &self.shim)
            .env("SHIM_ROOT", self.data())
            .env("SHIM_LOG", self.log())
            .env("SHIM_CONTROL", self.folder.join("control"))
            .env("VESTIBULE_DATA", self.data())
            .env("VESTIBULE_SMTP_URL", &self.smtp)
            .env("VESTIBULE_LISTEN", "127.0.0.1:0")
            .env("VESTIBULE_LOG_FORMAT", "json")
            // The hashes guard nobody here; the time is better spent on more accounts.
            .env("VESTIBULE_HASH_MEMORY_KIB", "64")
            .env("VESTIBULE_HASH_ITERATIONS", "1")
            // All clients share one address, and the faster the machine the more they do in an hour.
            .env(
                "VESTIBULE_LIMITS",
                "sign_in_address=1000000,sign_in_tenant=1000000,sign_up_address=1000000,sign_up_tenant=1000000,\
                 forgot_address=1000000,bad_tokens=1000000,wrong_uid_key=1000000",
            )
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .process_group(0);
        if let Some(url) = self.database() {
            command.env("VESTIBULE_DATABASE_URL", url);
        }
        command
    }

    /// Runs a command of the program to its end; its standard output.
    pub(crate) fn command(&self, args: &[&str]) -> Result<String> {
        let _running = self.quiet.read();
        let mut command = self.prepare();
        command.args(args);
        let output = command.output().with_context(|| shown(&command))?;
        ensure!(
            output.status.success(),
            "{} failed: {}",
            shown(&command),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts the server and waits until it is ready.
    pub(crate) fn start(&self) -> Result<Server<'_>> {
        self.start_until("/health/ready")
    }

    /// Starts the server and waits for the first 200 at a path.
    pub(crate) fn start_until(&self, path: &str) -> Result<Server<'_>> {
        let said = self.folder.join("said");
        let begun = Instant::now();
        let child = self
            .prepare()
            .arg("serve")
            .stdout(File::create(&said)?)
            .stderr(File::options().append(true).open(&said)?)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let mut server = Server {
            site: self,
            child,
            port: 0,
            start: Duration::ZERO,
        };
        while !server.answers(path)? {
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended ({status}): {}", server.said()?);
            }
            ensure!(begun.elapsed() < START, "no answer: {}", server.said()?);
            std::thread::sleep(Duration::from_millis(2));
        }
        server.start = begun.elapsed();
        Ok(server)
    }
}

/// A running server; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server<'a> {
    site: &'a Site,
    child: Child,
    port: u16,
    /// From the start of the process to the first 200.
    pub(crate) start: Duration,
}

impl<'a> Server<'a> {
    fn answers(&mut self, path: &str) -> Result<bool> {
        if self.port == 0 {
            const MARK: &str = "listening on http://127.0.0.1:";
            let said = self.said()?;
            let port = said.split_once(MARK).map(|(_, rest)| rest);
            let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit());
            let port = port.and_then(|rest| rest[..digits(rest)?].parse().ok());
            self.port = port.unwrap_or(0);
        }
        Ok(self.port != 0
            && self
                .web()
                .get(path, &[])
                .is_ok_and(|reply| reply.status == 200))
    }

    /// Everything it has logged.
    pub(crate) fn said(&self) -> Result<String> {
        Ok(fs::read_to_string(self.site.folder.join("said"))?)
    }

    /// A new client with connections of its own.
    pub(crate) fn web(&self) -> Web {
        Web::new(self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Sends it a signal, by name.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status()?;
        ensure!(status.success(), "kill -s {name} failed");
        Ok(())
    }

    pub(crate) fn site(&self) -> &'a Site {
        self.site
    }

    /// kill -9. Panics that it logged before are an error.
    pub(crate) fn kill(&mut self) -> Result<()> {
        let quiet = self.site.quiet.write();
        self.site.halt(true)?;
        self.site.settled()?;
        self.child.kill()?;
        self.child.wait()?;
        // The dead may have been about to look whether they must wait.
        self.site.write_control(&[0; 4], 20)?;
        self.site.halt(false)?;
        drop(quiet);
        let said = self.said()?;
        let panic = said.lines().find(|line| line.contains("panicked"));
        panic.map_or(Ok(()), |line| bail!("the server panicked: {line}"))
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.kill();
        }
    }
}

pub(crate) fn make_folder(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(path)
        .with_context(|| format!("cannot create {}", path.display()))
}

/// What the program itself does to the files it makes: others may not read them.
pub(crate) fn make_private(path: &Path) -> Result<()> {
    Ok(fs::set_permissions(
        path,
        fs::Permissions::from_mode(0o600),
    )?)
}

fn compile_shim(folder: &Path) -> Result<()> {
    let source = folder.join("shim.c");
    fs::write(&source, include_str!("shim.c"))?;
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-shared", "-fPIC", "-o", "shim.so", "shim.c", "-ldl"])
        .current_dir(folder);
    let output = cc
        .output()
        .context("the harness needs a C compiler named cc")?;
    ensure!(
        output.status.success(),
        "cc failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
