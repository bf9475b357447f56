//! Partner sign-in: a back end vouches for a person with its private key and the person's stable secret (`uid`).

mod memory;
pub(crate) mod store;

pub(crate) use memory::Memory;

use secrecy::{ExposeSecret, SecretString};

use crate::account::{self, Account};
use crate::context::Cx;
use crate::email::Email;
use crate::error::{Error, Kind, Result};
use crate::session::{self, EndReason};
use crate::{Identity, audit, deletion, email_change, limit, password};

/// Secrets beyond this many bytes are refused before hashing.
const MAX_UID: usize = 1_024;

/// A partner's back end names one of its people.
#[derive(Debug)]
pub struct ExchangePartnerToken {
    pub key: SecretString,
    pub email: String,
    /// The partner's stable secret for that person; kept as a password is.
    pub uid: SecretString,
}

impl Identity {
    /// The account of the person, made at the first call. Another uid than the first is refused, whoever asks.
    pub async fn exchange_partner_token(
        &self,
        cx: &Cx,
        command: ExchangePartnerToken,
    ) -> Result<Account> {
        let key = self
            .authenticate_key(cx, &command.key)
            .await
            .map_err(|error| self.bad_token(cx, error))?;
        self.admit_key(&command.key)?;
        let email = Email::parse(&command.email)?;
        if command.uid.expose_secret().len() > MAX_UID {
            return Err(Error::with_detail(
                Kind::MalformedInput,
                "uid has at most 1024 bytes",
            ));
        }
        if let Some(account) = self.known_person(cx, &key, &email, &command.uid).await? {
            return self.vouched(cx, key, account).await;
        }
        let phc = self.passwords(&cx.tenant).hash(command.uid.clone()).await?;
        match self.connect(cx, &key, &email, &phc).await? {
            Some(account) => Ok(account),
            // Another call connected this person in the meantime; now there is a uid to compare with.
            None => self
                .known_person(cx, &key, &email, &command.uid)
                .await?
                .ok_or_else(|| Kind::Unavailable.into()),
        }
    }

    /// The partner's word proves the address also of somebody who was imported with a uid and no proof.
    async fn vouched(&self, cx: &Cx, key: String, account: Account) -> Result<Account> {
        if account.email_verified {
            return Ok(account);
        }
        let (cx, id) = (cx.clone(), account.id.clone());
        self.db()
            .write(move |tx| {
                let present = held(tx, &cx, Some(account.clone()))?.ok_or(Kind::Unavailable)?;
                if account::store::set_verified(tx, &cx.tenant.id, &id, cx.now)? {
                    let entry = audit::Entry::done("email.verified").account(&id);
                    audit::record(tx, &cx, entry.by_key(&key))?;
                }
                Ok(Account {
                    email_verified: true,
                    ..present
                })
            })
            .await
    }

    /// The account whose uid is the presented one. `None`: no such account, or no uid bound yet.
    async fn known_person(
        &self,
        cx: &Cx,
        key_id: &str,
        email: &Email,
        uid: &SecretString,
    ) -> Result<Option<Account>> {
        let (tenant, wanted) = (cx.tenant.id.clone(), email.clone());
        let found = self
            .db()
            .read_one(move |tx| store::known(tx, &tenant, &wanted))
            .await?;
        let Some((account, phc)) = found else {
            return Ok(None);
        };
        if !account.is_active() {
            return Err(Kind::Forbidden.into());
        }
        let Some(phc) = phc else { return Ok(None) };
        let key = format!("{}/{}", cx.tenant.id, account.id);
        if self.partner_memory().recalls(&key, &phc, uid, cx.now) {
            return Ok(Some(account));
        }
        let _turn = self.partner_memory().turn(&key).await;
        if self.partner_memory().recalls(&key, &phc, uid, cx.now) {
            return Ok(Some(account));
        }
        let wanted = [
            (limit::WRONG_UID_ACCOUNT, &*key),
            (limit::WRONG_UID_KEY, key_id),
        ];
        let charge = self.limits().take(&wanted, cx.now)?;
        let verdict = self.passwords(&cx.tenant).verify(&phc, uid.clone()).await;
        if !verdict.as_ref().is_ok_and(|verdict| !verdict.matches) {
            self.limits().give_back(charge);
        }
        let verdict = verdict?;
        if !verdict.matches {
            let entry = audit::Entry::refused("partner.exchange", Kind::UidMismatch)
                .account(&account.id)
                .by_key(key_id);
            self.note_refused(cx, entry).await?;
            return Err(Kind::UidMismatch.into());
        }
        let phc = match verdict.rehash {
            true => self.rehash_uid(cx, &account.id, phc, uid).await?,
            false => phc,
        };
        self.partner_memory().remember(&key, &phc, uid, cx.now);
        Ok(Some(account))
    }

