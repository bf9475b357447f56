//! Passwords: policy, sign-in with them, changing and resetting them.

mod anywhere;
mod fingerprint;
mod guess;
mod reauthenticate;
mod reset;
pub(crate) mod rules;
pub(crate) mod store;

pub use reset::{ForgotPassword, ResetPassword};

use secrecy::SecretString;

use crate::account::{self, Account};
use crate::context::{Client, Cx};
use crate::email::Email;
use crate::error::{Error, Kind, Result};
use crate::limit::{Budget, Guess};
use crate::one_time::{self, OneTimeKind};
use crate::session::{self, EndReason, SessionKind, SignedIn};
use crate::tenant::{CaptchaAt, Tenant};
use crate::{Identity, audit, email_change, outbox};

/// Sign-in with address and password.
#[derive(Clone, Debug)]
pub struct SignInPassword {
    pub email: String,
    pub password: SecretString,
    pub captcha: Option<String>,
    pub kind: SessionKind,
}

/// A change of password by the signed-in person.
#[derive(Debug)]
pub struct ChangePassword {
    pub current: SecretString,
    pub new: SecretString,
    /// The session that goes on; every other one ends.
    pub keep_session: Option<String>,
}

/// Who is asked for under an address, and whose budget a guess at the password is.
pub(crate) struct Found {
    account: Option<Account>,
    phc: Option<String>,
    /// Somebody's hash in this tenant, whose work is done for those who have none.
    decoy: Option<String>,
    /// Whose hash that is; none where nobody has a password.
    lender: Option<String>,
    guess: Guess,
}

impl Found {
    /// The hash whose work an answer to anybody under this address takes.
    fn work(&self) -> Option<&str> {
        self.phc.as_deref().or(self.decoy.as_deref())
    }
}

/// An account whose password was found right, with the hash that was checked.
struct Checked {
    account: Account,
    phc: String,
    /// The same password under today's parameters, when they have changed.
    rehashed: Option<String>,
}

impl Identity {
    /// Unknown account, wrong password, no password and suspended account are one answer after the same work.
    pub async fn sign_in_password(&self, cx: &Cx, command: SignInPassword) -> Result<SignedIn> {
        let email = Email::parse(&command.email)?;
        self.check_captcha(cx, CaptchaAt::SignIn, command.captcha.as_deref())
            .await?;
        self.guess_and_sign_in(cx, &email, &command, None).await
    }

    /// Goes on from a password that was found right, or finds out. Begins again when the stored hash has become another one
    /// in the meantime: two sign-ins at once may both find an old hash, of which only one can replace it.
    async fn guess_and_sign_in(
        &self,
        cx: &Cx,
        email: &Email,
        command: &SignInPassword,
        mut right: Option<Checked>,
    ) -> Result<SignedIn> {
        for again in [right.is_some(), true, true] {
            let (checked, notice) = match right.take() {
                Some(checked) => (checked, None),
                None => {
                    let found = self.look_up(&cx.tenant.id, &cx.client, email).await?;
                    let is_active = found.account.as_ref().is_some_and(Account::is_active);
                    // Suspended in this moment: no guess that counts.
                    if again && !is_active {
                        return Err(Kind::InvalidCredentials.into());
                    }
                    match self.guess(cx, &found, &command.password).await? {
                        Some(checked) => {
                            let notice = device_notice(self, cx, &found, command.kind)?;
                            (checked, notice)
                        }
                        None => {
                            self.password_refused(cx, found.account, found.guess.budget)
                                .await?;
                            return Err(Kind::InvalidCredentials.into());
                        }
                    }
                }
            };
            let with = (command.kind, notice);
            if let Some(signed_in) = self.sign_in_checked(cx, checked, with).await? {
                return Ok(signed_in);
            }
        }
        Err(Kind::Unavailable.into())
    }

