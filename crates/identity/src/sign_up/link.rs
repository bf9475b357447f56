//! The mailed link of a sign-up, and its code. Anybody may sign up under any address, and one mail looks like another: so the
//! link makes an account only in the browser that signed up, or for whoever knows the password that was chosen.

use secrecy::{ExposeSecret, SecretString};
use vestibule_db::Tx;

use super::{Pending, store};
use crate::account::{self, Account};
use crate::context::Cx;
use crate::email::Email;
use crate::error::{Error, Kind, Result};
use crate::limit::{self, Budget};
use crate::one_time::{self, OneTimeKind, REPEAT, VERIFICATION_LIFETIME, VerifyEmail};
use crate::password;
use crate::session::{SessionKind, SignedIn};
use crate::{Identity, audit};

/// What a mailed link would confirm.
#[derive(Debug)]
pub struct Proposed {
    pub email: String,
    /// None is there yet behind the link of a sign-up.
    pub account_id: Option<String>,
    /// Whether the password of the sign-up must be brought: another browser signed up.
    pub asks_password: bool,
}

/// What whoever follows a link brings of their sign-up.
#[derive(Debug, Default)]
pub struct Brought {
    /// The name of what this browser began.
    pub flow: Option<SecretString>,
    pub password: Option<SecretString>,
}

/// A sign-up behind a link.
struct Behind {
    /// What waits, or nothing where the link was followed already.
    pending: Option<Pending>,
    /// The hash of the password that was chosen.
    phc: String,
    /// Whether this browser made it.
    is_own: bool,
}

impl Identity {
    /// The address that a mailed link would confirm. Changes nothing.
    pub async fn peek_verification(
        &self,
        cx: &Cx,
        token: &SecretString,
        flow: Option<&SecretString>,
    ) -> Result<Proposed> {
        let behind = self.behind(cx, token, flow).await?;
        if let Some((pending, is_own)) = behind.and_then(|it| Some((it.pending?, it.is_own))) {
            return Ok(Proposed {
                email: pending.email,
                account_id: None,
                asks_password: !is_own,
            });
        }
        let account = self
            .peek_one_time(cx, OneTimeKind::VerifyEmail, token)
            .await?;
        Ok(Proposed {
            email: account.email,
            account_id: Some(account.id),
            asks_password: false,
        })
    }

    async fn behind(
        &self,
        cx: &Cx,
        token: &SecretString,
        flow: Option<&SecretString>,
    ) -> Result<Option<Behind>> {
        let digest = one_time::digest_of(token).map_err(|error| self.bad_token(cx, error))?;
        let kind = OneTimeKind::VerifyEmail;
        let flow = flow.map(|flow| one_time::flow_digest(self, cx, kind, flow));
        let (identity, cx) = (self.clone(), cx.clone());
        self.db()
            .read(move |tx| {
                let waiting = store::find(tx, &cx, &digest)?;
                let pending = waiting
                    .map(|sealed| Pending::open(&identity, &cx, &digest, &sealed))
                    .transpose()?;
                let phc = match &pending {
                    Some(pending) => Some(pending.phc.clone()),
                    None => followed(tx, &cx, &digest)?,
                };
                let Some(phc) = phc else {
                    return Ok(None);
                };
                let begun = match flow {
                    Some(flow) => one_time::store::code_token(tx, &cx, (kind, &flow))?,
                    None => None,
                };
                let is_own = begun == Some(digest);
                Ok(Some(Behind {
                    pending,
                    phc,
                    is_own,
                }))
            })
            .await
    }

    /// Follows a mailed link on the page: makes the account of a sign-up, proves the address, and signs in. Answers also
    /// where it leads in the end.
    pub async fn confirm_on_page(
        &self,
        cx: &Cx,
        token: SecretString,
        brought: Brought,
    ) -> Result<(SignedIn, String)> {
        let kind = SessionKind::Browser;
        let behind = self.behind(cx, &token, brought.flow.as_ref()).await?;
        let digest = one_time::digest_of(&token)?;
        if let Some(behind) = behind.as_ref().filter(|behind| !behind.is_own) {
            self.check_chosen(cx, (&digest, &behind.phc), brought.password)
                .await?;
        }
        if behind.is_none_or(|behind| behind.pending.is_none()) {
            return self.confirm_email(cx, VerifyEmail { token, kind }).await;
        }
        let (following, identity) = (self.following(cx, kind), self.clone());
        let cx = cx.clone();
        self.db()
            .write(move |tx| {
                settle(tx, &cx, &identity, &digest)?;
                following.follow_or_again(tx, &cx, &digest)
            })
            .await
    }

