//! Sign-in where nothing names the tenant: the one whose password fits.

use std::sync::Arc;

use secrecy::SecretString;
use tokio::task::JoinSet;

use super::{Checked, SignInPassword, rules};
use crate::Identity;
use crate::context::{Client, Cx};
use crate::email::Email;
use crate::error::{Error, Kind, Result};
use crate::limit;
use crate::session::SignedIn;
use crate::tenant::{CaptchaAt, Tenant};

impl Identity {
    /// Nobody known, nobody's password, no password: one answer. The tenants' hashes are worked on side by side and
    /// their audit entries written after the answer, so that its time does not count the tenants. One that wants a captcha
    /// for signing in must be named: which one's it would be is not known before the password fits.
    pub async fn sign_in_password_anywhere(
        &self,
        client: &Client,
        tenants: Vec<Arc<Tenant>>,
        command: SignInPassword,
    ) -> Result<(Arc<Tenant>, SignedIn)> {
        let email = Email::parse(&command.email)?;
        let now = self.now();
        // Known or not, an address has one counter here; what its tenants count is not told apart from a wrong password.
        let key = format!("anywhere/{}", email.canonical());
        self.limits().take(limit::SIGN_IN, &key, now)?;
        let cx = |tenant: Arc<Tenant>| Cx {
            tenant,
            now,
            client: client.clone(),
        };
        let open = |tenant: &Arc<Tenant>| {
            let registration = &tenant.file.registration;
            !registration.wants_captcha(CaptchaAt::SignIn)
        };
        let contexts: Vec<Cx> = tenants.into_iter().filter(open).map(cx).collect();
        let mut fitting = self
            .guess_side_by_side(&contexts, &email, &command.password)
            .await?;
        if contexts.is_empty() {
            let password = rules::normalize(&command.password);
            self.passwords_of_nobody().verify_absent(password).await?;
        }
        let Some((cx, checked)) = fitting.pop() else {
            self.refused_later(contexts, email);
            return Err(Kind::InvalidCredentials.into());
        };
        self.limits().give_back(limit::SIGN_IN, &key);
        if !fitting.is_empty() {
            return Err(Kind::AmbiguousTenant.into());
        }
        let signed_in = self.sign_in_checked(&cx, checked, command.kind).await?;
        Ok((cx.tenant, signed_in))
    }

    async fn guess_side_by_side(
        &self,
        contexts: &[Cx],
        email: &Email,
        password: &SecretString,
    ) -> Result<Vec<(Cx, Checked)>> {
        let mut guesses = JoinSet::new();
        for cx in contexts {
            let (identity, cx) = (self.clone(), cx.clone());
            let (email, password) = (email.clone(), password.clone());
            guesses.spawn(async move {
                let checked = match identity.guess(&cx, &email, &password).await {
                    Err(error) if error.kind == Kind::RateLimited => {
                        let password = rules::normalize(&password);
                        identity
                            .passwords(&cx.tenant)
                            .verify_absent(password)
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

    fn refused_later(&self, contexts: Vec<Cx>, email: Email) {
        let identity = self.clone();
        tokio::spawn(async move {
            for cx in contexts {
                if let Err(error) = identity.password_refused(&cx, &email).await {
                    tracing::error!(%error, "a refused sign-in could not be noted");
                }
            }
        });
    }
}
