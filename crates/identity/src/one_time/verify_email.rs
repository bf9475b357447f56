//! Proof that a person reads the mailbox they gave.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use vestibule_crypto::Opaque;
use vestibule_db::Tx;

use super::{Begun, New, NewCode, OneTimeKind, digest_of, store};
use crate::account::{self, Account};
use crate::context::Cx;
use crate::error::{Kind, Result};
use crate::outbox::{self, Mail, MailKind};
use crate::session::{self, NewSession, Session, SessionKind, SignedIn};
use crate::team::{self, TeamIds};
use crate::tenant::CaptchaAt;
use crate::{Identity, audit, limit};

pub(crate) const VERIFICATION_LIFETIME: Duration = Duration::from_secs(24 * 3_600);
/// The same link answers again for so long after its use: prefetchers, double clicks.
pub(crate) const REPEAT: Duration = Duration::from_secs(300);

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
    token: New,
    mail: outbox::NewMail,
    code: Option<NewCode>,
}

/// The mail that brings the link, and the code where there is one.
pub(crate) fn verification_mail(
    cx: &Cx,
    account: &Account,
    token: &Opaque,
    code: Option<&NewCode>,
) -> Mail {
    let path = format!("/verify-email/{}", token.expose().expose_secret());
    Mail {
        link: Some(SecretString::from(cx.tenant.link(&path))),
        code: code.map(|code| code.digits.clone()),
        ..Mail::notice(MailKind::VerifyEmail, account)
    }
}

/// What following a verification link takes, drawn before the database is asked.
pub(crate) struct Following {
    identity: Identity,
    ids: TeamIds,
    new: NewSession,
}

impl Following {
    /// Uses the link's token: marks the address verified, gives the default team and project once, and signs in. `None`: there is no such token now. Answers also where it leads in the end.
    pub(crate) fn follow(
        &self,
        tx: &mut Tx<'_>,
        cx: &Cx,
        digest: &[u8; 32],
    ) -> Result<Option<(SignedIn, String)>> {
        let Some(proof) = prove(tx, cx, (&self.identity, &self.ids), digest)? else {
            return Ok(None);
        };
        let signed_in = session::store::start(tx, cx, &proof.account_id, &self.new)?;
        store::set_session(tx, cx, digest, &signed_in.session.id)?;
        Ok(Some((signed_in, proof.return_to)))
    }

    /// The same, or into the session that the link opened a moment ago.
    pub(crate) fn follow_or_again(
        &self,
        tx: &mut Tx<'_>,
        cx: &Cx,
        digest: &[u8; 32],
    ) -> Result<(SignedIn, String)> {
        match self.follow(tx, cx, digest)? {
            Some(followed) => Ok(followed),
            None => again(tx, cx, digest, self.new.kind),
        }
    }
}

impl Verification {
    /// With a code to type where a page of ours began it.
    pub(crate) fn draw(
        identity: &Identity,
        cx: &Cx,
        account: &Account,
        begun: Option<&Begun>,
    ) -> Result<Verification> {
        let secret = Opaque::generate(identity.random());
        let of = (OneTimeKind::VerifyEmail, VERIFICATION_LIFETIME);
        let code = begun.map(|begun| NewCode::draw(identity, cx, of, &begun.flow, secret.digest()));
        let mail = verification_mail(cx, account, &secret, code.as_ref());
        let mail =
            outbox::NewMail::draw(identity, cx, mail)?.expiring(cx.now + VERIFICATION_LIFETIME);
        let token = New {
            kind: OneTimeKind::VerifyEmail,
            digest: secret.digest(),
            account_id: account.id.clone(),
            lifetime: VERIFICATION_LIFETIME,
            return_to: begun
                .map(|begun| begun.return_to.clone())
                .unwrap_or_default(),
            given_to: None,
        };
        Ok(Verification { token, mail, code })
    }

    pub(crate) fn store(&self, tx: &mut Tx<'_>, cx: &Cx) -> Result<()> {
        store::add(tx, cx, &self.token)?;
        if let Some(code) = &self.code {
            store::add_code(tx, cx, code)?;
        }
        outbox::store::add(tx, &cx.tenant.id, &self.mail, cx.now)
    }
}

impl Identity {
    /// Marks the address verified, gives the default team and project once, and signs in.
    pub async fn verify_email(&self, cx: &Cx, command: VerifyEmail) -> Result<SignedIn> {
        Ok(self.confirm_email(cx, command).await?.0)
    }

    /// As `verify_email`, with the path that the page of ours which began it leads to in the end; empty when there is none.
    pub async fn confirm_email(&self, cx: &Cx, command: VerifyEmail) -> Result<(SignedIn, String)> {
        self.verify_by_token(cx, command)
            .await
            .map_err(|error| self.bad_token(cx, error))
    }

    async fn verify_by_token(&self, cx: &Cx, command: VerifyEmail) -> Result<(SignedIn, String)> {
        let digest = digest_of(&command.token)?;
        let following = self.following(cx, command.kind);
        let cx = cx.clone();
        self.db()
            .write(move |tx| following.follow_or_again(tx, &cx, &digest))
            .await
    }

    pub(crate) fn following(&self, cx: &Cx, kind: SessionKind) -> Following {
        Following {
            identity: self.clone(),
            ids: TeamIds::new(self.random()),
            new: NewSession::draw(self, cx, kind),
        }
    }

