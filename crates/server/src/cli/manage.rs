//! Commands that look after tenants, people, keys, dialects and the database.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vestibule_identity::Span;

/// `vestibule tenant …`
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// List all tenants
    List,
    /// Show one tenant
    Show { slug: String },
    /// Print a tenant's file, as `apply` takes it
    Export { slug: String },
    /// Write every mail of the tenant into a folder, filled with sample data
    Mails {
        slug: String,
        folder: PathBuf,
        /// The reader's language, as in pt-BR [default: the tenant's]
        #[arg(long, value_name = "TAG")]
        language: Option<String>,
    },
    /// Delete a tenant with its people, keys and sessions
    Delete {
        slug: String,
        /// Do not ask on a terminal
        #[arg(long)]
        yes: bool,
    },
}

/// `vestibule api-key …`
#[derive(Debug, Subcommand)]
pub enum ApiKeyCommand {
    /// Make a key and print it; it is not shown again
    Create {
        /// Slug of the tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// What it is for
        #[arg(long, default_value = "default")]
        name: String,
        /// Lifetime, as in 90d; without it the key does not expire
        #[arg(long, value_name = "SPAN")]
        expires: Option<Span>,
        /// Mark it as a key for tests
        #[arg(long)]
        test: bool,
    },
    /// List keys, without their secrets
    List {
        /// Slug of the tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
    },
    /// Make a key useless at once
    Revoke {
        /// The id that `create` and `list` show
        id: String,
    },
    /// Let keys that a restore holds back be used again
    Confirm {
        /// Ids that `list` and `db restore` show
        #[arg(required_unless_present = "tenant")]
        ids: Vec<String>,
        /// All held keys of the tenant
        #[arg(long, value_name = "SLUG", conflicts_with = "ids")]
        tenant: Option<String>,
    },
}

/// One person of one tenant.
#[derive(Args, Clone, Debug)]
pub struct Who {
    /// Id, number or e-mail address
    #[arg(value_name = "ID|NUMBER|EMAIL")]
    pub who: String,
    /// Slug of the tenant
    #[arg(long, value_name = "SLUG")]
    pub tenant: String,
}

/// `vestibule user …`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// List people, oldest first
    List {
        /// Slug of the tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
    },
    /// Show one person
    Show(Who),
    /// Create an account
    Create(NewUser),
    /// Create an account and mail a link that sets its password; again for one without a password
    Invite(InvitedUser),
    /// Let nobody sign in as this person; ends the sessions
    Suspend(Who),
    /// Undo `suspend`
    Restore(Who),
    /// Delete the account with all that belongs to it
    Delete(Who),
    /// List a person's live sessions
    Sessions(Who),
    /// End all of a person's sessions
    SignOut(Who),
    /// Take over people and their passwords from another system, out of JSON lines or CSV
    Import(Import),
    /// Print all people as JSON lines
    Export {
        /// Slug of the tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
    },
}

/// `vestibule user create …`
#[derive(Args, Clone, Debug)]
pub struct NewUser {
    /// Slug of the tenant
    #[arg(long, value_name = "SLUG")]
    pub tenant: String,
    /// Address to sign in with
    #[arg(long)]
    pub email: String,
    /// Role, such as Trainee, Manager or Admin [default: the tenant's]
    #[arg(long, value_parser = role)]
    pub role: Option<String>,
    /// First name
    #[arg(long, value_name = "NAME")]
    pub first_name: Option<String>,
    /// Last name
    #[arg(long, value_name = "NAME")]
    pub last_name: Option<String>,
    /// The address is known to be this person's
    #[arg(long)]
    pub verified: bool,
    /// Read the password from standard input (one line)
    #[arg(long)]
    pub password_stdin: bool,
}

/// `vestibule user import …`
#[derive(Args, Clone, Debug)]
pub struct Import {
    /// The file; docs/src/running/import.md lists its fields
    pub file: PathBuf,
    /// Slug of the tenant
    #[arg(long, value_name = "SLUG")]
    pub tenant: String,
    /// How the file is written [default: by its name]
    #[arg(long, value_enum)]
    pub format: Option<ImportFormat>,
    /// TOML file with values for fields that lines leave out, such as a project's hash parameters
    #[arg(long, value_name = "FILE")]
    pub defaults: Option<PathBuf>,
    /// Write what the lines say over accounts that exist; passwords set or used here stay
    #[arg(long)]
    pub update: bool,
    /// Read and check everything, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write each line that made no account, and why, to this file as JSON lines
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// How a file of people is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ImportFormat {
    /// One JSON object on each line
    Jsonl,
    /// Comma-separated, the first line names the fields
    Csv,
}

/// `vestibule user invite …`
#[derive(Args, Clone, Debug)]
pub struct InvitedUser {
    /// Slug of the tenant
    #[arg(long, value_name = "SLUG")]
    pub tenant: String,
    /// Address that the mail goes to
    #[arg(long)]
    pub email: String,
    /// Role, such as Trainee, Manager or Admin [default: the tenant's]
    #[arg(long, value_parser = role)]
    pub role: Option<String>,
    /// First name
    #[arg(long, value_name = "NAME")]
    pub first_name: Option<String>,
    /// Last name
    #[arg(long, value_name = "NAME")]
    pub last_name: Option<String>,
}

