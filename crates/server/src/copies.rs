//! Dated copies of the embedded database that are kept in one folder, the oldest removed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use chrono::NaiveDateTime;
use vestibule_db::Db;
use vestibule_identity::Micros;

use crate::commands::compact;

/// Copies named `{prefix}…{time}{suffix}`.
#[derive(Clone, Debug)]
pub(crate) struct Copies {
    pub(crate) folder: PathBuf,
    pub(crate) prefix: String,
    pub(crate) suffix: &'static str,
    pub(crate) keep: usize,
}

impl Copies {
    /// Those kept beside a database from before its schema was changed.
    pub(crate) fn before_migration(database: &Path) -> Copies {
        let name = database.file_name().unwrap_or_default().to_string_lossy();
        let folder = database
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        Copies {
            folder: folder.unwrap_or(Path::new(".")).to_owned(),
            prefix: format!("{name}.schema-"),
            suffix: "",
            keep: 3,
        }
    }

    /// Makes one more and removes what is too many, and what a process that died left unfinished. `label` goes into its
    /// name, before the time.
    pub(crate) async fn make(&self, db: &Db, label: &str, at: Micros) -> anyhow::Result<PathBuf> {
        let (folder, prefix) = (self.folder.display(), &self.prefix);
        vestibule_db::sweep_partial(&self.folder, prefix)
            .with_context(|| format!("cannot read {folder}"))?;
        let named = |at| {
            let name = format!("{prefix}{label}{}{}", compact(at), self.suffix);
            self.folder.join(name)
        };
        let mut path = named(at);
        // Another one of the same second, or another process at it.
        for later in 1..60 {
            if !path.exists() && !partial(&path).exists() {
                break;
            }
            path = named(at + Duration::from_secs(later));
        }
        db.backup(&path, |_, _| ()).await?;
        let all = self.all()?;
        let surplus = all.len().saturating_sub(self.keep);
        for (_, old) in all.iter().take(surplus).filter(|(_, old)| *old != path) {
            std::fs::remove_file(old)
                .with_context(|| format!("cannot remove {}", old.display()))?;
        }
        Ok(path)
    }

    /// All of them with their times, oldest first.
    pub(crate) fn all(&self) -> anyhow::Result<Vec<(Micros, PathBuf)>> {
        let unread = || format!("cannot read {}", self.folder.display());
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&self.folder).with_context(unread)? {
            let path = entry.with_context(unread)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(at) = name.and_then(|name| self.time_of(name)) {
                all.push((at, path));
            }
        }
        all.sort();
        Ok(all)
    }

    fn time_of(&self, name: &str) -> Option<Micros> {
        let middle = name.strip_prefix(&self.prefix)?.strip_suffix(self.suffix)?;
        let time = middle.get(middle.len().checked_sub(16)?..)?;
        let time = NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%SZ").ok()?;
        Some(Micros(time.and_utc().timestamp_micros()))
    }
}

/// What a copy is called while it is made.
fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_time_and_strangers_are_left_alone() {
        let copies = Copies::before_migration(Path::new("data/vestibule.db"));
        assert_eq!(copies.folder, Path::new("data"));
        for (name, at) in [
            ("vestibule.db.schema-1-19700101T000001Z", Some(1_000_000)),
            ("vestibule.db.schema-19700101T000000Z", Some(0)),
            ("vestibule.db.schema-1-19700101T000001Z.partial", None),
            ("vestibule.db.schema-1", None),
            ("vestibule.db.schema-é0101T000001Z", None),
            ("vestibule.db", None),
        ] {
            assert_eq!(copies.time_of(name).map(|at| at.0), at, "{name}");
        }
    }
}
