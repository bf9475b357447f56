//! A node put together: database, secret key, core, dialects.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use secrecy::{ExposeSecret, SecretString};
use vestibule_crypto::{HashOptions, HashPool, PasswordPolicyParams, Sealer};
use vestibule_db::{Db, Engine, Options};
use vestibule_dialect::Dialects;
use vestibule_http::{App, Demo, HttpSettings, Metrics};
use vestibule_identity::{Clock, Identity, MIGRATIONS, Parts, Ports, References};

use crate::copies::Copies;
use crate::effects::{self, MachineReferences, SystemClock};
use crate::secret_key;
use crate::settings::{HashSettings, Settings, is_reference};

/// What to do about a schema that is not up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// Bring it up to date; create what is missing.
    Migrate,
    /// Refuse, and say how to bring it up to date.
    MustBeCurrent,
    /// As `Migrate`, for the server: a SQLite file takes one at a time.
    Serve,
}

/// Whether a database is made where none is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Create {
    Never,
    /// Only where there was none before: an old path never gets a new, empty database by itself.
    First,
    /// The operator said so.
    Always,
}

/// The parts of a running node. Clones share them.
#[derive(Clone)]
pub struct Node {
    pub identity: Identity,
    pub dialects: Dialects,
    pub settings: Arc<Settings>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Node {
    /// Opens everything that the settings name, on the machine's clock, randomness and network.
    pub async fn open(settings: Settings, schema: Schema) -> anyhow::Result<Node> {
        let ports = effects::ports(&settings.outbound_allow);
        Node::with_ports(settings, schema, ports).await
    }

    /// The same on other ports.
    pub async fn with_ports(
        settings: Settings,
        schema: Schema,
        ports: Ports,
    ) -> anyhow::Result<Node> {
        let db = open_database(&settings, schema).await?;
        let sealer = match secret_key::load(&settings.secret_key_file)? {
            Some(sealer) => sealer,
            None => first_key(&settings, &db).await?,
        };
        let identity = start(&settings, db, sealer, ports).await?;
        secret_key::mark_used(&settings.secret_key_file);
        let dialects = dialects(&settings)?;
        Ok(Node {
            identity,
            dialects,
            settings: Arc::new(settings),
        })
    }

    /// The core on what is stored already, for a command that must change nothing: `None` where nothing is stored yet.
    pub(crate) async fn stored(settings: &Settings) -> anyhow::Result<Option<Identity>> {
        let db = match connect(settings, Create::Never, false).await? {
            Found::Database(db) => db,
            Found::Nothing(_) => return Ok(None),
        };
        if db.schema_version().await.map_err(db_error)?.is_none() {
            return Ok(None);
        }
        check_version(&db).await?;
        if Identity::is_unopened(&db).await.map_err(core_error)? {
            return Ok(None);
        }
        let sealer = secret_key::load(&settings.secret_key_file)?
            .with_context(|| missing_key(settings, db.engine()))?;
        let ports = effects::ports(&settings.outbound_allow);
        start(settings, db, sealer, ports).await.map(Some)
    }

    /// What the HTTP surface needs.
    pub fn app(&self, demo: Option<Demo>) -> App {
        let metrics = Metrics::default();
        let identity = self.identity.clone();
        metrics.watch_hashing(move || identity.hashes_waiting() as u64);
        let identity = self.identity.clone();
        metrics.watch_hashed(move || identity.hashes_done());
        App {
            identity: self.identity.clone(),
            dialects: self.dialects.clone(),
            settings: HttpSettings {
                trusted_proxies: self.settings.trusted_proxies.clone(),
                demo,
                request_timeout: self.settings.request_timeout,
                metrics,
            },
        }
    }
}

/// The core on an open database.
pub(crate) async fn start(
    settings: &Settings,
    db: Db,
    sealer: Sealer,
    ports: Ports,
) -> anyhow::Result<Identity> {
    let passwords = HashPool::new(hash_options(settings.hash)).context("password hashing")?;
    let parts = Parts {
        db,
        passwords: Arc::new(passwords),
        sealer,
        ports,
        public_url: settings.public_url.clone(),
        references: Arc::new(MachineReferences),
        limits: settings.limits.clone(),
    };
    Identity::start(parts).await.map_err(core_error)
}

/// A core's error for an operator: what caused it, where that is known, rather than what people are told.
pub(crate) fn core_error(error: vestibule_identity::Error) -> anyhow::Error {
    anyhow::Error::msg(cause(&error))
}

/// The same as text.
pub(crate) fn cause(error: &vestibule_identity::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}

pub(crate) fn db_error(error: vestibule_db::Error) -> anyhow::Error {
    anyhow::anyhow!("cannot read the database: {}", error.cause())
}

/// The dialects built in and those of the folder that the settings name.
pub(crate) fn dialects(settings: &Settings) -> anyhow::Result<Dialects> {
    if let Some(folder) = &settings.dialects {
        ensure!(
            folder.is_dir(),
            "{}: `{}` is not a folder",
            settings.place("dialects"),
            folder.display()
        );
    }
    Dialects::load(settings.dialects.as_deref()).map_err(|problems| anyhow::anyhow!("{problems}"))
}

/// How a database is opened that is brought up to date.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    pub(crate) create: Create,
    /// A server, of which a SQLite file takes one at a time.
    pub(crate) sole: bool,
    /// Whether a copy of a SQLite file is kept from before its schema changes.
    pub(crate) snapshot: bool,
}

