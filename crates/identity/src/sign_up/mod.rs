//! Sign-up on the hosted page. No account is there until its mailbox is proven: what was typed waits, sealed, behind the
//! mailed link. So no answer tells whether an address has an account, and nobody sits in an account under an address of
//! somebody else's. Whoever has an account already is told so by the mail.

mod link;
pub(crate) mod store;

pub use link::{Brought, Proposed};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use vestibule_crypto::Opaque;

use crate::account::{self, Account, check_line, check_tag};
use crate::context::Cx;
use crate::email::Email;
use crate::error::{Error, Kind, Result};
use crate::one_time::{self, Begun, NewCode, OneTimeKind, VERIFICATION_LIFETIME};
use crate::outbox::{self, Mail, MailKind};
use crate::password::rules;
use crate::tenant::CaptchaAt;
use crate::{Identity, audit, limit};

/// A person signs up on a page of ours.
#[derive(Debug)]
pub struct SignUp {
    pub email: String,
    pub password: SecretString,
    /// First and last name in one line.
    pub name: String,
    pub captcha: Option<String>,
    /// BCP 47; the tenant's default when absent.
    pub locale: Option<String>,
    pub begun: Begun,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Pending {
    email: String,
    first_name: String,
    last_name: String,
    locale: String,
    phc: String,
    return_to: String,
}

fn seal_context(cx: &Cx, digest: &[u8; 32]) -> String {
    format!("sign-up/{}/{}", cx.tenant.id, crate::hex(digest))
}

impl Pending {
    fn of(account: Account, phc: String, return_to: String) -> Pending {
        Pending {
            email: account.email,
            first_name: account.first_name,
            last_name: account.last_name,
            locale: account.locale,
            phc,
            return_to,
        }
    }

    fn seal(&self, identity: &Identity, cx: &Cx, digest: &[u8; 32]) -> Result<Vec<u8>> {
        let plain = serde_json::to_vec(self).map_err(Error::internal)?;
        Ok(identity.sealer().seal(&seal_context(cx, digest), &plain))
    }

    fn open(identity: &Identity, cx: &Cx, digest: &[u8; 32], sealed: &[u8]) -> Result<Pending> {
        let plain = identity.sealer().open(&seal_context(cx, digest), sealed);
        serde_json::from_slice(&plain.map_err(Error::internal)?).map_err(Error::internal)
    }
}

impl Identity {
    /// Mails a link and a code that make the account, or word that there is one. The answer is the same.
    pub async fn sign_up(&self, cx: &Cx, command: SignUp) -> Result<()> {
        let email = Email::parse(&command.email)?;
        let account = self.newcomer(cx, &email, &command)?;
        self.count_sign_up(cx, &email, command.captcha.as_deref())
            .await?;
        let phc = self
            .hash_new_password(&cx.tenant, &account, command.password)
            .await?;
        let asked = self.now();
        let tenant = cx.tenant.id.clone();
        let found = self
            .db()
            .read(move |tx| account::store::by_email(tx, &tenant, &email))
            .await?;
        let token = Opaque::generate(self.random());
        let digest = token.digest();
        let of = (OneTimeKind::VerifyEmail, VERIFICATION_LIFETIME);
        let code = NewCode::draw(self, cx, of, &command.begun.flow, digest);
        let (mail, entry) = match &found {
            Some(present) => (
                Mail::notice(MailKind::AccountExists, present),
                audit::Entry::refused("sign_up.asked", Kind::EmailTaken).account(&present.id),
            ),
            None => (
                one_time::verification_mail(cx, &account, &token, Some(&code)),
                audit::Entry::done("sign_up.asked"),
            ),
        };
        let entry = entry.actor("anonymous");
        let entry = self.audit_flood().admits(cx, &entry).then_some(entry);
        let expires_at = cx.now + VERIFICATION_LIFETIME;
        let mail = outbox::NewMail::draw(self, cx, mail)?.expiring(expires_at);
        let pending = Pending::of(account, phc, command.begun.return_to);
        let new = store::New {
            sealed: pending.seal(self, cx, &digest)?,
            digest,
            expires_at,
        };
        let (cx, is_new) = (cx.clone(), found.is_none());
        // The same statements for either.
        self.db()
            .write(move |tx| {
                store::add_if(tx, &cx, &new, is_new)?;
                one_time::store::add_code(tx, &cx, &code)?;
                outbox::store::add(tx, &cx.tenant.id, &mail, cx.now)?;
                match &entry {
                    Some(entry) => audit::record(tx, &cx, entry.clone()),
                    None => Ok(()),
                }
            })
            .await?;
        self.hold_back(asked).await;
        Ok(())
    }

    /// The account that is to be, if all that was typed will do.
    fn newcomer(&self, cx: &Cx, email: &Email, command: &SignUp) -> Result<Account> {
        if !cx.tenant.file.registration.open {
            return Err(Kind::RegistrationClosed.into());
        }
        let mut account = Account::new(self, &cx.tenant, email, cx.now);
        account.set_name(&check_line(&command.name)?);
        if let Some(locale) = &command.locale {
            account.locale = check_tag(locale, "-")?;
        }
        // Before the captcha: an answer good for one time is not spent on a password that is not taken.
        rules::check(&cx.tenant, &(&account).into(), &command.password)?;
        Ok(account)
    }

    async fn count_sign_up(&self, cx: &Cx, email: &Email, captcha: Option<&str>) -> Result<()> {
        let address = limit::address_key(&cx.tenant.id, &cx.client);
        let wanted = [
            (limit::SIGN_UP_ADDRESS, &*address),
            (limit::SIGN_UP_TENANT, &*cx.tenant.id),
        ];
        self.limits().count(&wanted, cx.now)?;
        self.check_captcha(cx, CaptchaAt::SignUp, captcha).await?;
        let mailbox = limit::email_key(cx, email);
        self.limits()
            .count(&[(limit::SIGN_UP_EMAIL, &*mailbox)], cx.now)
    }
}
