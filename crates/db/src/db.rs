//! The handle that the rest of the program holds.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::changes::{Changes, Watchers};
use crate::postgres::{Access, Postgres};
use crate::sqlite::Sqlite;
use crate::work::{Slot, Work};
use crate::{Error, MigrateError, Migration, Tx, migrate};

/// Where the database is and how many connections to hold.
#[derive(Clone)]
pub struct Options {
    /// `sqlite:PATH` or `postgres://…` as PostgreSQL's own clients take it.
    pub url: String,
    /// PostgreSQL connections, or SQLite connections for reading (writing has one of its own).
    pub pool: usize,
    /// How long a call waits for a connection before it answers [`Error::Busy`].
    pub wait: Duration,
    /// PostgreSQL: how long a statement may take before it is given up. `None`: as long as it likes.
    pub limit: Option<Duration>,
    /// Whether a missing SQLite file is created.
    pub create: bool,
    /// Whether this is a server, of which a SQLite file takes one at a time. Other processes may still open the file.
    pub sole: bool,
}

impl Options {
    /// Sixteen connections, a wait of five seconds, ten for a statement, create what is missing, beside others.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            pool: 16,
            wait: Duration::from_secs(5),
            limit: Some(Duration::from_secs(10)),
            create: true,
            sole: false,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = self.url.split(':').next().unwrap_or_default();
        f.debug_struct("Options")
            .field("url", &format_args!("{scheme}:…"))
            .field("pool", &self.pool)
            .field("wait", &self.wait)
            .field("limit", &self.limit)
            .field("create", &self.create)
            .field("sole", &self.sole)
            .finish()
    }
}

/// The two engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// SQLite, in this process.
    Sqlite,
    /// PostgreSQL 14 or newer.
    Postgres,
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// An open database. Clones share it.
#[derive(Clone)]
pub struct Db {
    backend: Arc<Backend>,
    statements: Arc<AtomicU64>,
    watchers: Watchers,
}

enum Backend {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db")
            .field("engine", &self.engine())
            .finish_non_exhaustive()
    }
}

/// Hears announcements of changes. It may miss some: through a pooler and on SQLite it hears none.
pub struct Listener(Option<crate::postgres::Listener>);

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

impl Listener {
    /// Waits until something was announced, or may have been while nobody listened. Dropping the future may miss some.
    pub async fn heard(&mut self) {
        match &mut self.0 {
            Some(listener) => listener.heard().await,
            None => std::future::pending().await,
        }
    }
}

impl Db {
    /// Connects; does not migrate. [`Error::Config`] for a URL that cannot be used.
    pub async fn open(options: &Options) -> Result<Self, Error> {
        let backend = match options.url.split_once(':') {
            Some(("sqlite", _)) => Backend::Sqlite(Sqlite::open(options).await?),
            Some(("postgres" | "postgresql", _)) => {
                Backend::Postgres(Postgres::open(options).await?)
            }
            _ => {
                return Err(Error::Config(
                    "the database URL must start with `sqlite:`, `postgres://` or `postgresql://`"
                        .to_owned(),
                ));
            }
        };
        Ok(Self {
            backend: Arc::new(backend),
            statements: Arc::default(),
            watchers: Watchers::default(),
        })
    }

    /// Brings the schema up to date, each migration in one transaction; answers the versions applied.
    /// Several processes may call it at once. `now_micros` goes into the bookkeeping.
    pub async fn migrate(
        &self,
        migrations: &'static [Migration],
        now_micros: i64,
    ) -> Result<Vec<u32>, MigrateError> {
        migrate::migrate(self, migrations, now_micros).await
    }

    /// The newest migration that has been applied; `None` if the schema is empty.
    pub async fn schema_version(&self) -> Result<Option<u32>, Error> {
        self.read(migrate::schema_version).await
    }