/// Opens the database, and sees to its schema.
pub async fn open_database(settings: &Settings, schema: Schema) -> anyhow::Result<Db> {
    if schema == Schema::MustBeCurrent {
        let db = connect(settings, Create::Never, false).await?.or_refuse()?;
        check_version(&db).await?;
        return Ok(db);
    }
    let opening = Opening {
        create: Create::First,
        sole: schema == Schema::Serve,
        snapshot: true,
    };
    Ok(open_and_migrate(settings, opening).await?.0)
}

/// Opens a database that is there, of any schema.
pub(crate) async fn existing_database(settings: &Settings) -> anyhow::Result<Db> {
    let db = connect(settings, Create::Never, false).await?.or_refuse()?;
    let found = db.schema_version().await.map_err(db_error)?;
    ensure!(found.is_some(), "there is nothing in the database yet");
    Ok(db)
}

/// Opens the database and brings its schema up to date; answers the versions applied as well.
pub(crate) async fn open_and_migrate(
    settings: &Settings,
    opening: Opening,
) -> anyhow::Result<(Db, Vec<u32>)> {
    let create = opening.create;
    let db = connect(settings, create, opening.sole).await?.or_refuse()?;
    let found = db.schema_version().await.map_err(db_error)?;
    // A server killed in its first start leaves an empty database, but not this mark.
    let sign = secret_key::mark_of(&settings.secret_key_file);
    if found.is_none() && create == Create::First && sign.exists() {
        let what = format!("the {} database is empty", db.engine());
        bail!("{}", gone(&what, &sign));
    }
    if let Some(old) = found
        .filter(|old| *old < newest())
        .filter(|_| opening.snapshot)
    {
        snapshot(settings, &db, old).await?;
    }
    let applied = db
        .migrate(MIGRATIONS, SystemClock.now().0)
        .await
        .context("cannot bring the database up to date")?;
    Ok((db, applied))
}

/// Keeps a copy of a SQLite file as it is before its schema changes.
async fn snapshot(settings: &Settings, db: &Db, schema: u32) -> anyhow::Result<()> {
    let url = resolve(settings, &settings.database_url, "database_url")?;
    let Some(file) = vestibule_db::sqlite_file(url.expose_secret()) else {
        return Ok(());
    };
    let copies = Copies::before_migration(&file);
    let made = copies
        .make(db, &format!("{schema}-"), SystemClock.now())
        .await;
    let path = made.context(
        "cannot keep a copy of the database before bringing it up to date; see to that, \
         or run `vestibule db migrate --no-snapshot`",
    )?;
    tracing::info!(path = %path.display(), schema, "kept a copy of the database as it was before the upgrade");
    Ok(())
}

/// The schema that this program works with.
fn newest() -> u32 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// What is where the settings say that the database is.
enum Found {
    Database(Db),
    /// No file; what was to be said about it.
    Nothing(String),
}

impl Found {
    fn or_refuse(self) -> anyhow::Result<Db> {
        match self {
            Found::Database(db) => Ok(db),
            Found::Nothing(said) => {
                bail!("{said}; `vestibule serve` and `vestibule db migrate` make a new one")
            }
        }
    }
}

