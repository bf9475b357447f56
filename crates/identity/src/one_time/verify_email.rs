//! Proof that a person reads the mailbox they gave.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use vestibule_crypto::Opaque;

use super::{New, OneTimeKind, digest_of, store};
use crate::account::{self, Account};
use crate::context::Cx;
use crate::error::{Error, Kind, Result};
use crate::outbox::{self, Mail, MailKind};
use crate::session::{self, NewSession, SessionKind, SignedIn};
use crate::team::{self, TeamIds};
use crate::tenant::CaptchaAt;
use crate::{Identity, audit, limit};

pub(crate) const LIFETIME: Duration = Duration::from_secs(24 * 3_600);
/// The same link answers again for so long after its use: prefetchers, double clicks.
const REPEAT: Duration = Duration::from_secs(300);

/// A mailed verification token.
#[derive(Debug)]
pub struct VerifyEmail {
    pub token: SecretString,
    pub kind: SessionKind,
}

/// A wish for another verification mail by the signed-in person.
#[derive(Debug)]
pub struct ResendVerification {
    /// The person's access token.
    pub token: SecretString,
    pub captcha: Option<String>,
}

/// A verification link and the mail that carries it.
pub(crate) struct Verification {
    pub(crate) token: New,
    pub(crate) mail: outbox::NewMail,
}

impl Verification {
    pub(crate) fn draw(identity: &Identity, cx: &Cx, account: &Account) -> Result<Verification> {
        let secret = Opaque::generate(identity.random());
        let link = cx.tenant.link(&format!(
            "/verify-email/{}",
            secret.expose().expose_secret()
        ));
        let mail = Mail {
            link: Some(SecretString::from(link)),
            ..Mail::notice(MailKind::VerifyEmail, account)
        };
        let mail = outbox::NewMail::draw(identity, cx, mail)?.expiring(cx.now + LIFETIME);
        let token = New {
            kind: OneTimeKind::VerifyEmail,
            digest: secret.digest(),
            account_id: account.id.clone(),
            lifetime: LIFETIME,
        };
        Ok(Verification { token, mail })
    }

    pub(crate) fn store(&self, tx: &mut vestibule_db::Tx<'_>, cx: &Cx) -> Result<()> {
        store::add(tx, cx, &self.token)?;
        outbox::store::add(tx, &cx.tenant.id, &self.mail, cx.now)
    }
}

impl Identity {
    /// Marks the address verified, gives the default team and project once, and signs in.
    pub async fn verify_email(&self, cx: &Cx, command: VerifyEmail) -> Result<SignedIn> {
        self.verify_by_token(cx, command)
            .await
            .map_err(|error| self.bad_token(cx, error))
    }

    async fn verify_by_token(&self, cx: &Cx, command: VerifyEmail) -> Result<SignedIn> {
        let digest = digest_of(&command.token)?;
        let ids = TeamIds::new(self.random());
        let new = NewSession::draw(self, cx, command.kind);
        let cx = cx.clone();
        self.db()
            .write(move |tx| {
                let tenant = &cx.tenant.id;
                let Some(id) = store::consume(tx, &cx, OneTimeKind::VerifyEmail, &digest)? else {
                    return again(tx, &cx, &digest);
                };
                let account = account::store::by_id(tx, tenant, &id)?
                    .filter(Account::is_active)
                    .ok_or(Kind::InvalidToken)?;
                // Its siblings would sign in whoever finds them, until their own end.
                store::void(tx, &cx, OneTimeKind::VerifyEmail, &id)?;
                account::store::set_verified(tx, tenant, &id, cx.now)?;
                team::store::create_default(tx, tenant, &account, &ids, cx.now)?;
                let signed_in = session::store::start(tx, &cx, &id, &new)?;
                store::set_session(tx, &cx, &digest, &signed_in.session.id)?;
                audit::record(tx, &cx, audit::Entry::done("email.verified").account(&id))?;
                Ok(signed_in)
            })
            .await
    }

    /// Sends the mail again, within the limits. A verified person gets none, and no error.
    pub async fn resend_verification(
        &self,
        cx: &Cx,
        command: ResendVerification,
    ) -> Result<SignedIn> {
        let who = self.authenticate_dialect(cx, &command.token).await?;
        self.check_captcha(cx, CaptchaAt::SignUp, command.captcha.as_deref())
            .await?;
        self.send_verification(cx, &who.account).await?;
        Ok(who)
    }

    /// As `resend_verification`, for a person already proven.
    pub async fn send_verification(&self, cx: &Cx, account: &Account) -> Result<()> {
        if account.email_verified {
            return Ok(());
        }
        let verification = Verification::draw(self, cx, account)?;
        let bounds = [limit::VERIFICATION_MAIL_PAUSE, limit::VERIFICATION_MAILS]
            .map(|limit| (limit.span, i64::from(self.limits().most(limit))));
        let (cx, id) = (cx.clone(), account.id.clone());
        self.db()
            .write(move |tx| {
                // One after the other, or parallel calls would each see room for one more.
                account::store::lock(tx, &cx.tenant.id, &id)?;
                for (span, most) in bounds {
                    let oldest = store::given_at(tx, &cx, OneTimeKind::VerifyEmail, &id, most)?;
                    if let Some(free) = oldest.map(|at| at + span).filter(|free| *free > cx.now) {
                        let wait = free.since(cx.now).as_micros().div_ceil(1_000_000);
                        return Err(Error::rate_limited(u32::try_from(wait).unwrap_or(u32::MAX)));
                    }
                }
                verification.store(tx, &cx)?;
                audit::record(
                    tx,
                    &cx,
                    audit::Entry::done("email.verification_sent").account(&id),
                )
            })
            .await
    }
}

/// The link was used a moment ago: the session it opened, as long as that lives.
fn again(tx: &mut vestibule_db::Tx<'_>, cx: &Cx, digest: &[u8; 32]) -> Result<SignedIn> {
    let used = store::used(tx, cx, OneTimeKind::VerifyEmail, digest)?;
    let recent = used.filter(|used| cx.now.since(used.used_at) <= REPEAT);
    let session = recent
        .and_then(|used| used.session_id)
        .ok_or(Kind::InvalidToken)?;
    session::store::resume(tx, cx, &session)?.ok_or_else(|| Kind::InvalidToken.into())
}
