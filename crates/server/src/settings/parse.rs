//! From text to typed settings.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use url::Url;
use vestibule_http::IpNet;
use vestibule_identity::Span;
use vestibule_identity::limit::{Numbers, TABLE};

use super::layers::{Entry, Layered};
use super::{BackupSettings, HashSettings, LogFormat, Settings, names};
use crate::mail::SmtpUrl;

pub(super) fn settings(layered: &Layered) -> anyhow::Result<Settings> {
    let data = required(layered, "data", |text| Ok(PathBuf::from(text)))?;
    let database_url = optional(layered, "database_url", database_url)?
        .unwrap_or_else(|| format!("sqlite:{}", data.join("vestibule.db").display()));
    let secret_key_file = layered
        .text("secret_key_file")
        .map_or_else(|| data.join("secret.key"), PathBuf::from);
    let mut settings = Settings {
        database_connections: number(layered, "database_connections", 1)?,
        database_timeout: required(layered, "database_timeout", span)?,
        listen: required(layered, "listen", host_and_port)?,
        public_url: optional(layered, "public_url", public_url)?,
        smtp_url: optional(layered, "smtp_url", smtp_url)?.map(Into::into),
        mail_from: optional(layered, "mail_from", sender)?,
        trusted_proxies: optional(layered, "trusted_proxies", networks)?.unwrap_or_default(),
        outbound_allow: optional(layered, "outbound_allow", networks)?.unwrap_or_default(),
        signing_key_age: optional(layered, "signing_key_age", key_age)?,
        log: required(layered, "log", log_filter)?,
        log_format: required(layered, "log_format", log_format)?,
        dialects: layered.text("dialects").map(PathBuf::from),
        templates: layered.text("templates").map(PathBuf::from),
        metrics_listen: optional(layered, "metrics_listen", |text| {
            text.parse().map_err(|_| {
                anyhow::anyhow!("`{text}` is not an address and port such as 127.0.0.1:9090")
            })
        })?,
        hash: HashSettings {
            memory_kib: number(layered, "hash_memory_kib", 8)?,
            iterations: number(layered, "hash_iterations", 1)?,
            workers: number(layered, "hash_workers", 0)?,
            queue: number(layered, "hash_queue", 0)?,
        },
        request_timeout: required(layered, "request_timeout", span)?,
        limits: optional(layered, "limits", limits)?.unwrap_or_default(),
        backup: BackupSettings {
            every: optional(layered, "backup_every", span)?,
            keep: number(layered, "backup_keep", 1)?,
            directory: layered
                .text("backup_directory")
                .map_or_else(|| data.join("backups"), PathBuf::from),
        },
        database_url: database_url.into(),
        secret_key_file,
        data,
        entries: Vec::new(),
    };
    settings.entries = entries(layered, &settings);
    Ok(settings)
}

/// What `vestibule config` prints: derived defaults included, passwords masked.
fn entries(layered: &Layered, settings: &Settings) -> Vec<Entry> {
    let value = |name: &'static str| match name {
        "database_url" => Some(mask_url(secrecy::ExposeSecret::expose_secret(
            &settings.database_url,
        ))),
        "secret_key_file" => Some(settings.secret_key_file.display().to_string()),
        "backup_directory" => Some(settings.backup.directory.display().to_string()),
        "smtp_url" => layered.text(name).map(mask_url),
        _ => layered.text(name).map(str::to_owned),
    };
    names::NAMES
        .iter()
        .map(|name| Entry {
            name,
            value: value(name),
            origin: layered.origin(name),
        })
        .collect()
}

/// The value that counts; `None` where the last layer leaves it empty. What another layer overrides is checked as well:
/// it would count as soon as that layer is taken away.
fn optional<T>(
    layered: &Layered,
    name: &str,
    parse: impl Fn(&str) -> anyhow::Result<T>,
) -> anyhow::Result<Option<T>> {
    let mut value = None;
    for (text, origin) in layered.all(name) {
        value = match text.is_empty() {
            true => None,
            false => Some(parse(text).with_context(|| format!("{origin}: `{name}`"))?),
        };
    }
    Ok(value)
}

fn required<T>(
    layered: &Layered,
    name: &str,
    parse: impl Fn(&str) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    optional(layered, name, parse)?
        .with_context(|| format!("{}: `{name}` must not be empty", layered.origin(name)))
}

fn number<T: FromStr + TryFrom<u32> + PartialOrd>(
    layered: &Layered,
    name: &str,
    least: u32,
) -> anyhow::Result<T> {
    required(layered, name, |text| {
        let floor = T::try_from(least).ok();
        let number = text
            .parse::<T>()
            .ok()
            .filter(|number| floor.as_ref().is_none_or(|floor| number >= floor));
        number.with_context(|| format!("`{text}` is not a whole number of at least {least}"))
    })
}

fn span(text: &str) -> anyhow::Result<Duration> {
    let digits = text.trim_end_matches(['s', 'm', 'h', 'd']);
    ensure!(
        digits.is_empty() || digits.bytes().any(|b| b != b'0'),
        "`{text}` is too short; it must be at least 1s"
    );
    text.parse::<Span>()
        .map(|span| span.0)
        .map_err(anyhow::Error::msg)
}

