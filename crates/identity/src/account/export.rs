//! All that is held on a person, for the person.

use secrecy::SecretString;

use super::Account;
use crate::audit::{self, AuditEntry, AuditQuery};
use crate::context::Cx;
use crate::email_change::PendingEmail;
use crate::error::{Error, Result};
use crate::ports::Micros;
use crate::session::{self, Authenticated, Session};
use crate::team::Team;
use crate::{Identity, deletion, email_change, partner, password, provider, team};

/// More audit entries of one person are not handed out at once.
const MOST_ENTRIES: i64 = 10_000;

/// What the database holds on one person. Of secrets only that they are there, and since when.
#[derive(Clone, Debug)]
pub struct PersonalData {
    pub account: Account,
    pub password_changed_at: Option<Micros>,
    /// Since when the tenant's own back end signs the person in.
    pub partner_bound_at: Option<Micros>,
    pub providers: Vec<ProviderLink>,
    /// With when it ended, newest first, as far as they are kept.
    pub sessions: Vec<(Session, Option<Micros>)>,
    pub teams: Vec<Team>,
    pub pending_email: Option<PendingEmail>,
    pub deletion_due_at: Option<Micros>,
    pub entries: Vec<AuditEntry>,
}

/// A way to sign in by somebody else's account.
#[derive(Clone, Debug)]
pub struct ProviderLink {
    pub provider: String,
    /// What the provider calls the person.
    pub subject: String,
    pub linked_at: Micros,
}

impl Identity {
    /// Asks for the password again.
    pub async fn export_account(
        &self,
        cx: &Cx,
        who: &Authenticated,
        password: Option<&SecretString>,
    ) -> Result<PersonalData> {
        self.reauthenticate(cx, who, password).await?;
        let (noting, id) = (cx.clone(), who.account.id.clone());
        let session = who.session.id.clone();
        self.db()
            .write(move |tx| {
                session::store::hold_live(tx, &noting, &id, Some(&session))?;
                let entry = audit::Entry::done("account.exported").account(&id);
                audit::record(tx, &noting, entry)
            })
            .await?;
        let (cx, account) = (cx.clone(), who.account.clone());
        self.db()
            .read(move |tx| {
                let (tenant, id) = (&cx.tenant.id, &account.id);
                let query = AuditQuery {
                    account: Some(id.clone()),
                    limit: MOST_ENTRIES,
                    ..AuditQuery::default()
                };
                Ok::<_, Error>(PersonalData {
                    password_changed_at: password::store::changed_at(tx, tenant, id)?,
                    partner_bound_at: partner::store::bound_at(tx, tenant, id)?,
                    providers: provider::store::of_account(tx, tenant, id)?,
                    sessions: session::store::all_of(tx, &cx, id)?,
                    teams: team::store::of_account(tx, tenant, id)?,
                    pending_email: email_change::store::find(tx, &cx, id)?,
                    deletion_due_at: deletion::store::due_at(tx, &cx, id)?,
                    entries: audit::store::find(tx, tenant, &query)?,
                    account: account.clone(),
                })
            })
            .await
    }
}
