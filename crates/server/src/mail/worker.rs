//! Takes mails from the outbox and hands them over: each at least once, each try under the same Message-ID.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;
use tokio::task::JoinSet;
use vestibule_crypto::digest;
use vestibule_identity::{Identity, MailJob, References, Tenant};

use super::message::{self, Envelope};
use super::smtp_url::SmtpUrl;
use super::transport::{Delivery, Failure, Transport};
use crate::effects::MachineReferences;
use crate::node::cause;
use crate::settings::{Settings, is_reference};

/// Mails under way at once, and those of one tenant about: its server may hang, and the others' must not wait for it.
const CONCURRENCY: usize = 64;
const OF_ONE_TENANT: usize = 4;
/// Claimed at once by [`MailWorker::run_once`]; few enough to be done before the claim runs out.
const BATCH: usize = 2;
const POLL: Duration = Duration::from_millis(250);

/// Which server takes a tenant's mails, and who they are from.
pub struct Sender {
    smtp_url: Option<SecretString>,
    mail_from: Option<String>,
    hello: Option<String>,
    references: Arc<dyn References>,
    /// By the digest of the URL: one for each server and user.
    transports: Mutex<HashMap<[u8; 32], Transport>>,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender")
            .field("mail_from", &self.mail_from)
            .finish_non_exhaustive()
    }
}

impl Sender {
    /// As the settings say: `smtp_url`, `mail_from`, and the public URL's host as our name in EHLO.
    pub fn new(settings: &Settings) -> Sender {
        Sender {
            smtp_url: settings.smtp_url.clone(),
            mail_from: settings.mail_from.clone(),
            hello: settings
                .public_url
                .as_ref()
                .and_then(|url| url.domain())
                .map(str::to_owned),
            references: Arc::new(MachineReferences),
            transports: Mutex::default(),
        }
    }

    /// Where this tenant's mails go; `None` if neither it nor the settings name a server.
    fn transport(&self, tenant: &Tenant) -> Result<Option<Transport>, Failure> {
        let own = tenant.file.mail.smtp_url.as_deref().map(SecretString::from);
        let Some(url) = own.or_else(|| self.smtp_url.clone()) else {
            return Ok(None);
        };
        // Looked up for each mail: a file may have changed, and a password need not stay in memory twice.
        let url = match is_reference(url.expose_secret()) {
            true => self
                .references
                .resolve(url.expose_secret())
                .map_err(Failure::temporary)?,
            false => url,
        };
        let key = digest(url.expose_secret().as_bytes());
        let mut transports = self
            .transports
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(transport) = transports.get(&key) {
            return Ok(Some(transport.clone()));
        }
        let parsed: SmtpUrl = url
            .expose_secret()
            .parse()
            .map_err(|error| Failure::temporary(format!("smtp_url {error:#}")))?;
        let transport = Transport::new(&parsed, self.hello.as_deref())?;
        transports.insert(key, transport.clone());
        Ok(Some(transport))
    }

    fn from(&self, tenant: &Tenant) -> String {
        let own = tenant
            .file
            .mail
            .from
            .clone()
            .or_else(|| self.mail_from.clone());
        own.unwrap_or_else(|| format!("no-reply@{}", tenant.canonical_domain()))
    }

    async fn close(&self) {
        let transports = std::mem::take(
            &mut *self
                .transports
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for transport in transports.into_values() {
            transport.close().await;
        }
    }
}

/// What became of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Sent,
    /// No server: it stays in the inbox table.
    Kept,
}

/// Sends what the outbox holds.
#[derive(Debug)]
pub struct MailWorker {
    identity: Identity,
    sender: Sender,
}

impl MailWorker {
    pub fn new(identity: Identity, sender: Sender) -> MailWorker {
        MailWorker { identity, sender }
    }

