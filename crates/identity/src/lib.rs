//! The identity core: tenants, accounts, credentials, sessions, tokens, teams, mail and the audit log.
//!
//! One folder a feature: `mod.rs` (types and operations), `rules.rs` (pure), `store.rs` (the only files with SQL). Every
//! operation is a method of [`Identity`] that takes the request's [`Cx`] first. Nothing here knows HTTP or the database engine.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod account;
mod api_key;
mod audit;
mod captcha;
mod context;
mod deletion;
mod duration;
mod email;
mod email_change;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handoff;
mod import;
pub mod limit;
mod migrations;
mod one_time;
mod outbox;
mod partner;
mod password;
mod ports;
mod provider;
mod recent;
mod restored;
mod session;
mod sign_up;
mod signing_key;
mod team;
mod tenant;
mod zone;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;
use vestibule_crypto::{HashLane, HashPool, Random, Sealer};
use vestibule_db::Db;

pub use account::{
    AcceptInvitation, Account, AccountState, CreateUser, PersonalData, ProfileChange, ProviderLink,
    Register,
};
pub use api_key::{ApiKeyView, CreateApiKey, CreatedKey};
pub use audit::{AuditEntry, AuditFault, AuditKey, AuditQuery, AuditReport};
pub use captcha::PowChallenge;
pub use context::{Client, Cx, Forwarded};
pub use duration::Span;
pub use email::Email;
pub use email_change::{ChangeEmail, EmailChange, Mailbox, PendingEmail};
pub use error::{Error, Kind, Result};
pub use handoff::{BrowserCredential, OpenBrowser, Opened};
pub use import::{ImportDone, ImportFields, ImportMode, ImportNote, ImportPerson, Refusal};
pub use limit::{Device, Door, address_block};
pub use migrations::MIGRATIONS;
pub use one_time::{Begun, OneTimeKind, ResendVerification, VerifyEmail};
pub use outbox::{Mail, MailJob, MailKind};
pub use partner::ExchangePartnerToken;
pub use password::{ChangePassword, ForgotPassword, ResetPassword, SignInPassword};
pub use ports::{Clock, Micros, Ports, Upstream};
pub use provider::SignInProvider;
pub use restored::{HeldKey, Restored};
pub use session::{
    Authenticated, Refresh, Session, SessionKind, SignedIn, TokenSpec, TokenSubject,
};
pub use sign_up::{Brought, Proposed, SignUp};
pub use signing_key::{KeyView, Purpose};
pub use team::Team;
pub use tenant::*;
pub use vestibule_crypto::Algorithm;

/// Resolves secrets that settings name instead of holding: `env:NAME`, `file:PATH`.
pub trait References: Send + Sync {
    /// The error says what is missing, never a secret.
    fn resolve(&self, reference: &str) -> Result<SecretString, String>;
}

/// What the core is put together from.
pub struct Parts {
    pub db: Db,
    pub passwords: Arc<HashPool>,
    pub sealer: Sealer,
    pub ports: Ports,
    /// Its scheme and port are every tenant's; https without a port when absent.
    pub public_url: Option<Url>,
    pub references: Arc<dyn References>,
    /// What an operator changed of the limits.
    pub limits: limit::Numbers,
    /// What an operator puts in place of the built-in templates, at every tenant.
    pub operator_templates: Arc<Templates>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parts")
    }
}

struct Inner {
    parts: Parts,
    directory: Directory,
    rings: signing_key::Rings,
    limits: limit::Limits,
    jwks_cache: provider::JwksCache,
    partner_memory: partner::Memory,
    sessions_held: session::Memory,
    tokens_proven: session::ProvenTokens,
    opaque_keys: session::OpaqueKeys,
    audit_flood: audit::Flood,
}

/// The identity core. Cheap to clone.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({:?})", self.0.directory)
    }
}

/// What the value is sealed as that only the database's own secret key opens.
const KEY_CHECK: &str = "key-check";

/// Lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Ended sessions, used tokens and sent mails are kept for so long.
const KEEP: Duration = Duration::from_secs(7 * 86_400);
/// Where it must not tell who has an account, an answer comes so much after the question, as a rule.
const EVEN: Duration = Duration::from_millis(100);

impl Identity {
    /// Puts the core together on a migrated database and reads the tenants and their keys into memory.
    pub async fn start(parts: Parts) -> Result<Identity> {
        let audit_key = AuditKey::new(parts.sealer.mac_key("audit"));
        let directory = Directory::new(&parts, audit_key);
        let partner_memory = partner::Memory::new(parts.ports.random.as_ref());
        let identity = Identity(Arc::new(Inner {
            directory,
            rings: signing_key::Rings::default(),
            limits: limit::Limits::new(parts.limits.clone()),
            jwks_cache: provider::JwksCache::default(),
            partner_memory,
            sessions_held: session::Memory::new(),
            tokens_proven: session::ProvenTokens::new(session::PROVEN_TOKENS),
            opaque_keys: session::OpaqueKeys::new(&parts.sealer),
            audit_flood: audit::Flood::default(),
            parts,
        }));
        identity.check_secret_key().await?;
        identity.reload().await?;
        let hearing = Arc::downgrade(&identity.0);
        identity.db().watch(move |name| {
            if let Some(inner) = hearing.upgrade() {
                inner.sessions_held.changed(name);
            }
        });
        Ok(identity)
    }

    /// Whether no secret key has opened this migrated database yet: it holds no tenant and nothing sealed.
    pub async fn is_unopened(db: &Db) -> Result<bool> {
        Ok(db.read(tenant::store::kept_key_check).await?.is_none())
    }

