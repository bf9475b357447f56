//! SQLite: one writer thread with group commit, a small pool of readers.

mod backup;
mod error;
mod open;
mod reader;
pub(crate) mod statement;
mod writer;

use std::path::PathBuf;

use crate::work::Work;
use crate::{Error, Options};
use open::Purpose;
use reader::Readers;
use writer::Writer;

pub(crate) struct Sqlite {
    path: PathBuf,
    writer: Writer,
    readers: Readers,
}

impl Sqlite {
    pub(crate) async fn open(options: &Options) -> Result<Self, Error> {
        let path = open::path_of(&options.url)?;
        let readers = Readers::new(path.clone(), options);
        let (file, create) = (path.clone(), options.create);
        let writer = blocking(move || {
            open::prepare(&file, create)?;
            Writer::start(open::connect(&file, Purpose::Write)?)
        })
        .await?;
        Ok(Self {
            path,
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