/// What tells that there was a database before: the secret key has opened one, or a server has run on this very path.
fn sign_of_another(settings: &Settings) -> anyhow::Result<Option<PathBuf>> {
    let url = resolve(settings, &settings.database_url, "database_url")?;
    let lock =
        vestibule_db::sqlite_file(url.expose_secret()).map(|file| vestibule_db::lock_file(&file));
    let signs = [Some(secret_key::mark_of(&settings.secret_key_file)), lock];
    Ok(signs.into_iter().flatten().find(|sign| sign.exists()))
}

fn gone(what: &str, sign: &Path) -> String {
    format!(
        "{what}, but there was one before ({} says so); put it back, or restore a backup with `vestibule db restore`, \
         or run `vestibule db migrate` to begin with an empty one",
        sign.display()
    )
}

async fn connect(settings: &Settings, create: Create, sole: bool) -> anyhow::Result<Found> {
    let url = resolve(settings, &settings.database_url, "database_url")?;
    let sign = match create {
        Create::Always => None,
        _ => sign_of_another(settings)?,
    };
    let create = create != Create::Never && sign.is_none();
    if create && url.expose_secret().starts_with("sqlite:") {
        let folder = &settings.data;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("cannot create the data folder {}", folder.display()))?;
    }
    let options = Options {
        pool: settings.database_connections,
        create,
        sole,
        ..Options::new(url.expose_secret())
    };
    match (Db::open(&options).await, sign) {
        (Ok(db), _) => Ok(Found::Database(db)),
        (Err(error @ vestibule_db::Error::Missing(_)), Some(sign)) => {
            bail!("{}", gone(&error.to_string(), &sign))
        }
        (Err(error @ vestibule_db::Error::Missing(_)), None) => {
            Ok(Found::Nothing(error.to_string()))
        }
        (Err(error @ vestibule_db::Error::Config(_)), _) => {
            bail!("{}: {error}", settings.place("database_url"))
        }
        (Err(error), _) => bail!("cannot open the database: {}", error.cause()),
    }
}

async fn check_version(db: &Db) -> anyhow::Result<()> {
    let found = db.schema_version().await.map_err(db_error)?.unwrap_or(0);
    let known = newest();
    if found < known {
        bail!(
            "the database is not up to date (schema {found}, this program needs {known}); run `vestibule db migrate`"
        );
    }
    if found > known {
        bail!(
            "the database was brought up to date by a newer vestibule (schema {found}, this program knows {known})"
        );
    }
    Ok(())
}

/// Makes the secret key, on the first start only: a new key would not open what an old one sealed.
async fn first_key(settings: &Settings, db: &Db) -> anyhow::Result<Sealer> {
    let path = &settings.secret_key_file;
    if !Identity::is_unopened(db).await.map_err(core_error)? {
        // Another process may have made the key, and opened the database with it, since we looked for it.
        return secret_key::load(path)?.with_context(|| missing_key(settings, db.engine()));
    }
    if db.engine() == Engine::Postgres {
        tracing::warn!(path = %path.display(), "made a new secret key; every node of this database needs a copy of it");
    }
    secret_key::create(path)
}

pub(crate) fn missing_key(settings: &Settings, engine: Engine) -> String {
    format!(
        "the secret key file {} is missing, but the {engine} database holds what only it opens; \
         restore it from your backup or name it by secret_key_file",
        settings.secret_key_file.display(),
    )
}

/// The secret itself, where the setting names its place.
pub(crate) fn resolve(
    settings: &Settings,
    value: &SecretString,
    name: &str,
) -> anyhow::Result<SecretString> {
    if !is_reference(value.expose_secret()) {
        return Ok(value.clone());
    }
    MachineReferences
        .resolve(value.expose_secret())
        .map_err(|error| anyhow::anyhow!("{}: {error}", settings.place(name)))
}

fn hash_options(settings: HashSettings) -> HashOptions {
    let defaults = HashOptions::default();
    let workers = if settings.workers == 0 {
        defaults.workers
    } else {
        settings.workers
    };
    HashOptions {
        params: PasswordPolicyParams {
            m_kib: settings.memory_kib,
            t: settings.iterations,
            ..PasswordPolicyParams::default()
        },
        workers,
        queue: if settings.queue == 0 {
            64 * workers
        } else {
            settings.queue
        },
        ..defaults
    }
}
