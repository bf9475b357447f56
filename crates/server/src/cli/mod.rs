//! The command line: what may be written, and what it means for the settings.

mod manage;
mod output;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::settings::Inputs;

pub use manage::{
    ApiKeyCommand, AuditCommand, AuditList, DbCommand, DialectCommand, Import, ImportFormat,
    InvitedUser, KeptKeys, NewUser, SigningKeyCommand, Since, TenantCommand, UserCommand, Who,
};
pub use output::Output;
pub(crate) use output::{complain, print};

/// An authentication server that speaks many authentication APIs.
#[derive(Debug, Parser)]
#[command(
    name = "vestibule",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
#[command(after_help = "Start with `vestibule demo`. Settings: `vestibule config` lists them all.")]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command takes.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Settings file [default: vestibule.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for the embedded database and the secret key [default: vestibule-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<String>,
    /// sqlite:PATH or postgres://… [default: SQLite in the data folder]
    #[arg(long, global = true, value_name = "URL")]
    pub database: Option<String>,
    /// Folder of more dialects
    #[arg(long, global = true, value_name = "DIR")]
    pub dialects: Option<String>,
    /// What to log, such as `debug` or `warn,vestibule_http=debug`
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<String>,
    /// Answer with one JSON document on standard output, and nothing else there
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node until SIGTERM or Ctrl-C
    Serve(Listening),
    /// Show everything on this machine: sample tenants, an inbox, a page to click on, lines to paste
    Demo(Listening),
    /// Create or change tenants from their files
    Apply {
        /// Tenant files (TOML)
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Say what would change, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// List, show, export, delete tenants
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Private API keys of a tenant's back end
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// The people of a tenant
    #[command(subcommand)]
    User(UserCommand),
    /// The authentication APIs this server speaks
    #[command(subcommand)]
    Dialect(DialectCommand),
    /// The keys that sign a tenant's tokens
    #[command(subcommand)]
    SigningKey(SigningKeyCommand),
    /// What was done and refused, and whether the record of it is whole
    #[command(subcommand)]
    Audit(AuditCommand),
    /// The database itself
    #[command(subcommand)]
    Db(DbCommand),
    /// Print every setting, its value, and where it came from
    Config,
}

/// Where a node listens.
#[derive(Args, Clone, Debug, Default)]
pub struct Listening {
    /// Address and port; port 0 takes any free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// How browsers reach this server, as in https://login.example.com
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Address and port for /metrics [default: off]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics_listen: Option<String>,
}

impl Cli {
    /// Everything the settings are read from: flags, environment, file.
    pub fn inputs(&self) -> anyhow::Result<Inputs> {
        let mut inputs = Inputs::from_process()?;
        inputs.file.clone_from(&self.global.config);
        inputs.flags = self.flags();
        Ok(inputs)
    }

    fn flags(&self) -> Vec<(&'static str, String)> {
        let none = Listening::default();
        let listening = match &self.command {
            Command::Serve(listening) | Command::Demo(listening) => listening,
            _ => &none,
        };
        let flags = [
            ("data", &self.global.data),
            ("database_url", &self.global.database),
            ("dialects", &self.global.dialects),
            ("log", &self.global.log),
            ("listen", &listening.listen),
            ("public_url", &listening.public_url),
            ("metrics_listen", &listening.metrics_listen),
        ];
        flags
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.clone()?)))
            .collect()
    }

    /// Whether this process stays and serves, so that its log matters.
    pub fn is_node(&self) -> bool {
        matches!(self.command, Command::Serve(_))
    }
}

#[cfg(test)]
mod tests;
