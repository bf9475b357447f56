//! Starting other programs so that nothing outlives this one, not even on Ctrl-C.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

const POLL: Duration = Duration::from_millis(50);
const GRACE: Duration = Duration::from_secs(5);

/// Starts programs at the repository's root and notices SIGINT, SIGTERM and SIGHUP.
#[derive(Debug)]
pub(crate) struct Runner {
    root: PathBuf,
    interrupted: Arc<AtomicBool>,
}

impl Runner {
    pub(crate) fn new() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask is not inside the repository")?
            .to_path_buf();
        let interrupted = Arc::new(AtomicBool::new(false));
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
        }
        Ok(Self { root, interrupted })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target_dir(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| self.root.join("target"), |dir| self.root.join(dir))
    }

    /// A cargo call as a person would type it. What the outer `cargo run` told this program about itself is taken out:
    /// some build scripts watch these variables, and would run again each time.
    pub(crate) fn cargo<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(args).current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            let own = [
                "CARGO_PKG_",
                "CARGO_MANIFEST_",
                "CARGO_BIN_",
                "CARGO_CRATE_",
            ];
            if own
                .iter()
                .any(|start| name.to_string_lossy().starts_with(start))
            {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs a program to its end; fails when it does.
    pub(crate) fn run(&self, command: &mut Command) -> Result<()> {
        let status = self.wait(&mut spawn(command)?)?;
        succeeded(command, status)
    }

    /// Runs a program quietly; gives its standard output, or fails with its standard error.
    pub(crate) fn output(&self, command: &mut Command) -> Result<String> {
        let output = command
            .stdin(Stdio::null())
            .process_group(0)
            .output()
            .with_context(|| format!("cannot start {}", shown(command)))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{} failed: {}", shown(command), said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a program, handing each line of its standard output on as it comes.
    pub(crate) fn run_reading(
        &self,
        command: &mut Command,
        mut on_line: impl FnMut(&str) + Send,
    ) -> Result<ExitStatus> {
        let mut child = spawn(command.stdout(Stdio::piped()))?;
        let stdout = child.stdout.take().context("no standard output")?;
        thread::scope(|scope| {
            let reader = scope.spawn(move || -> std::io::Result<()> {
                let mut lines = BufReader::new(stdout);
                let mut line = Vec::new();
                while lines.read_until(b'\n', &mut line)? > 0 {
                    on_line(String::from_utf8_lossy(&line).trim_end_matches('\n'));
                    line.clear();
                }
                Ok(())
            });
            let status = self.wait(&mut child);
            if let Ok(read) = reader.join() {
                read.context("reading the program's output")?;
            }
            status
        })
    }

    /// Waits for a child that leads its own process group, and ends the whole group: on a signal to this program, and
    /// what a finished child has left behind.
    fn wait(&self, child: &mut Child) -> Result<ExitStatus> {
        let group = Pid::from_child(child);
        let mut asked: Option<Instant> = None;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            match asked {
                None if self.interrupted() => {
                    let _ = kill_process_group(group, Signal::TERM);
                    asked = Some(Instant::now());
                }
                Some(since) if since.elapsed() > GRACE => {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                _ => {}
            }
            thread::sleep(POLL);
        };
        let _ = kill_process_group(group, Signal::KILL);
        if self.interrupted() {
            bail!("interrupted");
        }
        Ok(status)
    }
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Turns an exit status into a result.
pub(crate) fn succeeded(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

fn spawn(command: &mut Command) -> Result<Child> {
    command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", shown(command)))
}
