//! Keys that have signed for long are followed by new ones without an operator.

use std::time::Duration;

use super::change::Turn;
use super::store;
use crate::Identity;
use crate::error::Result;

/// Of so many tenants in one turn of the worker: each makes all nodes look for changes.
const AT_ONCE: i64 = 50;

impl Identity {
    /// Has keys that have signed for `age` followed by new ones, which are published first; those of the longest signing
    /// first. Of several nodes that do so one makes the keys. Answers of how many tenants this one did.
    pub async fn follow_aged_keys(&self, age: Duration) -> Result<u64> {
        let since = self.now() - age;
        let due = self
            .db()
            .read(move |tx| store::signing_since(tx, since, AT_ONCE))
            .await?;
        let mut followed = 0;
        for id in due {
            let Some(tenant) = self.directory().by_id(&id).await? else {
                continue;
            };
            let cx = self.operator_cx(tenant);
            if self.turn_keys(&cx, Turn::aged(since)).await? {
                followed += 1;
                let (tenant, days) = (cx.tenant.slug(), age.as_secs() / 86_400);
                tracing::info!(
                    tenant,
                    days,
                    "signing keys of that age are followed by new ones, published now and in force in ten minutes"
                );
            }
        }
        Ok(followed)
    }
}
