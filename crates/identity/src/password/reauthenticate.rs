//! That the person who is signed in still sits there: asked before what a borrowed browser must not do.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::{rules, store};
use crate::Identity;
use crate::account::{self, Account};
use crate::context::Cx;
use crate::error::{Error, Kind, Result};
use crate::limit::{self, Budget};
use crate::ports::Micros;
use crate::session::{self, Authenticated};

/// A sign-in is fresh for so long.
const FRESH: Duration = Duration::from_secs(900);

impl Identity {
    /// Asks the present password; of an account without one, a sign-in of the last 15 minutes (`SignInAgain`).
    pub(crate) async fn reauthenticate(
        &self,
        cx: &Cx,
        who: &Authenticated,
        password: Option<&SecretString>,
    ) -> Result<()> {
        if !self.has_password(cx, &who.account.id).await? {
            return match cx.now.is_within(FRESH, who.session.created_at) {
                true => Ok(()),
                false => Err(Kind::SignInAgain.into()),
            };
        }
        let password = password.filter(|password| !password.expose_secret().is_empty());
        let password = password.ok_or(Kind::MissingPassword)?;
        let of = (&*who.account.id, Some(&*who.session.id));
        self.check_present(cx, of, password).await?;
        Ok(())
    }

    /// Whether the account signs in with a password of its own.
    pub async fn has_password(&self, cx: &Cx, account_id: &str) -> Result<bool> {
        let (tenant, id) = (cx.tenant.id.clone(), account_id.to_owned());
        self.db()
            .read(move |tx| Ok(store::find(tx, &tenant, &id)?.is_some()))
            .await
    }

    /// The account and its hash, provided that this is its password. Wrong ones are counted by sign-in: whoever took a session
    /// must not keep the owner from changing the password in another.
    pub(super) async fn check_present(
        &self,
        cx: &Cx,
        (account_id, session_id): (&str, Option<&str>),
        password: &SecretString,
    ) -> Result<(Account, String)> {
        let (tenant, id) = (cx.tenant.id.clone(), account_id.to_owned());
        let (identity, cx_read) = (self.clone(), cx.clone());
        let session = session_id.map(str::to_owned);
        let found = self
            .db()
            .read(move |tx| {
                // Sessions that go on from one another have one sign-in.
                let since = match &session {
                    Some(session) => session::store::signed_in_at(tx, &cx_read, session)?,
                    None => Micros(0),
                };
                let key = format!("{tenant}/{id}/{}", since.0);
                let budget = Budget::new(&identity, limit::PASSWORD_CHANGE, key);
                Ok::<_, Error>((
                    account::store::by_id(tx, &tenant, &id)?,
                    store::find(tx, &tenant, &id)?,
                    budget.read(tx, &tenant)?,
                ))
            })
            .await?;
        let (Some(account), Some(phc), budget) = found else {
            return Err(Kind::InvalidCredentials.into());
        };
        if !self.is_password(cx, &budget, (&phc, password)).await? {
            self.password_refused(cx, Some(account), budget).await?;
            return Err(Error::with_detail(
                Kind::InvalidCredentials,
                "The present password is wrong.",
            )
            .because("present", 0));
        }
        Ok((account, phc))
    }

    /// Whether the hash is this password's, within the budget. What is wrong is the caller's to count there for good.
    pub(crate) async fn is_password(
        &self,
        cx: &Cx,
        budget: &Budget,
        (phc, password): (&str, &SecretString),
    ) -> Result<bool> {
        let charge = self.charge(budget, &[], cx.now)?;
        let verdict = match rules::too_long(password) {
            true => Ok(false),
            false => self
                .passwords(&cx.tenant)
                .verify(phc, rules::normalize(password))
                .await
                .map(|verdict| verdict.matches),
        };
        if !matches!(verdict, Ok(false)) {
            self.limits().give_back(charge);
        }
        Ok(verdict?)
    }
}