    /// Runs a closure on one consistent snapshot; a statement that writes answers [`Error::ReadOnly`].
    pub async fn read<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (work, slot) = Slot::fill(f);
        slot.answer(self.run(Access::Read, work).await)
    }

    /// [`Db::read`] of one quick statement at most, a SELECT by a key; a second one answers [`Error::Unsupported`]. SQLite looks
    /// in the caller's thread. To PostgreSQL it goes without a transaction around it, and together with what others ask just
    /// then: the closure is run several times, must ask the same each time, and have no other effect.
    pub async fn read_one<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (mut work, slot) = Slot::fill(f);
        let work = Box::new(move |tx: &mut Tx<'_>| work(tx.only_one()));
        slot.answer(self.run(Access::One, work).await)
    }

    /// Runs a closure as one transaction, committed and on disk when this answers `Ok`.
    pub async fn write<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (work, slot) = Slot::fill(f);
        slot.answer(self.run(Access::Write, work).await)
    }

    /// [`Db::write`] without a limit on how long its statements take.
    pub async fn write_patiently<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (work, slot) = Slot::fill(f);
        slot.answer(self.run(Access::Patient, work).await)
    }

    async fn run(&self, access: Access, work: Work) -> Result<(), Error> {
        let changes = Changes::new(&self.watchers);
        let work = self.followed(work, changes.clone());
        let end = match (&*self.backend, access) {
            (Backend::Sqlite(sqlite), Access::Read) => sqlite.read(work).await,
            (Backend::Sqlite(sqlite), Access::One) => sqlite.read_one(work).await,
            (Backend::Sqlite(sqlite), Access::Write | Access::Patient) => sqlite.write(work).await,
            // Large: every future that asks the database would be.
            (Backend::Postgres(postgres), access) => Box::pin(postgres.run(access, work)).await,
        };
        changes.tell();
        end
    }

    fn followed(&self, mut work: Work, changes: Arc<Changes>) -> Work {
        let statements = self.statements.clone();
        Box::new(move |tx| {
            let keep = work(tx);
            statements.fetch_add(tx.statements(), Ordering::Relaxed);
            changes.add(tx.take_changed());
            keep
        })
    }

    /// Hears what transactions through this handle and its clones say by [`Tx::changed`], before their caller hears of the
    /// end, for as long as the database is open. What other processes change is not heard of.
    pub fn watch(&self, hear: impl Fn(&str) + Send + Sync + 'static) {
        self.watchers.write().push(Box::new(hear));
    }

    /// Looks for damage; answers one line for each problem found.
    pub async fn check(&self) -> Result<Vec<String>, Error> {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.check().await,
            Backend::Postgres(postgres) => postgres.check().await,
        }
    }

    /// Copies a SQLite database, while in use, to a new file that is synced and verified. `progress` gets pages done
    /// and pages in all. PostgreSQL answers [`Error::Unsupported`].
    pub async fn backup(
        &self,
        to: &Path,
        progress: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<(), Error> {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.backup(to.to_owned(), progress).await,
            Backend::Postgres(_) => Err(Error::Unsupported(
                "back up a PostgreSQL database with pg_dump or its own base backups".to_owned(),
            )),
        }
    }

    /// Whether the database answers, and takes changes: where the last one failed, a small one is tried.
    pub async fn ping(&self) -> Result<(), Error> {
        self.read(|tx| tx.one("SELECT 1", &[], |_| Ok(()))).await?;
        if let Backend::Sqlite(sqlite) = &*self.backend
            && sqlite.is_failing()
        {
            self.write(|tx| tx.exec(crate::sqlite::PROBE, &[])).await?;
            sqlite.works();
        }
        Ok(())
    }

    /// Hears what other processes [announce](Tx::announce), on a connection of its own.
    #[must_use]
    pub fn listener(&self) -> Listener {
        Listener(match &*self.backend {
            Backend::Sqlite(_) => None,
            Backend::Postgres(postgres) => Some(postgres.listener()),
        })
    }

    /// Finishes what has been queued and closes; later calls answer [`Error::Closed`].
    pub async fn close(&self) {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.close().await,
            Backend::Postgres(postgres) => postgres.close().await,
        }
    }

    /// Which engine it is, for messages.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match &*self.backend {
            Backend::Sqlite(_) => Engine::Sqlite,
            Backend::Postgres(_) => Engine::Postgres,
        }
    }

    /// How many statements closures have run.
    #[doc(hidden)]
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// How many COMMITs have succeeded through [`Db::write`].
    #[doc(hidden)]
    #[must_use]
    pub fn commits(&self) -> u64 {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.commits(),
            Backend::Postgres(postgres) => postgres.commits(),
        }
    }
}
