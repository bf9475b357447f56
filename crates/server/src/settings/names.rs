//! The names of the settings, and the nearest one to a misspelt name.

/// The reference: every setting with its default and what it means.
pub const DEFAULTS: &str = include_str!("../vestibule.default.toml");

/// Every setting, in the order of the reference.
pub(super) const NAMES: &[&str] = &[
    "data",
    "database_url",
    "database_connections",
    "database_timeout",
    "listen",
    "public_url",
    "smtp_url",
    "mail_from",
    "trusted_proxies",
    "outbound_allow",
    "secret_key_file",
    "signing_key_age",
    "log",
    "log_format",
    "dialects",
    "templates",
    "metrics_listen",
    "hash_memory_kib",
    "hash_iterations",
    "hash_workers",
    "hash_queue",
    "request_timeout",
    "limits",
    "backup_every",
    "backup_keep",
    "backup_directory",
];

pub(super) fn known(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|known| **known == name).copied()
}

/// `; did you mean …?` where a candidate is close enough to be worth naming, else the list of what there is.
pub(crate) fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let distance = |candidate: &&&str| {
        strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase())
    };
    match candidates.iter().min_by_key(distance) {
        Some(nearest) if distance(&nearest) <= 2.max(nearest.len() / 2) => {
            format!("; did you mean `{nearest}`?")
        }
        Some(_) => format!("; there are {}", candidates.join(", ")),
        None => String::new(),
    }
}
