//! Backups by the clock: one at a time, in one folder, told in the log and the metrics.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::sync::watch;
use vestibule_db::Engine;
use vestibule_http::Metrics;
use vestibule_identity::{Identity, Micros};

use crate::copies::Copies;
use crate::node::Node;

/// How often it is asked whether a backup is due.
const LOOK: Duration = Duration::from_millis(500);
/// A failed backup is tried again so soon, or at its usual time if that is sooner.
const RETRY: Duration = Duration::from_secs(300);

/// What the settings want.
pub(crate) struct Backups {
    identity: Identity,
    metrics: Metrics,
    copies: Copies,
    every: Duration,
}

impl Backups {
    /// `None` where none are wanted.
    pub(crate) fn of(node: &Node, metrics: Metrics) -> anyhow::Result<Option<Backups>> {
        let settings = &node.settings;
        let Some(every) = settings.backup.every else {
            return Ok(None);
        };
        if node.identity.db().engine() != Engine::Sqlite {
            bail!(
                "{}: is for the embedded database only; back up PostgreSQL by its own means and leave this setting out",
                settings.place("backup_every")
            );
        }
        let copies = Copies {
            folder: settings.backup.directory.clone(),
            prefix: "vestibule-".to_owned(),
            suffix: ".db",
            keep: settings.backup.keep,
        };
        Ok(Some(Backups {
            identity: node.identity.clone(),
            metrics,
            copies,
            every,
        }))
    }

    /// Until told to stop.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut not_before: Option<Instant> = None;
        if let Ok(Some(last)) = self.last() {
            self.metrics.backup_made(last.secs());
        }
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            if not_before.is_some_and(|at| Instant::now() < at) || !self.is_due() {
                continue;
            }
            let started = Instant::now();
            // A stop does not wait for it: what is unfinished is removed by the next run.
            let made = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                made = self.make() => made,
            };
            match made {
                Ok((at, path)) => {
                    not_before = None;
                    self.metrics.backup_made(at.secs());
                    let seconds = started.elapsed().as_secs();
                    tracing::info!(path = %path.display(), seconds, "backed up the database");
                }
                Err(error) => {
                    not_before = Some(Instant::now() + RETRY.min(self.every));
                    self.metrics.backup_failed();
                    tracing::error!("the backup failed: {error:#}");
                }
            }
        }
    }

    /// When the newest one was made. One from the future was made under a wrong clock and counts for nothing.
    fn last(&self) -> anyhow::Result<Option<Micros>> {
        let now = self.identity.now();
        let all = self.copies.all()?;
        Ok(all.into_iter().map(|(at, _)| at).rfind(|at| *at <= now))
    }

    fn is_due(&self) -> bool {
        match self.last() {
            Ok(Some(last)) => self.identity.now().since(last) >= self.every,
            // A folder that cannot be read is told by the attempt.
            Ok(None) | Err(_) => true,
        }
    }

    async fn make(&self) -> anyhow::Result<(Micros, PathBuf)> {
        let folder = &self.copies.folder;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("cannot create {}", folder.display()))?;
        let at = self.identity.now();
        Ok((at, self.copies.make(self.identity.db(), "", at).await?))
    }
}
