//! What the core takes from outside: the time, randomness (from `vestibule_crypto`), and documents fetched from upstreams.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Micros(pub i64);

impl Micros {
    /// Whole seconds since the epoch, as JWTs count.
    pub fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// RFC 3339 in UTC, whole seconds: `2026-11-21T23:07:00Z`.
    pub fn rfc3339(self) -> String {
        chrono::DateTime::from_timestamp(self.secs(), 0).map_or_else(
            || self.0.to_string(),
            |at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        )
    }

    /// Whether the two are at most so far apart. Clocks of nodes differ and step back: a moment that lies ahead by more
    /// than `span` was not "just now" either.
    pub fn is_within(self, span: Duration, of: Micros) -> bool {
        u128::from(self.0.abs_diff(of.0)) <= span.as_micros()
    }

    /// `self - earlier`; zero where the clock went back.
    pub fn since(self, earlier: Micros) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Micros {
    type Output = Micros;
    fn add(self, span: Duration) -> Micros {
        Micros(
            self.0
                .saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }
}

impl std::ops::Sub<Duration> for Micros {
    type Output = Micros;
    fn sub(self, span: Duration) -> Micros {
        Micros(
            self.0
                .saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }
}

impl From<Micros> for vestibule_db::Value {
    fn from(at: Micros) -> Self {
        vestibule_db::Value::Int(at.0)
    }
}

impl vestibule_db::FromValue for Micros {
    const WANTED: &'static str = "INTEGER (microseconds)";

    fn from_value(value: vestibule_db::ValueRef<'_>) -> Option<Self> {
        i64::from_value(value).map(Micros)
    }
}

/// The time of day. Tests set it; the binary reads the machine's.
#[async_trait]
pub trait Clock: Send + Sync {
    fn now(&self) -> Micros;

    /// Returns so much later. A clock that is set by hand need not wait.
    async fn wait(&self, _span: Duration) {}
}

/// Fetches upstream documents (a provider's JWKS, a captcha's verdict). Bounded in time and size, follows no redirect.
#[async_trait]
pub trait Upstream: Send + Sync {
    /// The body of a 200 answer; the error is text for the log.
    async fn get(&self, url: &str) -> Result<Vec<u8>, String>;
    /// Posts a form, answers the body of a 200.
    async fn post_form(&self, url: &str, form: &[(&str, &str)]) -> Result<Vec<u8>, String>;
}

/// The ports the core runs on.
#[derive(Clone)]
pub struct Ports {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn vestibule_crypto::Random>,
    pub upstream: Arc<dyn Upstream>,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ports")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_to_the_second() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(Micros(seconds * 1_000_000 + 999_999).rfc3339(), text);
        }
        assert_eq!(Micros(i64::MAX).rfc3339(), i64::MAX.to_string());
    }
}
