//! The machine's time of day.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use vestibule_identity::{Clock, Micros};

/// What the operating system says.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Micros {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the Clock port's implementation"
        )]
        let now = SystemTime::now();
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    async fn wait(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}