    /// The same statements whoever is asked for; without a tenant, nobody is. An address always meets the same decoy, until its owner's hash changes as
    /// anybody's does: how long an answer takes is spread over unknown addresses as over known ones.
    async fn look_up(&self, tenant: &str, client: &Client, email: &Email) -> Result<Found> {
        let (identity, tenant) = (self.clone(), tenant.to_owned());
        let (client, email) = (client.clone(), email.clone());
        let mac = self.sealer().mac_key("decoy");
        let point = mac.mac(&[tenant.as_bytes(), email.canonical().as_bytes()]);
        let point = vestibule_crypto::spelt(&point[..20]);
        self.db()
            .read(move |tx| {
                let account = account::store::by_email(tx, &tenant, &email)?;
                let id = account.as_ref().map_or("", |account| &account.id);
                let phc = store::find(tx, &tenant, id)?;
                let lender = match tenant.is_empty() {
                    true => store::any_tenant(tx, &point)?,
                    false => Some(tenant.clone()),
                };
                let decoy = match &lender {
                    Some(lender) => store::any(tx, lender, &point)?,
                    None => None,
                };
                let guess = Guess::of(tx, &identity, (&tenant, &client), &email, id)?;
                Ok::<_, Error>(Found {
                    account,
                    phc,
                    decoy,
                    lender,
                    guess,
                })
            })
            .await
    }

    /// `check_password` within the bounds on wrong ones. A guess counts until it is known to be right: many at once cannot
    /// all be tried before the first is found wrong.
    async fn guess(
        &self,
        cx: &Cx,
        found: &Found,
        password: &SecretString,
    ) -> Result<Option<Checked>> {
        let charge = self.charge_guess(cx, &found.guess)?;
        let checked = self.check_password(&cx.tenant, found, password).await;
        if !matches!(checked, Ok(None)) {
            self.limits().give_back(charge);
        }
        checked
    }

    /// Hashes outside any transaction; the same work whether or not there is a password to compare with.
    async fn check_password(
        &self,
        tenant: &Tenant,
        found: &Found,
        password: &SecretString,
    ) -> Result<Option<Checked>> {
        if rules::too_long(password) {
            return Ok(None);
        }
        let password = rules::normalize(password);
        let (Some(account), Some(phc)) = (&found.account, &found.phc) else {
            self.passwords(tenant)
                .verify_absent(found.work(), password)
                .await?;
            return Ok(None);
        };
        let verdict = self.passwords(tenant).verify(phc, password.clone()).await?;
        if !verdict.matches || !account.is_active() {
            return Ok(None);
        }
        let rehashed = if verdict.rehash {
            Some(self.passwords(tenant).hash(password).await?)
        } else {
            None
        };
        Ok(Some(Checked {
            account: account.clone(),
            phc: phc.clone(),
            rehashed,
        }))
    }

    /// Starts the session, provided that the hash checked is still the account's; `None` when it is not.
    async fn sign_in_checked(
        &self,
        cx: &Cx,
        checked: Checked,
        (kind, notice): (SessionKind, Option<outbox::NewMail>),
    ) -> Result<Option<SignedIn>> {
        let new = session::NewSession::draw(self, cx, kind);
        let cx = cx.clone();
        self.db()
            .write(move |tx| {
                let tenant = &cx.tenant.id;
                account::store::lock(tx, tenant, &checked.account.id)?;
                if !store::still(tx, &cx, &checked.account.id, &checked.phc)? {
                    return Ok(None);
                }
                if let Some(phc) = &checked.rehashed {
                    store::rehash(tx, tenant, &checked.account.id, phc)?;
                }
                if let Some(notice) = &notice
                    && is_new_device(tx, &cx, &checked.account)?
                {
                    outbox::store::add(tx, tenant, notice, cx.now)?;
                }
                let signed_in = session::store::start(tx, &cx, &checked.account.id, &new)?;
                audit::record(
                    tx,
                    &cx,
                    audit::Entry::done("sign_in.password").account(&checked.account.id),
                )?;
                Ok(Some(signed_in))
            })
            .await
    }

