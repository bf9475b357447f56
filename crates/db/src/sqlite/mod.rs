//! SQLite: one writer thread with group commit, a small pool of readers.

mod backup;
mod error;
mod open;
mod reader;
pub(crate) mod statement;
mod storage;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use crate::work::Work;
use crate::{Error, Options};
use open::Purpose;
use reader::Readers;
use storage::{Pen, Storage};
use writer::Writer;

/// Writes the mark that is there already (see [`open`]): a commit that changes nothing.
pub(crate) const PROBE: &str = "PRAGMA application_id = 1448301634";

pub(crate) struct Sqlite {
    path: PathBuf,
    storage: Arc<Storage>,
    writer: Writer,
    readers: Readers,
}

impl Sqlite {
    pub(crate) async fn open(options: &Options) -> Result<Self, Error> {
        let path = open::path_of(&options.url)?;
        let storage = Storage::new(path.clone());
        let readers = Readers::new(storage.clone(), options);
        let (file, create, health) = (path.clone(), options.create, storage.clone());
        let writer = blocking(move || {
            open::prepare(&file, create)?;
            Writer::start(Pen::open(health)?)
        })
        .await?;
        Ok(Self {
            path,
            storage,
            writer,
            readers,
        })
    }

    pub(crate) async fn read(&self, work: Work) -> Result<(), Error> {
        self.readers.read(work).await
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
        let path = self.path.clone();
        blocking(move || {
            let _place = place;
            backup::copy(&open::connect(&path, Purpose::Read)?, &to, progress)
        })
        .await
    }

    pub(crate) async fn close(&self) {
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