    /// What tells this installation from every other, whichever database it is in; `None` before any key has opened it.
    pub async fn installation(db: &Db) -> Result<Option<String>> {
        let kept = db.read(tenant::store::kept_key_check).await?;
        Ok(kept.map(|sealed| hex(&sealed)))
    }

    /// Whether this secret key is the one that first opened the database; `None` before any has.
    pub async fn fits(db: &Db, sealer: &Sealer) -> Result<Option<bool>> {
        let kept = db.read(tenant::store::kept_key_check).await?;
        Ok(kept.map(|kept| sealer.open(KEY_CHECK, &kept).is_ok()))
    }

    /// Refuses a secret key other than the one that first opened this database: what one seals, the other cannot read.
    async fn check_secret_key(&self) -> Result<()> {
        let mut kept = self.db().read(tenant::store::kept_key_check).await?;
        if kept.is_none() {
            let ours = self.sealer().seal(KEY_CHECK, b"");
            kept = self
                .db()
                .write(move |tx| tenant::store::keep_key_check(tx, &ours))
                .await?;
        }
        let kept = kept.unwrap_or_default();
        match self.sealer().open(KEY_CHECK, &kept) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::internal(
                "the secret key is not the one that this database was first opened with; put that one back",
            )),
        }
    }

    /// Takes over what other processes changed: tenants, domains, signing keys. Cheap when nothing did.
    pub async fn reload(&self) -> Result<()> {
        self.directory().refresh().await?;
        self.sync_rings().await
    }

    /// Removes rows that can no longer matter, and from memory keys that no longer do; answers how many rows.
    pub async fn purge(&self) -> Result<u64> {
        let now = self.now();
        self.compare_rings().await?;
        let accounts = self.delete_due_accounts().await?;
        let entries = self.purge_audit().await?;
        self.db()
            .write_patiently(move |tx| {
                let sessions = session::store::purge(tx, now - KEEP)?;
                let tokens = one_time::store::purge(tx, now - KEEP)?;
                let changes = email_change::store::purge(tx, now)?;
                let codes = one_time::store::purge_codes(tx, now)?;
                let sign_ups = sign_up::store::purge(tx, now)?;
                let logins = handoff::store::purge(tx, now - KEEP)?;
                let windows = limit::store::purge(tx, now - limit::LONGEST)?;
                let mails = outbox::store::purge(tx, now - KEEP)?;
                let captchas = captcha::store::purge(tx, now - KEEP)?;
                Ok(accounts
                    + entries
                    + sessions
                    + tokens
                    + codes
                    + sign_ups
                    + changes
                    + logins
                    + windows
                    + mails
                    + captchas)
            })
            .await
    }

    pub fn db(&self) -> &Db {
        &self.0.parts.db
    }

    pub fn ports(&self) -> &Ports {
        &self.0.parts.ports
    }

    pub fn now(&self) -> Micros {
        self.0.parts.ports.clock.now()
    }

    pub(crate) async fn wait(&self, span: std::time::Duration) {
        self.0.parts.ports.clock.wait(span).await;
    }

    /// For somebody known more is written than for nobody, and a disk takes longer for more. No answer says how long it took.
    pub(crate) async fn hold_back(&self, since: Micros) {
        let taken = u64::try_from(self.now().0 - since.0).unwrap_or(0);
        self.wait(EVEN.saturating_sub(Duration::from_micros(taken)))
            .await;
    }

    pub fn sealer(&self) -> &Sealer {
        &self.0.parts.sealer
    }

    pub fn directory(&self) -> &Directory {
        &self.0.directory
    }

    pub fn public_url(&self) -> Option<&Url> {
        self.0.parts.public_url.as_ref()
    }

    pub fn references(&self) -> &dyn References {
        self.0.parts.references.as_ref()
    }

    /// Hashing for one tenant; no tenant may take the turns of the others.
    pub(crate) fn passwords(&self, tenant: &Tenant) -> HashLane<'_> {
        self.0.parts.passwords.lane(tenant.number)
    }

    /// Hashing where no tenant is known, for the work's sake only.
    pub(crate) fn passwords_of_nobody(&self) -> HashLane<'_> {
        self.0.parts.passwords.lane(0)
    }

    /// How many passwords wait to be hashed.
    pub fn hashes_waiting(&self) -> usize {
        self.0.parts.passwords.waiting()
    }

    /// How many passwords this node hashed since its start.
    pub fn hashes_done(&self) -> u64 {
        self.0.parts.passwords.hashed()
    }

    pub fn random(&self) -> &dyn Random {
        self.0.parts.ports.random.as_ref()
    }

    fn rings(&self) -> &signing_key::Rings {
        &self.0.rings
    }

    fn limits(&self) -> &limit::Limits {
        &self.0.limits
    }

    fn jwks_cache(&self) -> &provider::JwksCache {
        &self.0.jwks_cache
    }

    fn partner_memory(&self) -> &partner::Memory {
        &self.0.partner_memory
    }

    fn sessions_held(&self) -> &session::Memory {
        &self.0.sessions_held
    }

    fn tokens_proven(&self) -> &session::ProvenTokens {
        &self.0.tokens_proven
    }

    fn opaque_keys(&self) -> &session::OpaqueKeys {
        &self.0.opaque_keys
    }

    fn audit_flood(&self) -> &audit::Flood {
        &self.0.audit_flood
    }
}
