//! Counters and histograms in Prometheus' text format.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds in seconds: from a check in memory to a queue for password hashing.
const BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// A handle to one set of figures; clones share it.
#[derive(Clone)]
pub struct Metrics(Arc<Figures>);

type Probe = Box<dyn Fn() -> u64 + Send + Sync>;

struct Figures {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<SurfaceLabels, Histogram, fn() -> Histogram>,
    sign_ins: Family<SignInLabels, Counter>,
    hashing: Gauge,
    hashing_probe: OnceLock<Probe>,
    hashed: Counter,
    hashed_probe: OnceLock<Probe>,
    backup_made: Family<NoLabels, Gauge>,
    backup_failures: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    surface: &'static str,
    route: Arc<str>,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SurfaceLabels {
    surface: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SignInLabels {
    outcome: &'static str,
}

/// For a figure that is there only once it means something.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct NoLabels {}

impl Metrics {
    /// Tells where to read how many passwords wait to be hashed; the first call counts.
    pub fn watch_hashing(&self, waiting: impl Fn() -> u64 + Send + Sync + 'static) {
        let _ = self.0.hashing_probe.set(Box::new(waiting));
    }

    /// Tells where to read how many passwords were hashed so far; the first call counts.
    pub fn watch_hashed(&self, hashed: impl Fn() -> u64 + Send + Sync + 'static) {
        let _ = self.0.hashed_probe.set(Box::new(hashed));
    }

    /// Notes a backup that was made; seconds since 1970.
    pub fn backup_made(&self, at: i64) {
        self.0.backup_made.get_or_create(&NoLabels {}).set(at);
    }

    /// Counts a backup that was due and could not be made.
    pub fn backup_failed(&self) {
        self.0.backup_failures.inc();
    }

    /// Counts one answered request; `status` is its code.
    pub(crate) fn request(
        &self,
        surface: &'static str,
        route: &Arc<str>,
        status: u16,
        took: Duration,
    ) {
        let class = match status {
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        self.0
            .requests
            .get_or_create(&RequestLabels {
                surface,
                route: route.clone(),
                status: class,
            })
            .inc();
        self.0
            .seconds
            .get_or_create(&SurfaceLabels { surface })
            .observe(took.as_secs_f64());
    }

    /// Counts a browser's sign-in; `outcome` is `ok` or the error's code.
    pub(crate) fn sign_in(&self, outcome: &'static str) {
        self.0
            .sign_ins
            .get_or_create(&SignInLabels { outcome })
            .inc();
    }

    /// The text exposition.
    pub(crate) fn expose(&self) -> Result<String, fmt::Error> {
        if let Some(probe) = self.0.hashing_probe.get() {
            self.0
                .hashing
                .set(i64::try_from(probe()).unwrap_or(i64::MAX));
        }
        if let Some(probe) = self.0.hashed_probe.get() {
            self.0.hashed.inner().fetch_max(probe(), Ordering::Relaxed);
        }
        let mut out = String::new();
        text::encode(&mut out, &self.0.registry)?;
        Ok(out)
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        let requests = Family::default();
        let seconds =
            Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        let sign_ins = Family::default();
        let hashing = Gauge::default();
        let hashed = Counter::default();
        let mut registry = Registry::with_prefix("vestibule");
        registry.register(
            "requests",
            "Answered requests by surface, route and class of status",
            requests.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "Time to answer, by surface",
            Unit::Seconds,
            seconds.clone(),
        );
        registry.register(
            "sign_ins",
            "Sign-ins of browsers by outcome",
            sign_ins.clone(),
        );
        registry.register(
            "hashing_waiting",
            "Passwords that wait to be hashed",
            hashing.clone(),
        );
        registry.register("hashed", "Passwords hashed", hashed.clone());
        let (backup_made, backup_failures) = (Family::default(), Counter::default());
        registry.register_with_unit(
            "backup_last_success_timestamp",
            "When the last scheduled backup was made",
            Unit::Seconds,
            backup_made.clone(),
        );
        registry.register(
            "backup_failures",
            "Scheduled backups that could not be made",
            backup_failures.clone(),
        );
        Metrics(Arc::new(Figures {
            registry,
            requests,
            seconds,
            sign_ins,
            hashing,
            hashing_probe: OnceLock::new(),
            hashed,
            hashed_probe: OnceLock::new(),
            backup_made,
            backup_failures,
        }))
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exposition_names_what_was_counted() {
        let metrics = Metrics::default();
        metrics.watch_hashing(|| 3);
        metrics.watch_hashed(|| 7);
        metrics.request("pages", &"/sign-in".into(), 200, Duration::from_millis(4));
        metrics.request("pages", &"/sign-in".into(), 204, Duration::from_millis(400));
        metrics.sign_in("invalid_credentials");
        assert!(!metrics.expose().unwrap().contains("timestamp_seconds{"));
        metrics.backup_made(1_700_000_000);
        metrics.backup_failed();
        let text = metrics.expose().unwrap();
        for line in [
            r#"vestibule_requests_total{surface="pages",route="/sign-in",status="2xx"} 2"#,
            r#"vestibule_request_duration_seconds_bucket{le="0.005",surface="pages"} 1"#,
            r#"vestibule_sign_ins_total{outcome="invalid_credentials"} 1"#,
            "vestibule_hashing_waiting 3",
            "vestibule_hashed_total 7",
            "vestibule_backup_last_success_timestamp_seconds{} 1700000000",
            "vestibule_backup_failures_total 1",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
