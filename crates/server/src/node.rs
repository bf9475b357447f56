//! A node put together: database, secret key, core, dialects.

use std::sync::Arc;

use anyhow::{Context, ensure};
use secrecy::{ExposeSecret, SecretString};
use vestibule_crypto::{HashOptions, HashPool, PasswordPolicyParams, Sealer};
use vestibule_db::{Db, Engine};
use vestibule_dialect::Dialects;
use vestibule_http::{App, Demo, HttpSettings, Metrics};
use vestibule_identity::{Identity, Parts, Ports, References};

pub use crate::database::Schema;
use crate::database::{Found, check_version, find, open_database};
use crate::effects::{self, MachineReferences};
use crate::secret_key;
use crate::settings::{HashSettings, Settings, is_reference};
use crate::templates;

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
        let db = match find(settings).await? {
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
        operator_templates: Arc::new(templates::read(settings)?),
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
    Dialects::load(settings.dialects.as_deref(), &own_paths())
        .map_err(|problems| anyhow::anyhow!("{problems}"))
}

/// The paths that never reach a dialect, those of the demo as well: a file that is sound is so everywhere.
pub(crate) fn own_paths() -> Vec<&'static str> {
    let routes = vestibule_http::routes(true).into_iter();
    routes.map(|(_, path)| path).collect()
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

pub(crate) fn hash_options(settings: HashSettings) -> HashOptions {
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
