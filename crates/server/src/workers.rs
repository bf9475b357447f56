//! What a node does besides answering requests.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use vestibule_identity::Identity;

use crate::backups::Backups;
use crate::mail::{MailWorker, Sender};
use crate::mounts::Mounts;
use crate::node::{Node, cause};

/// How soon a change to tenants or keys made by another process is seen where nobody tells of it.
const REFRESH: Duration = Duration::from_millis(250);
/// How soon a changed tenant's dialects are looked at.
const MOUNTS: Duration = Duration::from_secs(1);
/// How long an audit entry waits for its place in the chain at most.
const SEAL: Duration = Duration::from_millis(500);
const PURGE: Duration = Duration::from_secs(600);
/// How often signing keys' age is looked at.
const KEYS: Duration = Duration::from_secs(600);
/// Mails in hand get so long to be handed over.
const STOP_TIMEOUT: Duration = Duration::from_secs(6);

/// The running workers.
pub(crate) struct Workers {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Workers {
    /// `mounts` is what has been told about the tenants' dialects already.
    pub(crate) fn start(node: &Node, mounts: Mounts, backups: Option<Backups>) -> Workers {
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let identity = node.identity.clone();
        tasks.spawn(repeat("directory", REFRESH, stopping.clone(), move || {
            let identity = identity.clone();
            async move { identity.reload().await }
        }));
        tasks.spawn(listen(node.identity.clone(), stopping.clone()));
        let (node_, mounts) = (node.clone(), Arc::new(Mutex::new(mounts)));
        tasks.spawn(repeat("mounts", MOUNTS, stopping.clone(), move || {
            let (node, mounts) = (node_.clone(), mounts.clone());
            async move { mounts.lock().await.look(&node).await }
        }));
        let identity = node.identity.clone();
        tasks.spawn(repeat("purge", PURGE, stopping.clone(), move || {
            let identity = identity.clone();
            async move { identity.purge().await.map(drop) }
        }));
        let identity = node.identity.clone();
        tasks.spawn(repeat("audit", SEAL, stopping.clone(), move || {
            let identity = identity.clone();
            async move { identity.seal_audit().await.map(drop) }
        }));
        if let Some(age) = node.settings.signing_key_age {
            let identity = node.identity.clone();
            let task = move || {
                let identity = identity.clone();
                async move { identity.follow_aged_keys(age).await.map(drop) }
            };
            // At the start as well: a node that never runs for so long is not to keep its keys for ever.
            let turns = (Duration::ZERO, KEYS);
            tasks.spawn(repeat_from("signing keys", turns, stopping.clone(), task));
        }
        let worker = MailWorker::new(node.identity.clone(), Sender::new(&node.settings));
        tasks.spawn(Arc::new(worker).run(stopping));
        if let Some(backups) = backups {
            tasks.spawn(backups.run(stop.subscribe()));
        }
        Workers { stop, tasks }
    }

    /// Lets them finish what they have in hand.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_TIMEOUT, all).await.is_err() {
            tracing::warn!(
                "stopped before all mails in hand had been handed over; they will be sent again"
            );
        }
    }
}

/// Takes over what other nodes change as soon as they tell. The worker that looks by the clock says it if that fails.
async fn listen(identity: Identity, mut stop: watch::Receiver<bool>) {
    let mut listener = identity.db().listener();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = listener.heard() => {}
        }
        if let Err(error) = identity.reload().await {
            tracing::debug!("told of a change, but: {}", cause(&error));
        }
    }
}

/// Does a task again and again.
async fn repeat<F, R>(name: &'static str, every: Duration, stop: watch::Receiver<bool>, task: F)
where
    F: FnMut() -> R + Send,
    R: Future<Output = vestibule_identity::Result<()>> + Send,
{
    repeat_from(name, (every, every), stop, task).await;
}

/// The same with another pause before the first time. Says once that the task fails, and once that it works again.
async fn repeat_from<F, R>(
    name: &'static str,
    (first, every): (Duration, Duration),
    mut stop: watch::Receiver<bool>,
    mut task: F,
) where
    F: FnMut() -> R + Send,
    R: Future<Output = vestibule_identity::Result<()>> + Send,
{
    let mut failing = false;
    let mut pause = first;
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = every;
        match task().await {
            Ok(()) if failing => tracing::info!(worker = name, "works again"),
            Err(error) if !failing => tracing::error!(worker = name, "fails: {}", cause(&error)),
            _ => continue,
        }
        failing = !failing;
    }
}