    /// Notes a wrong password and counts it where every node sees it.
    async fn password_refused(
        &self,
        cx: &Cx,
        account: Option<Account>,
        budget: Budget,
    ) -> Result<()> {
        let id = account.map(|account| account.id);
        let entry = audit::Entry::refused("sign_in.password", Kind::InvalidCredentials)
            .maybe_account(id.as_deref());
        let is_noted = self.audit_flood().admits(cx, &entry);
        let cx = cx.clone();
        self.db()
            .write(move |tx| {
                budget.count(tx, &cx.tenant.id, cx.now)?;
                match is_noted {
                    true => audit::record(tx, &cx, entry.clone()),
                    false => Ok(()),
                }
            })
            .await
    }

    /// Policy, then the hash. Refusals say why.
    pub(crate) async fn hash_new_password(
        &self,
        tenant: &Tenant,
        person: &Account,
        password: SecretString,
    ) -> Result<String> {
        rules::check(tenant, &person.into(), &password)?;
        Ok(self
            .passwords(tenant)
            .hash(rules::normalize(&password))
            .await?)
    }

    /// Changes the password of the signed-in person, who must know the present one.
    pub async fn change_password(
        &self,
        cx: &Cx,
        account_id: &str,
        command: ChangePassword,
    ) -> Result<()> {
        let of = (account_id, command.keep_session.as_deref());
        let (account, phc) = self.check_present(cx, of, &command.current).await?;
        let new = self
            .hash_new_password(&cx.tenant, &account, command.new)
            .await?;
        let mail = outbox::NewMail::draw(
            self,
            cx,
            outbox::Mail::notice(outbox::MailKind::PasswordChanged, &account),
        )?;
        let cx = cx.clone();
        self.db()
            .write(move |tx| {
                let own = command.keep_session.as_deref();
                session::store::hold_live(tx, &cx, &account.id, own)?;
                if !store::still(tx, &cx, &account.id, &phc)? {
                    return Err(Kind::InvalidCredentials.into());
                }
                store::set(tx, &cx, &account.id, &new)?;
                session::store::end_all(
                    tx,
                    &cx,
                    &account.id,
                    command.keep_session.as_deref(),
                    EndReason::PasswordChanged,
                )?;
                one_time::store::void(tx, &cx, OneTimeKind::ResetPassword, &account.id)?;
                email_change::forget(tx, &cx, &account.id)?;
                outbox::store::add_if(tx, &cx, &mail, account.email_verified)?;
                audit::record(
                    tx,
                    &cx,
                    audit::Entry::done("password.changed").account(&account.id),
                )
            })
            .await
    }
}

/// Accounts younger than this whose first sign-in this is have no other device that it could be news to.
const YOUNG: std::time::Duration = std::time::Duration::from_secs(30 * 86_400);

/// The mail that tells of a sign-in with a browser that nobody has seen.
fn device_notice(
    identity: &Identity,
    cx: &Cx,
    found: &Found,
    kind: SessionKind,
) -> Result<Option<outbox::NewMail>> {
    let wanted = kind == SessionKind::Browser
        && cx.tenant.file.mail.new_device
        && !found.guess.knows_device();
    let Some(account) = found.account.as_ref().filter(|_| wanted) else {
        return Ok(None);
    };
    let address = cx.client.address.map(|address| address.to_string());
    let agent: Option<String> = cx
        .client
        .user_agent
        .as_deref()
        .map(|agent| agent.chars().take(200).collect());
    let mail = outbox::Mail::notice(outbox::MailKind::NewDevice, account)
        .fact("address", address.as_deref().unwrap_or_default())
        .fact("user_agent", agent.as_deref().unwrap_or_default())
        .fact("at", &cx.now.0.to_string());
    outbox::NewMail::draw(identity, cx, mail).map(Some)
}

/// Whether the account has signed in before, and never from this address block with this program. An address that was not
/// proven is somebody else's, as may be.
fn is_new_device(tx: &mut vestibule_db::Tx<'_>, cx: &Cx, account: &Account) -> Result<bool> {
    let seen = session::store::clients_of(tx, cx, &account.id)?;
    let is_young = cx.now.since(account.created_at) < YOUNG;
    Ok(account.email_verified && !seen.this_one && (seen.any || !is_young))
}
