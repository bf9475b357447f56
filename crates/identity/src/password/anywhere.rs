//! Sign-in where nothing names the tenant: the one whose password fits.

use std::sync::Arc;

use secrecy::SecretString;
use tokio::task::JoinSet;

use super::{Checked, Found, SignInPassword, rules};
use crate::Identity;
use crate::context::{Client, Cx};
use crate::email::Email;
use crate::error::{Error, Kind, Result};
use crate::limit::{self, Charge};
use crate::ports::Micros;
use crate::session::SignedIn;
use crate::tenant::{CaptchaAt, Tenant};

/// A tenant that is asked, and whom it knows under the address.
type Asked = (Cx, Arc<Found>);

impl Identity {
    /// Nobody known, nobody's password, no password: one answer after the same work, and for what is too long to be a password
    /// before anybody is looked up. The tenants' hashes are worked on side by side. One that wants a captcha for signing in
    /// must be named: which one's it would be is not known before the password fits.
    pub async fn sign_in_password_anywhere(
        &self,
        client: &Client,
        tenants: Vec<Arc<Tenant>>,
        command: SignInPassword,
    ) -> Result<(Arc<Tenant>, SignedIn)> {
        let email = Email::parse(&command.email)?;
        let now = self.now();
        let mut asked = Vec::with_capacity(tenants.len());
        let too_long = rules::too_long(&command.password);
        let open = |tenant: &Arc<Tenant>| {
            let registration = &tenant.file.registration;
            !too_long && !registration.wants_captcha(CaptchaAt::SignIn)
        };
        for tenant in tenants.into_iter().filter(open) {
            let client = client.at(&tenant);
            let found = self.look_up(&tenant.id, &client, &email).await?;
            let cx = Cx {
                tenant,
                now,
                client,
            };
            asked.push((cx, Arc::new(found)));
        }
        let nobody = match asked.is_empty() && !too_long {
            true => Some(self.look_up("", client, &email).await?),
            false => None,
        };
        let charge = self.charge_anywhere(client, &email, &asked, now)?;
        let mut fitting = self.guess_side_by_side(&asked, &command.password).await?;
        if let Some(nobody) = nobody {
            self.guess_at_nobody(nobody, &command.password, now).await?;
        }
        let Some((cx, checked)) = fitting.pop() else {
            self.note_wrong_guesses(asked).await?;
            return Err(Kind::InvalidCredentials.into());
        };
        self.limits().give_back(charge);
        if !fitting.is_empty() {
            return Err(Kind::AmbiguousTenant.into());
        }
        // Whoever has the address at one tenant must not guess unseen at another.
        asked.retain(|(other, _)| other.tenant.id != cx.tenant.id);
        self.note_wrong_guesses(asked).await?;
        let signed_in = self
            .guess_and_sign_in(&cx, &email, &command, Some(checked))
            .await?;
        Ok((cx.tenant, signed_in))
    }

    /// Known or not, an address has one count here; what its tenants count is not told apart from a wrong password.
    fn charge_anywhere(
        &self,
        client: &Client,
        email: &Email,
        asked: &[Asked],
        now: Micros,
    ) -> Result<Charge> {
        let address = limit::address_key(limit::ANYWHERE, client);
        // Strangers' guesses do not shut out somebody who signed in from here before.
        let known = asked.iter().any(|(_, found)| found.guess.is_known());
        let from = if known { &*address } else { "" };
        let account = format!("{}/{}{from}", limit::ANYWHERE, email.canonical());
        let wanted = [
            (limit::SIGN_IN_ACCOUNT, &*account),
            (limit::SIGN_IN_ADDRESS, &*address),
        ];
        self.limits().take(&wanted, now)
    }

    async fn guess_side_by_side(
        &self,
        asked: &[Asked],
        password: &SecretString,
    ) -> Result<Vec<(Cx, Checked)>> {
        let mut guesses = JoinSet::new();
        for (cx, found) in asked {
            let (identity, cx) = (self.clone(), cx.clone());
            let (found, password) = (found.clone(), password.clone());
            guesses.spawn(async move {
                let checked = match identity.guess(&cx, &found, &password).await {
                    Err(error) if error.kind == Kind::RateLimited => {
                        let password = rules::normalize(&password);
                        identity
                            .passwords(&cx.tenant)
                            .verify_absent(found.work(), password)
                            .await?;
                        None
                    }
                    checked => checked?,
                };
                Ok::<_, Error>(checked.map(|checked| (cx, checked)))
            });
        }
        let mut fitting = Vec::new();
        while let Some(guess) = guesses.join_next().await {
            fitting.extend(guess.map_err(Error::internal)??);
        }
        Ok(fitting)
    }

    /// The work of a wrong guess at somebody, counted among the rows of whoever lent the hash.
    async fn guess_at_nobody(
        &self,
        nobody: Found,
        password: &SecretString,
        now: Micros,
    ) -> Result<()> {
        let password = rules::normalize(password);
        self.passwords_of_nobody()
            .verify_absent(nobody.work(), password)
            .await?;
        let Some(lender) = nobody.lender else {
            return Ok(());
        };
        self.db()
            .write(move |tx| nobody.guess.budget.count(tx, &lender, now))
            .await
    }

    async fn note_wrong_guesses(&self, asked: Vec<Asked>) -> Result<()> {
        for (cx, found) in asked {
            let (account, budget) = (found.account.clone(), found.guess.budget.clone());
            self.password_refused(&cx, account, budget).await?;
        }
        Ok(())
    }
}
