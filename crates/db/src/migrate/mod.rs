//! Bringing the schema up to date.
//!
//! A migration is written once, in SQLite's STRICT dialect: column types are INTEGER, TEXT and BLOB, and each
//! `CREATE TABLE` ends with `) STRICT;`. [`translate`](translate::translate) turns it into PostgreSQL's.

mod translate;

use crate::{Db, Error, Tx, params};

/// One step of the schema.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Ascending, from 1.
    pub version: u32,
    /// A word or two for messages.
    pub name: &'static str,
    /// The statements. Never edit one that has been released: its checksum is kept in the database.
    pub sql: &'static str,
}

/// Why a schema was not brought up to date. What an earlier migration did stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// A newer binary has migrated the database.
    #[error(
        "the database's schema is newer than this binary: this binary knows {known}, the database has {found}; \
         use the newer binary or restore an older backup"
    )]
    Newer {
        /// The newest version that the binary knows.
        known: u32,
        /// The newest version that the database has.
        found: u32,
    },
    /// A migration's text is not the one that was applied.
    #[error("migration {version} ({name}) was edited after it had been applied to this database")]
    Edited {
        /// Its version.
        version: u32,
        /// Its name.
        name: &'static str,
    },
    /// A migration lies before one that has been applied already.
    #[error(
        "migration {version} ({name}) was never applied, although the database already has {found}"
    )]
    Skipped {
        /// Its version.
        version: u32,
        /// Its name.
        name: &'static str,
        /// The newest version that the database has.
        found: u32,
    },
    /// The list of migrations does not ascend.
    #[error("migration {version} ({name}) is out of order in this binary")]
    Order {
        /// Its version.
        version: u32,
        /// Its name.
        name: &'static str,
    },
    /// A migration's SQL failed.
    #[error("migration {version} ({name}) failed: {}", reason.cause())]
    Failed {
        /// Its version.
        version: u32,
        /// Its name.
        name: &'static str,
        /// What the engine said. Not a source, whose text would follow this one with the whole statement.
        reason: Error,
    },
    /// The bookkeeping could not be read or written.
    #[error(transparent)]
    Database(#[from] Error),
}

const BOOKKEEPING: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    version INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;";

pub(crate) async fn migrate(
    db: &Db,
    migrations: &'static [Migration],
    now_micros: i64,
) -> Result<Vec<u32>, MigrateError> {
    if let Some(pair) = migrations
        .windows(2)
        .find(|pair| pair[0].version >= pair[1].version)
    {
        return Err(MigrateError::Order {
            version: pair[1].version,
            name: pair[1].name,
        });
    }
    // What is up to date is not written to: a server must start on a full disk too.
    if db.read(move |tx| is_current(tx, migrations)).await? {
        return Ok(Vec::new());
    }
    let mut versions = Vec::new();
    while let Some(version) = db
        .write_patiently(move |tx| step(tx, migrations, now_micros))
        .await?
    {
        versions.push(version);
    }
    Ok(versions)
}

fn is_current(tx: &mut Tx<'_>, migrations: &'static [Migration]) -> Result<bool, MigrateError> {
    Ok(table_exists(tx)? && next(&applied(tx)?, migrations)?.is_none())
}

/// Applies the first migration that is missing. It asks anew under the lock, for another process may have been here.
fn step(
    tx: &mut Tx<'_>,
    migrations: &'static [Migration],
    now_micros: i64,
) -> Result<Option<u32>, MigrateError> {
    if tx.is_postgres() {
        tx.exec(
            "SELECT pg_advisory_xact_lock(hashtextextended(coalesce(current_schema(), ''), 7165028391))",
            &[],
        )?;
    }
    let applied = match table_exists(tx)? {
        true => applied(tx)?,
        false => Vec::new(),
    };
    let Some(next) = next(&applied, migrations)? else {
        return Ok(None);
    };
    let bookkeeping = match applied.is_empty() {
        true => tx.batch(&dialect(tx, BOOKKEEPING)),
        false => Ok(()),
    };
    bookkeeping
        .and_then(|()| tx.batch(&dialect(tx, next.sql)))
        .and_then(|()| {
            tx.exec(
                "INSERT INTO schema_migration (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)",
                &params![next.version, next.name, checksum(next.sql), now_micros],
            )
        })
        .map_err(|reason| MigrateError::Failed {
            version: next.version,
            name: next.name,
            reason,
        })?;
    Ok(Some(next.version))
}

fn next(
    applied: &[(u32, i64)],
    migrations: &'static [Migration],
) -> Result<Option<&'static Migration>, MigrateError> {
    let found = applied.iter().map(|(version, _)| *version).max();
    let known = migrations.iter().map(|m| m.version).max().unwrap_or(0);
    if let Some(found) = found.filter(|found| *found > known) {
        return Err(MigrateError::Newer { known, found });
    }
    for migration in migrations {
        let Migration { version, name, sql } = *migration;
        match applied.iter().find(|(applied, _)| *applied == version) {
            Some((_, sum)) if *sum == checksum(sql) => {}
            Some(_) => return Err(MigrateError::Edited { version, name }),
            None => {
                return match found.filter(|found| *found > version) {
                    Some(found) => Err(MigrateError::Skipped {
                        version,
                        name,
                        found,
                    }),
                    None => Ok(Some(migration)),
                };
            }
        }
    }
    Ok(None)
}

pub(crate) fn schema_version(tx: &mut Tx<'_>) -> Result<Option<u32>, Error> {
    if !table_exists(tx)? {
        return Ok(None);
    }
    tx.one("SELECT max(version) FROM schema_migration", &[], |row| {
        row.get(0)
    })
}

/// The name of an applied version.
pub(crate) fn named(tx: &mut Tx<'_>, version: u32) -> Result<Option<String>, Error> {
    if !table_exists(tx)? {
        return Ok(None);
    }
    let sql = "SELECT name FROM schema_migration WHERE version = $1";
    tx.opt(sql, &params![version], |row| row.get(0))
}

fn table_exists(tx: &mut Tx<'_>) -> Result<bool, Error> {
    let sql = if tx.is_postgres() {
        // Not to_regclass: it may remember a "no" from before the wait for the lock.
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'schema_migration' AND relkind = 'r' AND pg_table_is_visible(oid))"
    } else {
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migration')"
    };
    tx.one(sql, &[], |row| row.get(0))
}

fn applied(tx: &mut Tx<'_>) -> Result<Vec<(u32, i64)>, Error> {
    tx.all(
        "SELECT version, checksum FROM schema_migration ORDER BY version",
        &[],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

fn dialect(tx: &Tx<'_>, sql: &str) -> String {
    if tx.is_postgres() {
        translate::translate(sql)
    } else {
        sql.to_owned()
    }
}

/// FNV-1a, 64 bits: it notices an edit, it need not resist an attacker. A checkout with CRLF has the same sum.
fn checksum(sql: &str) -> i64 {
    let hash = sql
        .bytes()
        .filter(|byte| *byte != b'\r')
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    hash.cast_signed()
}

#[cfg(test)]
mod tests {
    #[test]
    fn checksum_is_fnv_1a() {
        assert_eq!(
            super::checksum("a"),
            0xaf63_dc4c_8601_ec8c_u64.cast_signed()
        );
        assert_eq!(super::checksum("a\r\nb"), super::checksum("a\nb"));
    }
}
