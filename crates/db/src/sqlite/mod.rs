//! SQLite: one writer thread with group commit, a small pool of readers.

mod backup;
mod error;
mod lock;
mod open;
mod reader;
mod restore;
pub(crate) mod statement;
mod storage;
mod wal;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::work::Work;
use crate::{Error, Options};
pub use backup::sweep_partial;
use open::Purpose;
use reader::Readers;
pub use restore::Restore;
use storage::{Pen, Storage};
use writer::Writer;

/// Writes the mark that is there already (see [`open`]): a commit that changes nothing.
pub(crate) const PROBE: &str = "PRAGMA application_id = 1448301634";

/// The file that a `sqlite:` URL names; `None` for other URLs and for those that name none.
#[must_use]
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    url.strip_prefix("sqlite:")?;
    open::path_of(url).ok()
}

/// Where a server's lock on a SQLite file is. It stays there when the server has gone.
#[must_use]
pub fn lock_file(database: &Path) -> PathBuf {
    lock::path_of(database)
}

pub(crate) struct Sqlite {
    path: PathBuf,
    storage: Arc<Storage>,
    writer: Writer,
    readers: Readers,
    breaker: Arc<backup::Breaker>,
    _lock: Option<lock::Lock>,
}

impl Sqlite {
    pub(crate) async fn open(options: &Options) -> Result<Self, Error> {
        let path = open::path_of(&options.url)?;
        let storage = Storage::new(path.clone());
        let readers = Readers::new(storage.clone(), options);
        let (file, create, sole) = (path.clone(), options.create, options.sole);
        let health = storage.clone();
        let (lock, writer) = blocking(move || {
            open::prepare(&file, create)?;
            let lock = sole.then(|| lock::hold(&file)).transpose()?;
            let (running, rebooted) = match &lock {
                Some(lock) => (false, lock.rebooted()),
                None => {
                    let servers = lock::servers(&file);
                    (servers.running, servers.rebooted)
                }
            };
            let alone = !running;
            if alone {
                wal::check(&file, rebooted)?;
            }
            let writer = Writer::start(Pen::open(health, alone)?)?;
            Ok((lock, writer))
        })
        .await?;
        Ok(Self {
            path,
            storage,
            writer,
            readers,
            breaker: Arc::default(),
            _lock: lock,
        })
    }

    pub(crate) async fn read(&self, work: Work) -> Result<(), Error> {
        self.readers.read(work).await
    }

    pub(crate) async fn read_one(&self, work: Work) -> Result<(), Error> {
        self.readers.read_one(work).await
    }

    pub(crate) async fn write(&self, work: Work) -> Result<(), Error> {
        self.writer.write(work).await
    }

    pub(crate) async fn check(&self) -> Result<Vec<String>, Error> {
        let place = self.readers.gate().enter().await?;
        let path = self.path.clone();
        blocking(move || {
            let _place = place;
            backup::problems(&open::connect(&path, Purpose::Read)?)
        })
        .await
    }

    pub(crate) async fn backup(
        &self,
        to: PathBuf,
        progress: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<(), Error> {
        let place = self.readers.gate().enter().await?;
        let (path, breaker) = (self.path.clone(), self.breaker.clone());
        blocking(move || {
            let _place = place;
            let from = open::connect(&path, Purpose::Read)?;
            backup::copy(&from, &to, &breaker, progress)
        })
        .await
    }

    pub(crate) async fn close(&self) {
        self.breaker.stop();
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Whether writing failed and has not succeeded since.
    pub(crate) fn is_failing(&self) -> bool {
        self.storage.is_failing()
    }

    /// A probe was written.
    pub(crate) fn works(&self) {
        self.storage.works();
    }

    pub(crate) fn commits(&self) -> u64 {
        self.writer.commits()
    }
}

async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(f)
        .await
        .unwrap_or(Err(Error::Panicked))
}