    /// Whether that is the password which the sign-up chose.
    async fn check_chosen(
        &self,
        cx: &Cx,
        (digest, phc): (&[u8; 32], &str),
        password: Option<SecretString>,
    ) -> Result<()> {
        let password = password.filter(|password| !password.expose_secret().is_empty());
        let password = password.ok_or(Kind::MissingPassword)?;
        let key = format!("{}/sign-up/{}", cx.tenant.id, crate::hex(digest));
        let budget = Budget::new(self, limit::PASSWORD_CHANGE, key);
        let tenant = cx.tenant.id.clone();
        let read = self.db().read(move |tx| budget.clone().read(tx, &tenant));
        let budget = read.await?;
        if self.is_password(cx, &budget, (phc, &password)).await? {
            return Ok(());
        }
        let (tenant, now) = (cx.tenant.id.clone(), cx.now);
        self.db()
            .write(move |tx| budget.count(tx, &tenant, now))
            .await?;
        let refused = audit::Entry::refused("email.verified", Kind::InvalidCredentials);
        self.note_refused(cx, refused).await?;
        let why = "This is not the password that was chosen when signing up.";
        Err(Error::with_detail(Kind::InvalidCredentials, why).because("chosen", 0))
    }

    /// Makes the account by the code that was mailed with the link, typed in the browser that signed up, and signs in.
    /// Answers also where it leads in the end.
    pub async fn sign_up_by_code(
        &self,
        cx: &Cx,
        (flow, email): (&SecretString, &str),
        typed: &str,
    ) -> Result<(SignedIn, String)> {
        let email = Email::parse(email)?;
        let of = (flow, email.canonical());
        let typed = self.read_code(cx, OneTimeKind::VerifyEmail, of, typed)?;
        let (following, identity) = (self.following(cx, SessionKind::Browser), self.clone());
        self.try_code(cx, typed, move |tx, cx, digest| {
            settle(tx, cx, &identity, digest)?;
            following.follow(tx, cx, digest)
        })
        .await
    }
}

/// The password of the account that the link of a sign-up made: who follows it again is asked no less. Only such a token is
/// used in the moment in which it is made.
fn followed(tx: &mut Tx<'_>, cx: &Cx, digest: &[u8; 32]) -> Result<Option<String>> {
    let used = one_time::store::used(tx, cx, OneTimeKind::VerifyEmail, digest)?;
    let is_fresh = |used: &one_time::store::Used| {
        used.created_at == used.used_at && cx.now.is_within(REPEAT, used.used_at)
    };
    match used.filter(is_fresh) {
        Some(used) => password::store::find(tx, &cx.tenant.id, &used.account_id),
        None => Ok(None),
    }
}

/// Makes the account that waits behind the link, if one does. From then on the link is that of an unproven account.
fn settle(tx: &mut Tx<'_>, cx: &Cx, identity: &Identity, digest: &[u8; 32]) -> Result<()> {
    let Some(sealed) = store::take(tx, cx, digest)? else {
        return Ok(());
    };
    if !cx.tenant.file.registration.open {
        return Err(Kind::RegistrationClosed.into());
    }
    let pending = Pending::open(identity, cx, digest, &sealed)?;
    let email = Email::parse(&pending.email)?;
    let account = Account {
        first_name: pending.first_name,
        last_name: pending.last_name,
        locale: pending.locale,
        ..Account::new(identity, &cx.tenant, &email, cx.now)
    };
    let account = account::store::insert(tx, &cx.tenant.id, account)?.ok_or(Kind::EmailTaken)?;
    password::store::set(tx, cx, &account.id, &pending.phc)?;
    let token = one_time::New {
        kind: OneTimeKind::VerifyEmail,
        digest: *digest,
        account_id: account.id.clone(),
        lifetime: VERIFICATION_LIFETIME,
        return_to: pending.return_to,
        given_to: None,
    };
    one_time::store::add(tx, cx, &token)?;
    let entry = audit::Entry::done("account.registered").account(&account.id);
    audit::record(tx, cx, entry)
}
