//! Sign-in by an upstream's ID token (OpenID Connect Core 3.1.3.7).

mod jwks;
mod rules;
pub(crate) mod store;

pub(crate) use jwks::JwksCache;

use secrecy::SecretString;
use vestibule_db::Tx;

use crate::account::{self, Account};
use crate::context::Cx;
use crate::email::Email;
use crate::error::{Error, Kind, Result};
use crate::session::{self, NewSession, SessionKind, SignedIn};
use crate::tenant::ProviderKind;
use crate::{Identity, audit, partner};

/// A person shows an upstream's ID token.
#[derive(Debug)]
pub struct SignInProvider {
    pub provider: ProviderKind,
    pub token: SecretString,
    pub kind: SessionKind,
}

/// What a verified ID token says.
pub(crate) struct Person {
    pub(crate) subject: String,
    pub(crate) email: Email,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
}

impl Identity {
    /// The upstream's `sub` is the key; an address links once, and only a verified one.
    pub async fn sign_in_provider(&self, cx: &Cx, command: SignInProvider) -> Result<SignedIn> {
        let provider = cx
            .tenant
            .provider(command.provider)
            .ok_or(Kind::InvalidProvider)?
            .clone();
        let person = match self.verify_id_token(cx, &provider, &command.token).await {
            Ok(person) => person,
            Err(error) => {
                let error = self.bad_token(cx, error);
                if error.kind == Kind::RateLimited {
                    return Err(error);
                }
                let entry = audit::Entry::refused("sign_in.provider", error.kind);
                self.note_refused(cx, entry).await?;
                return Err(error);
            }
        };
        let new = NewSession::draw(self, cx, command.kind);
        let mut fresh = Account::new(self, &cx.tenant, &person.email, cx.now);
        fresh.email_verified = true;
        fresh.first_name.clone_from(&person.first_name);
        fresh.last_name.clone_from(&person.last_name);
        let cx = cx.clone();
        self.db()
            .write(move |tx| {
                let tenant = &cx.tenant.id;
                let name = command.provider.name();
                let linked = store::find(tx, tenant, name, &person.subject)?;
                let id = match linked {
                    Some(id) => {
                        prove(tx, &cx, &id, &person.email)?;
                        id
                    }
                    None => {
                        let known = account::store::by_email(tx, tenant, &person.email)?;
                        let account = match known {
                            Some(account) => account,
                            None if provider.create => {
                                match account::store::insert(tx, tenant, fresh.clone())? {
                                    Some(account) => account,
                                    // Another call made it between our look and our insert.
                                    None => account::store::by_email(tx, tenant, &person.email)?
                                        .ok_or(Kind::Unavailable)?,
                                }
                            }
                            None => {
                                return Err(Error::with_detail(
                                    Kind::InvalidProviderData,
                                    "Nobody here has this address.",
                                ));
                            }
                        };
                        // At another address by now, it is not whom the provider means.
                        let held = partner::held(tx, &cx, Some(account))?;
                        let account = held.ok_or(Kind::InvalidProviderData)?;
                        let names = (&*fresh.first_name, &*fresh.last_name);
                        let account = match account.email_verified {
                            true => account,
                            false => partner::take_over(tx, &cx, account, names)?,
                        };
                        // One account, one subject: a second subject with the same address is somebody else's mailbox now.
                        if !store::link(tx, tenant, name, &person.subject, &account.id, cx.now)? {
                            return Err(Kind::InvalidProviderData.into());
                        }
                        account.id
                    }
                };
                let signed_in = session::store::start(tx, &cx, &id, &new).map_err(|error| {
                    match error.kind {
                        Kind::InvalidCredentials => Kind::InvalidProviderData.into(),
                        _ => error,
                    }
                })?;
                audit::record(tx, &cx, audit::Entry::done("sign_in.provider").account(&id))?;
                Ok(signed_in)
            })
            .await
    }
}

/// The provider's word proves the address also of somebody who was imported with its subject and no proof.
fn prove(tx: &mut Tx<'_>, cx: &Cx, id: &str, address: &Email) -> Result<()> {
    let tenant = &cx.tenant.id;
    let held = account::store::lock(tx, tenant, id)?;
    let account = account::store::by_id(tx, tenant, id)?.filter(|_| held);
    let is_same = |account: &Account| {
        let present = Email::parse(&account.email);
        present.is_ok_and(|present| present.canonical() == address.canonical())
    };
    if account.is_some_and(|account| !account.email_verified && is_same(&account)) {
        account::store::set_verified(tx, tenant, id, cx.now)?;
        audit::record(tx, cx, audit::Entry::done("email.verified").account(id))?;
    }
    Ok(())
}
