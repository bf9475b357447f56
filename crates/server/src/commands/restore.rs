//! `vestibule db backup`, `db restore` and `db restored`.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use indicatif::ProgressBar;
use secrecy::ExposeSecret;
use serde_json::json;
use vestibule_db::{Db, Options, Restore};
use vestibule_identity::{Clock, Identity, MIGRATIONS, Restored};

use super::bar;
use super::moment::compact;
use crate::cli::{KeptKeys, Output};
use crate::database::existing_database;
use crate::effects::{self, SystemClock};
use crate::node::{self, core_error, db_error};
use crate::secret_key;
use crate::settings::Settings;

fn shown(bar: &ProgressBar) -> impl FnMut(u64, u64) + Send + 'static {
    let bar = bar.clone();
    move |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    }
}

pub(super) async fn backup(settings: &Settings, file: &Path, output: Output) -> anyhow::Result<()> {
    let db = existing_database(settings).await?;
    let fits = match secret_key::load(&settings.secret_key_file)? {
        None => None,
        Some(sealer) => Identity::fits(&db, &sealer).await.map_err(core_error)?,
    };
    let bar = bar(output, "{bar:40} {percent}% of {len} pages, {left} left")?;
    let copied = db.backup(file, shown(&bar)).await;
    bar.finish_and_clear();
    db.close().await;
    if let Err(error) = copied {
        bail!("cannot back up to {}: {}", file.display(), error.cause());
    }
    let bytes = std::fs::metadata(file)?.len();
    let key = settings.secret_key_file.display();
    let advice = match fits {
        Some(true) => format!("{key} is not in it; keep a copy of that elsewhere"),
        _ => format!(
            "WARNING: {key} does not open this database; the backup needs the key that does"
        ),
    };
    output.answer(
        &json!({ "file": file, "bytes": bytes, "secret_key_fits": fits }),
        || format!("backed up to {} ({bytes} bytes)\n{advice}", file.display()),
    )
}

pub(super) async fn restore(
    settings: &Settings,
    file: &Path,
    keys: KeptKeys,
    output: Output,
) -> anyhow::Result<()> {
    let url = node::resolve(settings, &settings.database_url, "database_url")?;
    ensure!(
        url.expose_secret().starts_with("sqlite:"),
        "a PostgreSQL database is restored by its own means; run `vestibule db restored` afterwards"
    );
    let refused = || format!("cannot restore {}; nothing was changed", file.display());
    let bar = bar(output, "{bar:40} {percent}% of {total_bytes}, {left} left")?;
    let staged = Restore::begin(url.expose_secret(), file, shown(&bar));
    bar.finish_and_clear();
    let staged = staged.map_err(|error| anyhow::Error::msg(error.cause()));
    let staged = staged.with_context(refused)?;
    let ended = renew(settings, &staged.url(), keys).await;
    let ended = ended.map_err(|error| of_backup(&error, &staged.url(), file));
    let ended = ended.with_context(refused)?;
    let suffix = format!(".replaced-{}", compact(SystemClock.now()));
    let replaced = staged
        .finish(&suffix)
        .map_err(|error| anyhow::Error::msg(error.cause()))
        .context("cannot put the backup in the database's place")?;
    secret_key::mark_used(&settings.secret_key_file);
    let document = json!({ "file": file, "replaced": replaced, "ended": ended });
    output.answer(&document, || {
        let kept = match &replaced {
            Some(path) => format!("; the database it replaces is kept as {}", path.display()),
            None => String::new(),
        };
        format!("restored {}{kept}\n{}", file.display(), told(&ended))
    })
}

/// A fault of the copy is one of the backup, which is what the operator knows.
fn of_backup(error: &anyhow::Error, staged: &str, file: &Path) -> anyhow::Error {
    let staged = staged.trim_start_matches("sqlite:");
    let text = format!("{error:#}").replace(staged, &file.display().to_string());
    anyhow::Error::msg(text.replace("restore a backup", "name another backup"))
}

/// Checks the copy of the backup, brings it up to date, and ends what was handed out.
async fn renew(settings: &Settings, url: &str, keys: KeptKeys) -> anyhow::Result<Restored> {
    let options = Options {
        pool: 2,
        create: false,
        ..Options::new(url)
    };
    let db = Db::open(&options)
        .await
        .map_err(|error| anyhow::Error::msg(error.cause()))?;
    let ended = renew_in(settings, &db, keys).await;
    db.close().await;
    ended
}

async fn renew_in(settings: &Settings, db: &Db, keys: KeptKeys) -> anyhow::Result<Restored> {
    let found = db.schema_version().await.map_err(db_error)?;
    ensure!(
        found.is_some(),
        "there is nothing in it; name another backup"
    );
    if let Some(problem) = db.check().await.map_err(db_error)?.first() {
        bail!("it is damaged: {problem}; name another backup");
    }
    db.migrate(MIGRATIONS, SystemClock.now().0).await?;
    let sealer = secret_key::load(&settings.secret_key_file)?;
    let sealer = sealer.with_context(|| node::missing_key(settings, db.engine()))?;
    let mut settings = settings.clone();
    settings.hash.workers = 1;
    let ports = effects::ports(&settings.outbound_allow);
    let identity = node::start(&settings, db.clone(), sealer, ports).await?;
    identity
        .end_all_after_restore(keys.keep_api_keys)
        .await
        .map_err(core_error)
}

pub(super) async fn restored(
    settings: &Settings,
    keys: KeptKeys,
    output: Output,
) -> anyhow::Result<()> {
    let node = super::operator(settings.clone()).await?;
    let ended = node
        .identity
        .end_all_after_restore(keys.keep_api_keys)
        .await
        .map_err(core_error)?;
    output.answer(&json!({ "ended": ended }), || told(&ended))
}

fn told(ended: &Restored) -> String {
    let mut text = format!(
        "ended {} sessions, {} links and codes, {} waiting mails; {} signing keys removed, new ones are made when needed",
        ended.sessions, ended.one_time_tokens, ended.mails, ended.signing_keys
    );
    if ended.api_keys.is_empty() {
        return text;
    }
    text.push_str("\nAPI keys held back, because one revoked since the backup would work again:\n");
    for key in &ended.api_keys {
        text.push_str(&format!("  {}  {}  {}\n", key.tenant, key.id, key.name));
    }
    text.push_str(
        "confirm the others: vestibule api-key confirm ID…, or --tenant SLUG for all of a tenant",
    );
    text
}
