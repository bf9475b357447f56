//! Mails to be sent: written in the transaction that causes them, sent by a worker, sealed at rest (they carry links).

pub(crate) mod store;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use vestibule_crypto::alphanumeric;

use crate::Identity;
use crate::account::Account;
use crate::context::Cx;
use crate::error::{Error, Result};
use crate::ports::Micros;
use crate::tenant::Tenant;

/// A claimed mail that nobody reports on is taken up again after so long.
const LEASE: Duration = Duration::from_secs(120);
/// Notices are tried for so long.
const LIFETIME: Duration = Duration::from_secs(3 * 86_400);
const FIRST_RETRY: Duration = Duration::from_secs(5);
const LAST_RETRY: Duration = Duration::from_secs(3_600);

/// Which mail; also its template's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailKind {
    VerifyEmail,
    /// Somebody signed up with an address that has an account.
    AccountExists,
    ResetPassword,
    PasswordChanged,
    /// To the present address: is the account to leave it?
    ApproveEmailChange,
    /// To the address that an account is to have.
    ConfirmNewEmail,
    /// To both, when it is done.
    EmailChanged,
    /// After an address was confirmed.
    Welcome,
    /// A sign-in with a browser that the account was never seen in.
    NewDevice,
    Invitation,
    /// The person asked for the account to be deleted.
    AccountDeletion,
}

impl MailKind {
    pub const ALL: [MailKind; 11] = [
        MailKind::VerifyEmail,
        MailKind::AccountExists,
        MailKind::ResetPassword,
        MailKind::PasswordChanged,
        MailKind::ApproveEmailChange,
        MailKind::ConfirmNewEmail,
        MailKind::EmailChanged,
        MailKind::Welcome,
        MailKind::NewDevice,
        MailKind::Invitation,
        MailKind::AccountDeletion,
    ];

    pub fn template(self) -> &'static str {
        match self {
            MailKind::VerifyEmail => "verify-email",
            MailKind::AccountExists => "account-exists",
            MailKind::ResetPassword => "reset-password",
            MailKind::PasswordChanged => "password-changed",
            MailKind::ApproveEmailChange => "approve-email-change",
            MailKind::ConfirmNewEmail => "confirm-new-email",
            MailKind::EmailChanged => "email-changed",
            MailKind::Welcome => "welcome",
            MailKind::NewDevice => "new-device",
            MailKind::Invitation => "invitation",
            MailKind::AccountDeletion => "account-deletion",
        }
    }
}

/// A mail to one person, before it is rendered.
#[derive(Clone, Debug)]
pub struct Mail {
    pub kind: MailKind,
    pub to: String,
    /// The person's display name.
    pub name: String,
    pub locale: String,
    /// The link it carries; a secret.
    pub link: Option<SecretString>,
    /// Digits that may be typed instead, in the browser that asked for the mail; a secret.
    pub code: Option<SecretString>,
    /// What else its template names, such as `new_email`.
    pub facts: BTreeMap<String, String>,
}

impl Mail {
    /// A mail without a link.
    pub fn notice(kind: MailKind, to: &Account) -> Mail {
        Mail {
            kind,
            to: to.email.clone(),
            name: to.display_name(),
            locale: to.locale.clone(),
            link: None,
            code: None,
            facts: BTreeMap::new(),
        }
    }