    /// Works until told to stop, then finishes the mails in hand.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut sending = JoinSet::new();
        let mut under_way = HashMap::<String, usize>::new();
        let mut failing = false;
        loop {
            let free = CONCURRENCY.saturating_sub(sending.len());
            let busy = under_way
                .iter()
                .filter(|(_, count)| **count >= OF_ONE_TENANT);
            let busy = busy.map(|(tenant, _)| tenant.clone()).collect();
            match self.claim(free, OF_ONE_TENANT, busy).await {
                Ok(jobs) => {
                    failing = false;
                    for job in jobs {
                        let worker = Arc::clone(&self);
                        let tenant = job.tenant.id.clone();
                        *under_way.entry(tenant.clone()).or_default() += 1;
                        sending.spawn(async move {
                            worker.deliver(job).await;
                            tenant
                        });
                    }
                }
                Err(error) if !failing => {
                    failing = true;
                    tracing::error!(worker = "mail", "cannot read the outbox: {}", cause(&error));
                }
                Err(_) => {}
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                Some(done) = sending.join_next() => match done {
                    Ok(tenant) => {
                        under_way.entry(tenant).and_modify(|count| *count = count.saturating_sub(1));
                        under_way.retain(|_, count| *count > 0);
                    }
                    // A panic: whose mail it was is not known, and none is under way longer than its claim.
                    Err(_) => under_way.clear(),
                },
                () = tokio::time::sleep(POLL) => {}
            }
        }
        while sending.join_next().await.is_some() {}
        self.sender.close().await;
    }

    /// Tries every mail that is due now, one after the other; answers how many that were.
    pub async fn run_once(&self) -> vestibule_identity::Result<usize> {
        let mut count = 0;
        loop {
            let jobs = self.claim(BATCH, BATCH, Vec::new()).await?;
            if jobs.is_empty() {
                return Ok(count);
            }
            count += jobs.len();
            for job in jobs {
                self.deliver(job).await;
            }
        }
    }

    async fn claim(
        &self,
        limit: usize,
        each: usize,
        busy: Vec<String>,
    ) -> vestibule_identity::Result<Vec<MailJob>> {
        match (i64::try_from(limit), i64::try_from(each)) {
            (Ok(limit @ 1..), Ok(each)) => {
                self.identity.claim_mail_of_each(limit, each, busy).await
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn deliver(&self, job: MailJob) {
        let (template, tenant, attempt) = (
            job.mail.kind.template(),
            job.tenant.slug(),
            job.attempts + 1,
        );
        let id = job.message_id.as_str();
        let recorded = match self.hand_over(&job).await {
            Ok(Outcome::Sent) => {
                tracing::info!(tenant, template, id, attempt, "mail sent");
                self.identity.mail_sent(&job.id).await
            }
            Ok(Outcome::Kept) => {
                tracing::debug!(tenant, template, id, "mail kept: no smtp_url is set");
                self.identity.mail_kept(&job.id).await
            }
            Err(Failure { permanent, text }) => {
                tracing::warn!(
                    tenant,
                    template,
                    id,
                    attempt,
                    permanent,
                    "mail not sent: {text}"
                );
                self.identity.mail_failed(&job, &text, permanent).await
            }
        };
        if let Err(error) = recorded {
            // The claim runs out and the mail is tried again, under the same Message-ID.
            tracing::error!(
                tenant,
                template,
                id,
                "the outbox did not take note: {}",
                cause(&error)
            );
        }
    }

    async fn hand_over(&self, job: &MailJob) -> Result<Outcome, Failure> {
        let Some(transport) = self.sender.transport(&job.tenant)? else {
            return Ok(Outcome::Kept);
        };
        let rendered =
            vestibule_http::mail::render(&job.tenant, &job.mail).map_err(Failure::temporary)?;
        let from = self.sender.from(&job.tenant);
        let envelope = Envelope {
            from: &from,
            to: &job.mail.to,
            message_id: &job.message_id,
            date: self.identity.now(),
        };
        let message = message::build(envelope, &rendered.subject, rendered.text, rendered.html)?;
        let delivery: Delivery = transport.send(message).await;
        delivery.map(|()| Outcome::Sent)
    }
}
