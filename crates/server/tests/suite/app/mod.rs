//! A server in this process.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use secrecy::SecretString;
use vestibule_crypto::{HashOptions, HashPool, PasswordPolicyParams, Sealer, SeededRandom};
use vestibule_db::{Db, Options};
use vestibule_dialect::Dialects;
use vestibule_http::{App, FrontDoor, HttpSettings};
use vestibule_identity::limit::Numbers;
use vestibule_identity::{
    Clock, Identity, MIGRATIONS, Micros, Parts, Ports, References, Templates,
};

use crate::storage::Fixture;

mod fixtures;
mod requests;

pub use fixtures::ACME;
pub use requests::{Reply, build, claims, header};

/// Runs each test on both engines: `NAME::sqlite` and `NAME::postgres`.
macro_rules! on_both {
    ($($(#[$doc:meta])* async fn $name:ident($app:ident: TestApp) $body:block)+) => {
        $($(#[$doc])* mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn run($app: crate::app::TestApp) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                run(crate::app::TestApp::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                run(crate::app::TestApp::postgres().await).await;
            }
        })+
    };
}
pub(crate) use on_both;

/// 2026-01-01T00:00:00Z: where every test begins.
pub const START: i64 = 1_767_225_600;

/// A clock that only moves when told to, and notes for how long it was to be waited.
pub struct TestClock(AtomicI64, AtomicU64);

#[async_trait::async_trait]
impl Clock for TestClock {
    fn now(&self) -> Micros {
        Micros(self.0.load(Ordering::SeqCst))
    }

    async fn wait(&self, span: Duration) {
        let micros = u64::try_from(span.as_micros()).unwrap();
        self.1.fetch_add(micros, Ordering::SeqCst);
    }
}

struct Env;

impl References for Env {
    fn resolve(&self, reference: &str) -> Result<SecretString, String> {
        match reference {
            "env:MISSING" => Err("the environment variable `MISSING` is not set".to_owned()),
            _ => Ok(SecretString::from(format!("secret of {reference}"))),
        }
    }
}

/// One server on an empty database. Clones are the same server.
#[derive(Clone)]
pub struct TestApp {
    pub identity: Identity,
    pub door: FrontDoor,
    clock: Arc<TestClock>,
    client: IpAddr,
    _folder: Option<Arc<Folder>>,
}

/// A temporary folder, gone with the last clone.
struct Folder(PathBuf);

impl Folder {
    /// A new one, and the URL of a database to be made in it.
    fn with_database() -> (String, Arc<Folder>) {
        let folder = std::env::temp_dir().join(unique("vestibule-suite"));
        std::fs::create_dir_all(&folder).unwrap();
        let url = format!("sqlite:{}/vestibule.db", folder.display());
        (url, Arc::new(Folder(folder)))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{prefix}_{}_{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::SeqCst)
    )
}

/// The private PostgreSQL that `cargo xtask test` starts.
pub fn postgres_url() -> String {
    std::env::var("VESTIBULE_TEST_POSTGRES").expect("VESTIBULE_TEST_POSTGRES is not set: run `cargo xtask test`, or `cargo xtask postgres` beside it")
}

/// The URL of an empty schema of its own.
pub async fn postgres_schema() -> String {
    let (schema, base) = (unique("suite"), postgres_url());
    let (client, connection) = tokio_postgres::connect(&base, tokio_postgres::NoTls)
        .await
        .expect("PostgreSQL answers");
    tokio::spawn(connection);
    client
        .batch_execute(&format!(
            "DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"
        ))
        .await
        .unwrap();
    let sign = if base.contains('?') { '&' } else { '?' };
    format!("{base}{sign}options=-c%20search_path%3D{schema}")
}

const CHEAP: PasswordPolicyParams = PasswordPolicyParams {
    m_kib: 64,
    t: 1,
    p: 1,
};

async fn core(
    db: Db,
    clock: Arc<TestClock>,
    seed: u64,
    secret_key: [u8; 32],
    params: PasswordPolicyParams,
) -> vestibule_identity::Result<Identity> {
    core_with(db, clock, (seed, secret_key), params, Own::default()).await
}

/// What an operator sets.
#[derive(Default)]
struct Own {
    limits: Numbers,
    templates: Templates,
}

async fn core_with(
    db: Db,
    clock: Arc<TestClock>,
    (seed, secret_key): (u64, [u8; 32]),
    params: PasswordPolicyParams,
    own: Own,
) -> vestibule_identity::Result<Identity> {
    let cheap = HashOptions {
        params,
        queue: 10_000,
        max_wait: Duration::from_secs(60),
        ..HashOptions::default()
    };
    Identity::start(Parts {
        db,
        passwords: Arc::new(HashPool::new(cheap).unwrap()),
        sealer: Sealer::new(secret_key),
        ports: Ports {
            clock,
            random: Arc::new(SeededRandom::new(seed)),
            upstream: Arc::new(vestibule::effects::HttpUpstream::new(&["127.0.0.0/8"
                .parse()
                .unwrap()])),
        },
        public_url: None,
        references: Arc::new(Env),
        limits: own.limits,
        operator_templates: Arc::new(own.templates),
    })
    .await
}

impl TestApp {
    pub async fn sqlite() -> TestApp {
        let (url, folder) = Folder::with_database();
        TestApp::start(&url, Some(folder), None).await
    }

    pub async fn postgres() -> TestApp {
        TestApp::start(&postgres_schema().await, None, None).await
    }

    /// A server on the empty database at this URL.
    pub async fn on(url: &str) -> TestApp {
        TestApp::start(url, None, None).await
    }

    /// Another node, with connections of its own.
    pub async fn on_too(url: &str, first: &TestApp) -> TestApp {
        let db = Db::open(&Options::new(url)).await.unwrap();
        static SEED: AtomicU64 = AtomicU64::new(1_000);
        let seed = SEED.fetch_add(1, Ordering::SeqCst);
        TestApp::node(db, first.clock.clone(), None, seed).await
    }

    /// A server on what an older program left.
    pub async fn sqlite_of(old: &Fixture) -> TestApp {
        let (url, folder) = Folder::with_database();
        TestApp::start(&url, Some(folder), Some(old)).await
    }

    /// The same on PostgreSQL.
    pub async fn postgres_of(old: &Fixture) -> TestApp {
        TestApp::start(&postgres_schema().await, None, Some(old)).await
    }

    async fn start(url: &str, folder: Option<Arc<Folder>>, old: Option<&Fixture>) -> TestApp {
        let db = Db::open(&Options {
            pool: 20,
            ..Options::new(url)
        })
        .await
        .unwrap();
        if let Some(old) = old {
            old.load(&db).await;
        }
        db.migrate(MIGRATIONS, START * 1_000_000).await.unwrap();
        TestApp::node(
            db,
            Arc::new(TestClock(
                AtomicI64::new(START * 1_000_000),
                AtomicU64::new(0),
            )),
            folder,
            1,
        )
        .await
    }

    /// Where the embedded database is.
    pub fn folder(&self) -> Option<PathBuf> {
        self._folder.as_ref().map(|folder| folder.0.clone())
    }

    /// Another node of the same installation: memory and keys of its own, the same database and clock.
    pub async fn second_node(&self) -> TestApp {
        TestApp::node(
            self.identity.db().clone(),
            self.clock.clone(),
            self._folder.clone(),
            2,
        )
        .await
    }

    /// A node whose secret key is not the one that first opened this database.
    pub async fn under_another_secret_key(&self) -> vestibule_identity::Result<()> {
        let db = self.identity.db().clone();
        core(db, self.clock.clone(), 3, [8; 32], CHEAP)
            .await
            .map(drop)
    }

    /// The core of a node that hashes at twice the cost.
    pub async fn dearer_core(&self) -> Identity {
        let db = self.identity.db().clone();
        let params = PasswordPolicyParams { t: 2, ..CHEAP };
        core(db, self.clock.clone(), 4, [7; 32], params)
            .await
            .unwrap()
    }

    async fn node(
        db: Db,
        clock: Arc<TestClock>,
        folder: Option<Arc<Folder>>,
        seed: u64,
    ) -> TestApp {
        let identity = core(db, clock.clone(), seed, [7; 32], CHEAP).await.unwrap();
        TestApp::around(identity, clock, folder)
    }

    fn around(identity: Identity, clock: Arc<TestClock>, folder: Option<Arc<Folder>>) -> TestApp {
        let dialects = Dialects::builtin().unwrap();
        let door = FrontDoor::new(App {
            identity: identity.clone(),
            dialects,
            settings: HttpSettings::default(),
        });
        TestApp {
            identity,
            door,
            clock,
            client: IpAddr::from([192, 0, 2, 1]),
            _folder: folder,
        }
    }

    /// Another node, whose limits have other numbers.
    pub async fn with_limits(&self, numbers: &[(&str, u32)]) -> TestApp {
        let mut limits = Numbers::default();
        for (name, number) in numbers {
            assert!(limits.set(name, *number), "{name}");
        }
        let templates = Templates::new();
        self.with(Own { limits, templates }).await
    }

    /// Another node, whose operator has templates.
    pub async fn with_templates(&self, templates: &[(&str, &str)]) -> TestApp {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let templates = templates.iter().map(owned).collect();
        let limits = Numbers::default();
        self.with(Own { limits, templates }).await
    }

    async fn with(&self, own: Own) -> TestApp {
        let (db, clock) = (self.identity.db().clone(), self.clock.clone());
        static SEED: AtomicU64 = AtomicU64::new(100);
        let seed = SEED.fetch_add(1, Ordering::SeqCst);
        let core = core_with(db, clock.clone(), (seed, [7; 32]), CHEAP, own).await;
        TestApp::around(core.unwrap(), clock, self._folder.clone())
    }

    /// The same server, asked from another address.
    pub fn from(&self, client: impl Into<IpAddr>) -> TestApp {
        TestApp {
            client: client.into(),
            ..self.clone()
        }
    }

    /// Lets time pass.
    pub fn pass(&self, span: Duration) {
        self.clock
            .0
            .fetch_add(i64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
    }

    /// How long answers were held back, all together.
    pub fn waited(&self) -> Duration {
        Duration::from_micros(self.clock.1.load(Ordering::SeqCst))
    }

    /// Sets the clock back.
    pub fn step_back(&self, span: Duration) {
        self.clock
            .0
            .fetch_sub(i64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

/// `count` tasks of the same work at once; their results.
pub async fn at_once<T, F>(count: usize, work: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|index| tokio::spawn(work(index))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}