    pub(crate) fn fact(mut self, name: &str, value: &str) -> Mail {
        self.facts.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Payload {
    kind: MailKind,
    to: String,
    name: String,
    locale: String,
    link: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    facts: BTreeMap<String, String>,
}

/// A mail about to be stored.
#[derive(Clone, Debug)]
pub(crate) struct NewMail {
    pub(crate) id: String,
    pub(crate) kind: MailKind,
    pub(crate) message_id: String,
    pub(crate) sealed: Vec<u8>,
    pub(crate) expires_at: Micros,
}

fn seal_context(id: &str) -> String {
    format!("outbox/{id}")
}

impl NewMail {
    pub(crate) fn draw(identity: &Identity, cx: &Cx, mail: Mail) -> Result<NewMail> {
        let id = alphanumeric(identity.random(), 20);
        let payload = Payload {
            kind: mail.kind,
            to: mail.to,
            name: mail.name,
            locale: mail.locale,
            link: mail.link.map(|link| link.expose_secret().to_owned()),
            code: mail.code.map(|code| code.expose_secret().to_owned()),
            facts: mail.facts,
        };
        let plain = serde_json::to_vec(&payload).map_err(Error::internal)?;
        Ok(NewMail {
            sealed: identity.sealer().seal(&seal_context(&id), &plain),
            message_id: format!("<{id}@{}>", cx.tenant.canonical_domain()),
            kind: mail.kind,
            expires_at: cx.now + LIFETIME,
            id,
        })
    }

    /// Not worth sending after `at`: its link is dead then.
    pub(crate) fn expiring(self, at: Micros) -> NewMail {
        NewMail {
            expires_at: at,
            ..self
        }
    }
}

/// A mail claimed for sending.
#[derive(Debug)]
pub struct MailJob {
    pub id: String,
    pub tenant: Arc<Tenant>,
    /// The same at every attempt.
    pub message_id: String,
    pub mail: Mail,
    pub created_at: Micros,
    /// Attempts before this one.
    pub attempts: i64,
}

impl Identity {
    fn open_mail(&self, id: &str, sealed: &[u8]) -> Result<Mail> {
        let plain = self
            .sealer()
            .open(&seal_context(id), sealed)
            .map_err(Error::internal)?;
        let payload: Payload = serde_json::from_slice(&plain).map_err(Error::internal)?;
        let link = payload.link.map(SecretString::from);
        Ok(Mail {
            kind: payload.kind,
            to: payload.to,
            name: payload.name,
            locale: payload.locale,
            link,
            code: payload.code.map(SecretString::from),
            facts: payload.facts,
        })
    }

    /// Takes up to `limit` due mails for this worker; a crash gives them back after two minutes. Expired ones are dropped.
    pub async fn claim_mail(&self, limit: i64) -> Result<Vec<MailJob>> {
        self.claim_mail_of_each(limit, limit, Vec::new()).await
    }

    /// The same, at most `each` of one tenant and none of the tenants in `busy`, by id: no tenant's slow mail server may
    /// hold up the mails of the others.
    pub async fn claim_mail_of_each(
        &self,
        limit: i64,
        each: i64,
        busy: Vec<String>,
    ) -> Result<Vec<MailJob>> {
        let now = self.now();
        let due = self.db().read(move |tx| store::any_due(tx, now)).await?;
        if !due {
            return Ok(Vec::new());
        }
        let rows = self
            .db()
            .write(move |tx| {
                store::expire(tx, now)?;
                store::claim(tx, (now, now + LEASE), limit, each, &busy)
            })
            .await?;
        self.jobs(rows).await
    }

    async fn jobs(&self, rows: Vec<store::MailRow>) -> Result<Vec<MailJob>> {
        let mut jobs = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(tenant) = self.directory().by_id(&row.tenant_id).await? else {
                continue;
            };
            let mail = match self.open_mail(&row.id, &row.sealed) {
                Ok(mail) => mail,
                Err(error) => {
                    tracing::error!(mail = row.id, %error, "a stored mail cannot be opened");
                    continue;
                }
            };
            jobs.push(MailJob {
                id: row.id,
                tenant,
                message_id: row.message_id,
                mail,
                created_at: row.created_at,
                attempts: row.attempts,
            });
        }
        Ok(jobs)
    }

    /// The server took it: its row is done, its content gone.
    pub async fn mail_sent(&self, id: &str) -> Result<()> {
        self.finish_mail(id, "sent", None).await
    }

    /// There is no mail server: the mail stays, to be read in the development inbox.
    pub async fn mail_kept(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.db().write(move |tx| store::keep(tx, &id)).await
    }

    /// Tried in vain. A permanent failure is given up, others are tried again later and later.
    pub async fn mail_failed(&self, job: &MailJob, error: &str, permanent: bool) -> Result<()> {
        let error: String = error
            .chars()
            .filter(|c| !c.is_control())
            .take(300)
            .collect();
        if permanent {
            return self.finish_mail(&job.id, "failed", Some(error)).await;
        }
        let doubled = FIRST_RETRY.saturating_mul(
            1_u32
                .checked_shl(u32::try_from(job.attempts).unwrap_or(0).min(16))
                .unwrap_or(u32::MAX),
        );
        let pause = doubled.min(LAST_RETRY);
        let jitter = Duration::from_millis(
            u64::from(vestibule_crypto::secret_bytes::<1>(self.random())[0]) * 4,
        );
        let (id, next) = (job.id.clone(), self.now() + pause + jitter);
        self.db()
            .write(move |tx| store::retry_at(tx, &id, next, &error))
            .await
    }

    async fn finish_mail(
        &self,
        id: &str,
        state: &'static str,
        error: Option<String>,
    ) -> Result<()> {
        let id = id.to_owned();
        self.db()
            .write(move |tx| store::finish(tx, &id, state, error.as_deref()))
            .await
    }

    /// The newest kept mails first.
    pub async fn inbox(&self, limit: i64) -> Result<Vec<MailJob>> {
        let rows = self.db().read(move |tx| store::kept(tx, limit)).await?;
        self.jobs(rows).await
    }
}