    /// The same uid under today's parameters, which it answers.
    async fn rehash_uid(
        &self,
        cx: &Cx,
        account: &str,
        old: String,
        uid: &SecretString,
    ) -> Result<String> {
        let new = self.passwords(&cx.tenant).hash(uid.clone()).await?;
        let (tenant, account, phc) = (cx.tenant.id.clone(), account.to_owned(), new.clone());
        self.db()
            .write(move |tx| store::replace(tx, &tenant, &account, &old, &phc))
            .await?;
        Ok(new)
    }

    /// Makes the account or binds the uid to the one there is. `None` when a uid is bound already.
    async fn connect(
        &self,
        cx: &Cx,
        key_id: &str,
        email: &Email,
        phc: &str,
    ) -> Result<Option<Account>> {
        let fresh = Account {
            email_verified: true,
            ..Account::new(self, &cx.tenant, email, cx.now)
        };
        let (cx, email) = (cx.clone(), email.clone());
        let (key_id, phc) = (key_id.to_owned(), phc.to_owned());
        self.db()
            .write(move |tx| {
                let tenant = &cx.tenant.id;
                let mut known = account::store::by_email(tx, tenant, &email)?;
                let mut event = "partner.connected";
                if known.is_none() {
                    known = account::store::insert(tx, tenant, fresh.clone())?;
                    event = "partner.account_created";
                }
                if known.is_none() {
                    // Somebody signed up with the address in this very moment.
                    known = account::store::by_email(tx, tenant, &email)?;
                    event = "partner.connected";
                }
                // Suspended or at another address meanwhile: the next look tells.
                let Some(account) = held(tx, &cx, known)? else {
                    return Ok(None);
                };
                if !store::bind(tx, tenant, &account.id, &phc, cx.now)? {
                    return Ok(None);
                }
                let account = match account.email_verified {
                    true => account,
                    false => take_over(tx, &cx, account, ("", ""))?,
                };
                audit::record(
                    tx,
                    &cx,
                    audit::Entry::done(event)
                        .account(&account.id)
                        .by_key(&key_id),
                )?;
                Ok(Some(account))
            })
            .await
    }
}

/// The account, held until the end of the transaction; `None` unless it is active and has the address that it was found by.
pub(crate) fn held(
    tx: &mut vestibule_db::Tx<'_>,
    cx: &Cx,
    found: Option<Account>,
) -> Result<Option<Account>> {
    let Some(found) = found else { return Ok(None) };
    account::store::lock(tx, &cx.tenant.id, &found.id)?;
    let now = account::store::by_id(tx, &cx.tenant.id, &found.id)?;
    Ok(now.filter(|now| now.is_active() && now.email == found.email))
}

/// The person proved the address another way: what whoever signed up with it unproven left behind goes, the names too.
pub(crate) fn take_over(
    tx: &mut vestibule_db::Tx<'_>,
    cx: &Cx,
    account: Account,
    (first_name, last_name): (&str, &str),
) -> Result<Account> {
    let (tenant, id) = (&cx.tenant.id, &account.id);
    account::store::lock(tx, tenant, id)?;
    password::store::remove(tx, tenant, id)?;
    session::store::end_all(tx, cx, id, None, EndReason::Unproven)?;
    crate::one_time::store::void_all(tx, tenant, id, cx.now)?;
    email_change::forget(tx, cx, id)?;
    deletion::keep(tx, cx, id)?;
    crate::provider::store::unlink_all(tx, tenant, id)?;
    account::store::set_verified(tx, tenant, id, cx.now)?;
    let dropped = audit::Entry::done("account.unproven_credentials_dropped");
    audit::record(tx, cx, dropped.account(id))?;
    let account = Account {
        email_verified: true,
        first_name: first_name.to_owned(),
        last_name: last_name.to_owned(),
        ..account
    };
    account::store::update_profile(tx, tenant, &account, cx.now)?;
    Ok(account)
}
