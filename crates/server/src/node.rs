//! A node put together: database, secret key, core, dialects.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use secrecy::{ExposeSecret, SecretString};
use vestibule_crypto::{
    HashOptions, HashPool, PasswordPolicyParams, Sealer, SystemRandom, secret_bytes,
};
use vestibule_db::{Db, Engine, Options};
use vestibule_dialect::Dialects;
use vestibule_http::{App, Demo, HttpSettings, Metrics};
use vestibule_identity::{Clock, Identity, Kind, MIGRATIONS, Parts, Ports, References};

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
        Node::with_ports(settings, schema, effects::ports()).await
    }

    /// The same on other ports.
    pub async fn with_ports(
        settings: Settings,
        schema: Schema,
        ports: Ports,
    ) -> anyhow::Result<Node> {
        let db = open_database(&settings, schema).await?;
        let passwords = HashPool::new(hash_options(settings.hash)).context("password hashing")?;
        let passwords = Arc::new(passwords);
        let parts = |sealer| Parts {
            db: db.clone(),
            passwords: passwords.clone(),
            sealer,
            ports: ports.clone(),
            public_url: settings.public_url.clone(),
            references: Arc::new(MachineReferences),
        };
        let path = &settings.secret_key_file;
        let sealer = match secret_key::load(path)? {
            Some(sealer) => sealer,
            None => first_key(path, parts(Sealer::new(secret_bytes(&SystemRandom)))).await?,
        };
        let identity = Identity::start(parts(sealer)).await.map_err(core_error)?;
        let dialects = Dialects::load(settings.dialects.as_deref())
            .map_err(|problems| anyhow::anyhow!("{problems}"))?;
        Ok(Node {
            identity,
            dialects,
            settings: Arc::new(settings),
        })
    }

    /// What the HTTP surface needs.
    pub fn app(&self, demo: Option<Demo>) -> App {
        let metrics = Metrics::default();
        let identity = self.identity.clone();
        metrics.watch_hashing(move || identity.passwords().waiting() as u64);
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

/// A core's error with its cause, for an operator.
pub(crate) fn core_error(error: vestibule_identity::Error) -> anyhow::Error {
    anyhow::Error::msg(error.to_string())
}

/// Opens the database, and sees to its schema.
pub async fn open_database(settings: &Settings, schema: Schema) -> anyhow::Result<Db> {
    match schema {
        Schema::Migrate => Ok(open_and_migrate(settings).await?.0),
        Schema::MustBeCurrent => {
            let db = connect(settings, false).await?;
            check_version(&db).await?;
            Ok(db)
        }
    }
}

/// Opens the database, made if it is missing, and brings its schema up to date; answers the versions applied as well.
pub async fn open_and_migrate(settings: &Settings) -> anyhow::Result<(Db, Vec<u32>)> {
    let db = connect(settings, true).await?;
    let applied = db
        .migrate(MIGRATIONS, SystemClock.now().0)
        .await
        .context("cannot bring the database up to date")?;
    Ok((db, applied))
}

async fn connect(settings: &Settings, create: bool) -> anyhow::Result<Db> {
    let url = resolve(&settings.database_url, "database_url")?;
    if create && url.expose_secret().starts_with("sqlite:") {
        let folder = &settings.data;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("cannot create the data folder {}", folder.display()))?;
    }
    let options = Options {
        pool: settings.database_connections,
        create,
        ..Options::new(url.expose_secret())
    };
    let hint = match !create && options.url.starts_with("sqlite:") {
        true => " (`vestibule serve` and `vestibule db migrate` make a new one)",
        false => "",
    };
    Db::open(&options)
        .await
        .with_context(|| format!("cannot open the database{hint}"))
}

async fn check_version(db: &Db) -> anyhow::Result<()> {
    let found = db.schema_version().await?.unwrap_or(0);
    let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
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
/// `parts` hold a key of no meaning, to look for tenants with.
async fn first_key(path: &Path, parts: Parts) -> anyhow::Result<Sealer> {
    let engine = parts.db.engine();
    let is_first = match Identity::start(parts).await {
        Ok(identity) => identity
            .directory()
            .all()
            .await
            .map_err(core_error)?
            .is_empty(),
        Err(error) if error.kind == Kind::Unavailable => return Err(core_error(error)),
        // Something is sealed already, and not with the key of no meaning.
        Err(_) => false,
    };
    if !is_first {
        // Another process may have made the key, and a tenant, since we looked for it.
        if let Some(sealer) = secret_key::load(path)? {
            return Ok(sealer);
        }
        bail!(
            "the secret key file {} is missing, but the {engine} database has tenants whose keys only it opens; \
             restore it from your backup or name it by secret_key_file",
            path.display(),
        );
    }
    if engine == Engine::Postgres {
        tracing::warn!(path = %path.display(), "made a new secret key; every node of this database needs a copy of it");
    }
    secret_key::create(path)
}

/// The secret itself, where the setting names its place.
pub(crate) fn resolve(setting: &SecretString, name: &str) -> anyhow::Result<SecretString> {
    if !is_reference(setting.expose_secret()) {
        return Ok(setting.clone());
    }
    MachineReferences
        .resolve(setting.expose_secret())
        .map_err(|error| anyhow::anyhow!("`{name}`: {error}"))
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