    /// The same by the code that was mailed with the link, typed in the browser whose session asked for the mail; the
    /// session goes on. Answers where it leads in the end.
    pub async fn verify_email_by_code(
        &self,
        cx: &Cx,
        session: &Session,
        typed: &str,
    ) -> Result<String> {
        let flow = SecretString::from(session.id.as_str());
        let of = (&flow, &*session.account_id);
        let typed = self.read_code(cx, OneTimeKind::VerifyEmail, of, typed)?;
        let typed = typed.about(&session.account_id);
        let ids = TeamIds::new(self.random());
        let identity = self.clone();
        self.try_code(cx, typed, move |tx, cx, digest| {
            let proof = prove(tx, cx, (&identity, &ids), digest)?;
            Ok(proof.map(|proof| proof.return_to))
        })
        .await
    }

    /// Sends the mail again, within the limits. A verified person gets none, and no error.
    pub async fn resend_verification(
        &self,
        cx: &Cx,
        command: ResendVerification,
    ) -> Result<SignedIn> {
        let who = self.authenticate_as_presented(cx, &command.token).await?;
        self.check_captcha(cx, CaptchaAt::SignUp, command.captcha.as_deref())
            .await?;
        self.mail_verification(cx, &who, None).await?;
        Ok(Arc::unwrap_or_clone(who))
    }

    /// As `resend_verification`, for a browser that is signed in; what it asked for in the end is kept.
    pub async fn send_verification(&self, cx: &Cx, who: &SignedIn, return_to: &str) -> Result<()> {
        let begun = Begun {
            flow: SecretString::from(who.session.id.as_str()),
            return_to: return_to.to_owned(),
        };
        self.mail_verification(cx, who, Some(&begun)).await
    }

    async fn mail_verification(
        &self,
        cx: &Cx,
        who: &SignedIn,
        begun: Option<&Begun>,
    ) -> Result<()> {
        let (account, session) = (&who.account, who.session.id.clone());
        if account.email_verified {
            return Ok(());
        }
        let verification = Verification::draw(self, cx, account, begun)?;
        let bounds = [limit::VERIFICATION_MAIL_PAUSE, limit::VERIFICATION_MAILS]
            .map(|limit| (limit.span, i64::from(self.limits().most(limit))));
        let (cx, id, email) = (cx.clone(), account.id.clone(), account.email.clone());
        self.db()
            .write(move |tx| {
                // One after the other, or parallel calls would each see room for one more.
                session::store::hold_live(tx, &cx, &id, Some(&session))?;
                let present = account::store::by_id(tx, &cx.tenant.id, &id)?;
                // A link for a mailbox that the account has left meanwhile would sign in.
                if present.is_none_or(|present| present.email_verified || present.email != email) {
                    return Ok(());
                }
                for bound in bounds {
                    super::bound(tx, &cx, (OneTimeKind::VerifyEmail, &id), bound)?;
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

/// Uses the link's token: the address is proven, and whoever is behind it has their first team.
fn prove(
    tx: &mut Tx<'_>,
    cx: &Cx,
    (identity, ids): (&Identity, &TeamIds),
    digest: &[u8; 32],
) -> Result<Option<store::Consumed>> {
    let tenant = &cx.tenant.id;
    let Some(proof) = store::consume(tx, cx, OneTimeKind::VerifyEmail, digest)? else {
        return Ok(None);
    };
    let id = &proof.account_id;
    let account = account::store::by_id(tx, tenant, id)?
        .filter(Account::is_active)
        .ok_or(Kind::InvalidToken)?;
    // Its siblings would sign in whoever finds them, until their own end.
    store::void(tx, cx, OneTimeKind::VerifyEmail, id)?;
    account::store::set_verified(tx, tenant, id, cx.now)?;
    team::store::create_default(tx, tenant, &account, ids, cx.now)?;
    if cx.tenant.file.mail.welcome {
        let mail = Mail {
            link: Some(SecretString::from(cx.tenant.link("/"))),
            ..Mail::notice(MailKind::Welcome, &account)
        };
        let mail = outbox::NewMail::draw(identity, cx, mail)?;
        outbox::store::add(tx, tenant, &mail, cx.now)?;
    }
    audit::record(tx, cx, audit::Entry::done("email.verified").account(id))?;
    Ok(Some(proof))
}

/// The link was used a moment ago: the session it opened, as long as that lives.
fn again(
    tx: &mut Tx<'_>,
    cx: &Cx,
    digest: &[u8; 32],
    kind: SessionKind,
) -> Result<(SignedIn, String)> {
    let used = store::used(tx, cx, OneTimeKind::VerifyEmail, digest)?;
    let used = used
        .filter(|used| cx.now.is_within(REPEAT, used.used_at))
        .ok_or(Kind::InvalidToken)?;
    let session = used.session_id.ok_or(Kind::InvalidToken)?;
    let resumed = session::store::resume(tx, cx, &session)?;
    // A browser's session is not handed out as tokens, nor the other way round.
    let resumed = resumed.filter(|resumed| resumed.session.kind == kind);
    let resumed = resumed.ok_or(Kind::InvalidToken)?;
    Ok((resumed, used.return_to))
}
