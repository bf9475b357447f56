//! Settings: built-in defaults < file < environment < flags. `vestibule.default.toml` is the reference.

mod file;
mod layers;
mod names;
mod parse;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;
use vestibule_http::IpNet;
use vestibule_identity::limit::Numbers;

pub(crate) use file::line_of;
pub use layers::{Entry, Inputs, Origin};
pub use names::DEFAULTS;
pub(crate) use names::suggestion;
pub(crate) use parse::is_reference;
pub use parse::mask_url;

/// Every setting, checked. Shapes and units are those of `vestibule.default.toml`.
#[derive(Clone, Debug)]
pub struct Settings {
    pub data: PathBuf,
    pub database_url: SecretString,
    pub database_connections: usize,
    /// How long a statement of the server may take.
    pub database_timeout: Duration,
    /// `host:port`.
    pub listen: String,
    pub public_url: Option<Url>,
    pub smtp_url: Option<SecretString>,
    pub mail_from: Option<String>,
    pub trusted_proxies: Vec<IpNet>,
    pub outbound_allow: Vec<IpNet>,
    pub secret_key_file: PathBuf,
    /// How long a key signs before another follows it; `None`: until an operator says so.
    pub signing_key_age: Option<Duration>,
    pub log: String,
    pub log_format: LogFormat,
    pub dialects: Option<PathBuf>,
    /// Folder of the operator's templates.
    pub templates: Option<PathBuf>,
    pub metrics_listen: Option<SocketAddr>,
    pub hash: HashSettings,
    pub request_timeout: Duration,
    pub limits: Numbers,
    pub backup: BackupSettings,
    /// Name, shown value and origin of each, in the order of the reference.
    pub entries: Vec<Entry>,
}

/// How passwords are hashed; 0 stands for the default that fits the machine.
#[derive(Clone, Copy, Debug)]
pub struct HashSettings {
    pub memory_kib: u32,
    pub iterations: u32,
    pub workers: usize,
    pub queue: usize,
}

/// Copies of the embedded database by the clock.
#[derive(Clone, Debug)]
pub struct BackupSettings {
    /// `None`: no copies.
    pub every: Option<Duration>,
    pub keep: usize,
    pub directory: PathBuf,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, JSON elsewhere.
    Auto,
    Human,
    Json,
}

impl Settings {
    /// Reads all layers. The error names the file and line, variable or flag that is wrong.
    pub fn load(inputs: &Inputs) -> anyhow::Result<Settings> {
        let layered = layers::Layered::read(inputs)?;
        parse::settings(&layered)
    }

    /// Whether the setting was given rather than left at its default.
    pub fn is_given(&self, name: &str) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.name == name && entry.origin != Origin::Default)
    }

    /// Where the setting was given, and its name, to begin a complaint with: ``vestibule.toml:3: `listen` ``.
    pub(crate) fn place(&self, name: &str) -> String {
        let entry = self.entries.iter().find(|entry| entry.name == name);
        let origin = entry.map_or(Origin::Default, |entry| entry.origin.clone());
        format!("{origin}: `{name}`")
    }

    /// Whether a flag of this very command gave the setting.
    pub fn is_flag(&self, name: &str) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.name == name && matches!(entry.origin, Origin::Flag(_)))
    }
}

#[cfg(test)]
mod tests;
