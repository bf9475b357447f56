//! After a backup has taken the database's place: what was ended, used or revoked since must not come alive again.
//!
//! Nobody can know what that was, so whatever was handed out before the restore ends: sessions, links, tokens. API keys
//! are held back until an operator confirms that they were not revoked meanwhile.

mod store;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::{Identity, audit};

/// What was ended, for the operator.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Restored {
    pub sessions: u64,
    /// Links and codes that could have been used once.
    pub one_time_tokens: u64,
    pub signing_keys: u64,
    /// Mails that were waiting when the backup was made; most will have been sent since.
    pub mails: u64,
    pub api_keys: Vec<HeldKey>,
}

/// A key that waits to be confirmed.
#[derive(Clone, Debug, Serialize)]
pub struct HeldKey {
    /// The tenant's slug.
    pub tenant: String,
    pub id: String,
    pub name: String,
}

impl Identity {
    /// Ends everything that was handed out before now. To be called once the rows are those of a backup, before anybody
    /// is served from them. API keys are held, unless the caller knows that none was revoked since the backup.
    pub async fn end_all_after_restore(&self, keep_api_keys: bool) -> Result<Restored> {
        let now = self.now();
        let tenants = self.directory().all().await?;
        let contexts: Vec<_> = tenants
            .into_iter()
            .map(|tenant| self.operator_cx(tenant))
            .collect();
        let restored = self
            .db()
            .write(move |tx| {
                let sessions = store::end_sessions(tx, now)?;
                let one_time_tokens = store::void_one_time_tokens(tx, now)?;
                let signing_keys = store::drop_signing_keys(tx)?;
                crate::tenant::store::bump_unmarked(tx)?;
                let mails = store::drop_mails(tx)?;
                store::skip_numbers(tx)?;
                if !keep_api_keys {
                    store::hold_api_keys(tx, now)?;
                }
                for cx in &contexts {
                    let entry = audit::Entry::done("database.restored").actor("operator");
                    audit::record(tx, cx, entry)?;
                }
                crate::deletion::store::put_off(tx, now + crate::deletion::AFTER_RESTORE)?;
                Ok::<_, Error>(Restored {
                    sessions,
                    one_time_tokens,
                    signing_keys,
                    mails,
                    api_keys: store::held_api_keys(tx)?,
                })
            })
            .await?;
        self.reload().await?;
        Ok(restored)
    }
}
