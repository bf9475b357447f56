//! A fresh database for each test: a SQLite file or a PostgreSQL schema of its own.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use vestibule_db::{Db, Error, Options, Tx};

/// Defines one test for SQLite and one for PostgreSQL.
macro_rules! on_both {
    ($(async fn $name:ident($place:ident: &Place) $body:block)*) => {
        $(mod $name {
            #[allow(unused_imports, reason = "not every test needs all of its file's imports")]
            use super::*;

            async fn body($place: &Place) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let place = Place::sqlite().await;
                body(&place).await;
                place.remove().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let place = Place::postgres().await;
                body(&place).await;
                place.remove().await;
            }
        })*
    };
}

/// A database that nobody else uses.
pub(crate) struct Place {
    pub(crate) db: Db,
    pub(crate) options: Options,
    kind: Kind,
}

enum Kind {
    Folder(PathBuf),
    Schema { admin: Db, name: String },
}

static COUNT: AtomicU32 = AtomicU32::new(0);

pub(crate) fn unique() -> String {
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("vestibule_db_{}_{count}", std::process::id())
}

impl Place {
    pub(crate) async fn sqlite() -> Self {
        let folder = std::env::temp_dir().join(unique());
        let _ = std::fs::remove_dir_all(&folder);
        let options = Options::new(format!("sqlite:{}", folder.join("test.db").display()));
        Self {
            db: Db::open(&options).await.unwrap(),
            options,
            kind: Kind::Folder(folder),
        }
    }

    pub(crate) async fn postgres() -> Self {
        let base = postgres_url();
        let admin = Db::open(&Options {
            pool: 1,
            ..Options::new(&base)
        })
        .await
        .unwrap();
        let name = unique();
        run(&admin, format!("DROP SCHEMA IF EXISTS {name} CASCADE")).await;
        run(&admin, format!("CREATE SCHEMA {name}")).await;
        let separator = if base.contains('?') { '&' } else { '?' };
        let options = Options::new(format!(
            "{base}{separator}options=-c%20search_path%3D{name}"
        ));
        Self {
            db: Db::open(&options).await.unwrap(),
            options,
            kind: Kind::Schema { admin, name },
        }
    }

    /// A second connection pool (a second process, as far as the database can tell).
    pub(crate) async fn another(&self) -> Db {
        Db::open(&self.options).await.unwrap()
    }

    /// The folder of the SQLite file.
    pub(crate) fn folder(&self) -> &PathBuf {
        match &self.kind {
            Kind::Folder(folder) => folder,
            Kind::Schema { .. } => panic!("PostgreSQL has no folder"),
        }
    }

    pub(crate) async fn remove(self) {
        self.db.close().await;
        match self.kind {
            Kind::Folder(folder) => std::fs::remove_dir_all(folder).unwrap(),
            Kind::Schema { admin, name } => {
                run(&admin, format!("DROP SCHEMA {name} CASCADE")).await;
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test runner names its server here"
)]
pub(crate) fn postgres_url() -> String {
    std::env::var("VESTIBULE_TEST_POSTGRES")
        .expect("VESTIBULE_TEST_POSTGRES is not set: run `cargo xtask test`, it starts PostgreSQL")
}

/// Runs one statement in a transaction of its own.
pub(crate) async fn run(db: &Db, sql: impl Into<String>) -> u64 {
    let sql: &'static str = sql.into().leak();
    db.write(move |tx| tx.exec(sql, &[])).await.unwrap()
}

/// A table that both engines take as it is.
pub(crate) async fn make_items(db: &Db) {
    run(
        db,
        "CREATE TABLE item (id BIGINT PRIMARY KEY, name TEXT NOT NULL, used_at BIGINT)",
    )
    .await;
}

pub(crate) fn insert(tx: &mut Tx<'_>, id: i64, name: &str) -> Result<u64, Error> {
    tx.exec(
        "INSERT INTO item (id, name) VALUES ($1, $2)",
        &vestibule_db::params![id, name],
    )
}

pub(crate) async fn ids(db: &Db) -> Vec<i64> {
    db.read(|tx| tx.all("SELECT id FROM item ORDER BY id", &[], |row| row.get(0)))
        .await
        .unwrap()
}

/// Starts a future without waiting for it. On a busy machine it may be done all the same.
pub(crate) fn start<'a, T: Send + 'a>(
    future: impl Future<Output = T> + Send + 'a,
) -> Pin<Box<dyn Future<Output = T> + Send + 'a>> {
    let mut future: Pin<Box<dyn Future<Output = T> + Send + 'a>> = Box::pin(future);
    let first = future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    match first {
        Poll::Ready(done) => Box::pin(std::future::ready(done)),
        Poll::Pending => future,
    }
}
