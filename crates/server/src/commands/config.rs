//! `vestibule config`

use std::time::{Duration, Instant};

use anyhow::Context;
use secrecy::SecretString;
use serde_json::json;
use vestibule_crypto::{HashOptions, HashPool};

use crate::cli::{self, Output};
use crate::node::hash_options;
use crate::settings::Settings;

pub(super) async fn config(settings: &Settings, output: Output) -> anyhow::Result<()> {
    let hash = one_hash(settings).await?;
    let row = |entry: &crate::settings::Entry| {
        vec![
            entry.name.to_owned(),
            entry.value.clone().unwrap_or_else(|| "-".to_owned()),
            entry.origin.to_string(),
        ]
    };
    let rows: Vec<_> = settings.entries.iter().map(row).collect();
    let milliseconds = u64::try_from(hash.as_millis())?;
    output.table(
        &json!({ "settings": settings.entries, "hash_milliseconds": milliseconds }),
        &["SETTING", "VALUE", "FROM"],
        &rows,
    )?;
    if !output.json {
        cli::print(&format!(
            "\nOn this machine a password takes a thread {milliseconds} ms to hash."
        ))?;
    }
    Ok(())
}

/// How long a hash takes with the memory at hand, as it is in a server that runs.
async fn one_hash(settings: &Settings) -> anyhow::Result<Duration> {
    let options = HashOptions {
        workers: 1,
        ..hash_options(settings.hash)
    };
    let pool = HashPool::new(options).context("password hashing")?;
    let password = SecretString::from("how long does it take");
    pool.lane(0).hash(password.clone()).await?;
    let started = Instant::now();
    pool.lane(0).hash(password).await?;
    Ok(started.elapsed())
}
