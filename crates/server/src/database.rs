//! Opening the database that the settings name: making it, bringing it up to date, or refusing it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use secrecy::ExposeSecret;
use vestibule_db::{Db, Options};
use vestibule_identity::{Clock, MIGRATIONS};

use crate::copies::Copies;
use crate::effects::SystemClock;
use crate::node::{db_error, resolve};
use crate::secret_key;
use crate::settings::Settings;

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
pub(crate) async fn open_database(settings: &Settings, schema: Schema) -> anyhow::Result<Db> {
    if schema == Schema::MustBeCurrent {
        let db = find(settings).await?.or_refuse()?;
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
    let db = find(settings).await?.or_refuse()?;
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
pub(crate) enum Found {
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

/// Looks for a database, and makes none.
pub(crate) async fn find(settings: &Settings) -> anyhow::Result<Found> {
    connect(settings, Create::Never, false).await
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
        // A command may take its time: whoever gave it can stop it.
        limit: sole.then_some(settings.database_timeout),
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
        (Err(vestibule_db::Error::Full), _) => {
            bail!("cannot open the database: its disk is full; make room there, then start again")
        }
        (Err(error), _) => bail!("cannot open the database: {}", error.cause()),
    }
}

pub(crate) async fn check_version(db: &Db) -> anyhow::Result<()> {
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