/// Each key that was followed by another stands in the key set for months, so there must not be too many.
fn key_age(text: &str) -> anyhow::Result<Duration> {
    let age = span(text)?;
    ensure!(
        age >= Duration::from_secs(86_400),
        "`{text}` is too short; it must be at least 1d"
    );
    Ok(age)
}

fn smtp_url(text: &str) -> anyhow::Result<String> {
    match is_reference(text) {
        true => named(text)?,
        false => drop(text.parse::<SmtpUrl>()?),
    }
    Ok(text.to_owned())
}

/// Refuses a reference that names nothing.
fn named(reference: &str) -> anyhow::Result<()> {
    let name = reference.split_once(':').map_or("", |(_, name)| name);
    ensure!(
        !name.trim().is_empty(),
        "`{reference}` names no place: write env:NAME or file:PATH"
    );
    Ok(())
}

/// Whether the value names where the secret is rather than being it.
pub(crate) fn is_reference(text: &str) -> bool {
    text.starts_with("env:") || text.starts_with("file:")
}

fn database_url(text: &str) -> anyhow::Result<String> {
    if is_reference(text) {
        named(text)?;
        return Ok(text.to_owned());
    }
    let scheme = text.split(':').next().unwrap_or_default();
    if !["sqlite", "postgres", "postgresql"].contains(&scheme) {
        bail!("must be sqlite:PATH or postgres://user:password@host/database");
    }
    Ok(text.to_owned())
}

fn host_and_port(text: &str) -> anyhow::Result<String> {
    let port = text
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty())
        .and_then(|(_, port)| port.parse::<u16>().ok());
    port.with_context(|| format!("`{text}` is not an address and port such as 127.0.0.1:8080"))?;
    Ok(text.to_owned())
}

fn public_url(text: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text)
        .ok()
        .filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    let url =
        url.with_context(|| format!("`{text}` is not a URL such as https://login.example.com"))?;
    let bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty();
    ensure!(
        bare && url.password().is_none(),
        "`{text}` must be a scheme and a host, and a port at most"
    );
    Ok(url)
}

fn sender(text: &str) -> anyhow::Result<String> {
    let mailbox = text.parse::<lettre::message::Mailbox>();
    mailbox.map_err(|_| {
        anyhow::anyhow!("`{text}` is not a sender such as Example <no-reply@example.com>")
    })?;
    Ok(text.to_owned())
}

fn networks(text: &str) -> anyhow::Result<Vec<IpNet>> {
    let network = |item: &str| {
        let address = || item.parse::<IpAddr>().map(IpNet::from);
        item.parse::<IpNet>()
            .or_else(|_| address())
            .ok()
            .with_context(|| format!("`{item}` is not an address or network"))
    };
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(network)
        .collect()
}

/// Levels, and `target=level`. A word that is no level would be taken for a target and show everything it says.
fn log_filter(text: &str) -> anyhow::Result<String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    for item in text.split(',').map(str::trim) {
        let (target, level) = item.split_once('=').unwrap_or(("", item));
        let is_level = LEVELS.contains(&level.to_ascii_lowercase().as_str());
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
        if !is_level || !target.chars().all(plain) || item.starts_with('=') {
            let suggestion = match is_level {
                true => "; a target is a module's name such as vestibule_http".to_owned(),
                false => names::suggestion(level, LEVELS),
            };
            bail!("`{item}` is not a log filter{suggestion}");
        }
    }
    let filter = text.parse::<tracing_subscriber::filter::Targets>();
    filter.map_err(|error| anyhow::anyhow!("`{text}` is not a log filter: {error}"))?;
    Ok(text.to_owned())
}

/// `name=number`, more than one parted by commas.
fn limits(text: &str) -> anyhow::Result<Numbers> {
    let mut numbers = Numbers::default();
    for item in text.split(',').map(str::trim) {
        let (name, number) = item.split_once('=').unwrap_or((item, ""));
        let number = number.trim().parse().ok().filter(|number| *number > 0);
        let number = number.with_context(|| {
            format!("`{item}` is not a limit and a whole number of at least 1, as in sign_in_address=1000")
        })?;
        ensure!(
            numbers.set(name.trim(), number),
            "unknown limit `{}`{}",
            name.trim(),
            names::suggestion(name.trim(), TABLE.iter().map(|limit| limit.name))
        );
    }
    Ok(numbers)
}

fn log_format(text: &str) -> anyhow::Result<LogFormat> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "human" => Ok(LogFormat::Human),
        "json" => Ok(LogFormat::Json),
        _ => bail!(
            "`{text}` is not auto, human or json{}",
            names::suggestion(text, ["auto", "human", "json"])
        ),
    }
}

/// The URL with its password, and passwords among its query options, replaced by `***`.
pub fn mask_url(text: &str) -> String {
    if is_reference(text) || text.starts_with("sqlite:") {
        return text.to_owned();
    }
    let Ok(mut url) = Url::parse(text) else {
        return "***".to_owned();
    };
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "***".to_owned();
    }
    let secret =
        |name: &str| name.contains("password") || name.contains("secret") || name.contains("token");
    if url.query_pairs().any(|(name, _)| secret(&name)) {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let masked = pairs.iter().map(|(name, value)| {
            (
                name.as_str(),
                if secret(name) { "***" } else { value.as_str() },
            )
        });
        url.query_pairs_mut().clear().extend_pairs(masked);
    }
    url.to_string()
}