/// `vestibule audit …`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List what was done and refused, newest first
    List(AuditList),
    /// Walk the chain and say where it is broken; exit status 1 if it is
    Verify {
        /// Slug of the tenant [default: all]
        #[arg(value_name = "TENANT")]
        tenant: Option<String>,
    },
}

/// `vestibule audit list …`
#[derive(Args, Clone, Debug)]
pub struct AuditList {
    /// Slug of the tenant [default: all]
    #[arg(value_name = "TENANT")]
    pub tenant: Option<String>,
    /// The person it is about, or who did it
    #[arg(long, value_name = "ID|NUMBER|EMAIL")]
    pub user: Option<String>,
    /// What was done, or how it begins: `sign_in`, `sign_in.password`
    #[arg(long)]
    pub action: Option<String>,
    /// How it ended
    #[arg(long, value_parser = ["done", "refused"])]
    pub outcome: Option<String>,
    /// No older than: a span such as 24h, or a time such as 2026-01-31T08:00:00Z
    #[arg(long, value_name = "SPAN|TIME", value_parser = since)]
    pub since: Option<Since>,
    /// The reference on an error page, or an answer's X-Request-Id
    #[arg(long, value_name = "REFERENCE")]
    pub request: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub limit: u16,
}

/// Where a list of the past begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Since {
    Ago(Span),
    Time(chrono::DateTime<chrono::Utc>),
}

/// `vestibule dialect …`
#[derive(Debug, Subcommand)]
pub enum DialectCommand {
    /// List the dialects this server knows
    List,
    /// Check a dialect file
    Check {
        /// A dialect.toml, or the folder it is in
        file: PathBuf,
    },
    /// Replay a dialect's examples against a fresh server
    Test {
        /// The dialect's folder: dialect.toml and examples/
        dir: PathBuf,
    },
    /// List every route of every dialect
    Routes,
}

/// `vestibule signing-key …`
#[derive(Debug, Subcommand)]
pub enum SigningKeyCommand {
    /// List a tenant's keys
    List {
        /// Slug of the tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
    },
    /// Sign with new keys ten minutes from now, so that all who check tokens know them by then; tokens of the old ones stay
    /// valid
    Rotate {
        /// Slug of the tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
        /// Sign with them at once
        #[arg(long)]
        now: bool,
    },
    /// In an emergency: nothing that this key signed counts any more, on any node; another one signs from now on
    Revoke {
        /// The key's id, as `list` shows it
        #[arg(value_name = "KID")]
        kid: String,
        /// Slug of the tenant
        #[arg(long, value_name = "SLUG")]
        tenant: String,
    },
}

/// `vestibule db …`
#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Bring the schema up to date; make an empty database where there is none
    Migrate {
        /// Keep no copy of the embedded database from before
        #[arg(long)]
        no_snapshot: bool,
    },
    /// Look for damage
    Check,
    /// Copy the embedded database to a new file, while in use
    Backup {
        /// The new file; it must not exist yet
        file: PathBuf,
    },
    /// Copy everything to a new database of either engine, while no server runs; goes on where it was interrupted
    Copy {
        /// The database to copy: `sqlite:PATH` or `postgres://…`, also `env:NAME` or `file:PATH`
        #[arg(long, value_name = "URL")]
        from: String,
        /// An empty one, or an unfinished copy of the same
        #[arg(long, value_name = "URL")]
        to: String,
    },
    /// Put a backup in the embedded database's place, while no server runs; ends all sessions, links and tokens
    Restore {
        /// What `backup` made
        file: PathBuf,
        #[command(flatten)]
        keys: KeptKeys,
    },
    /// End all sessions, links and tokens after a restore by other means, such as PostgreSQL's own
    Restored(KeptKeys),
}

/// What becomes of API keys at a restore.
#[derive(Args, Clone, Copy, Debug)]
pub struct KeptKeys {
    /// Hold no API keys back: none was revoked since the backup
    #[arg(long)]
    pub keep_api_keys: bool,
}

fn since(text: &str) -> Result<Since, String> {
    let wrong = || {
        format!("`{text}` is neither a span such as 24h nor a time such as 2026-01-31T08:00:00Z")
    };
    let day = || text.parse::<chrono::NaiveDate>().ok()?.and_hms_opt(0, 0, 0);
    if let Ok(span) = text.parse() {
        return Ok(Since::Ago(span));
    }
    match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(time) => Ok(Since::Time(time.to_utc())),
        Err(_) => day()
            .map(|day| Since::Time(day.and_utc()))
            .ok_or_else(wrong),
    }
}

fn role(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("a role cannot be empty; leave the flag out for the tenant's own".to_owned()),
        role => Ok(role.to_owned()),
    }
}
