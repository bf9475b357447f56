//! Copying all rows of one database to another, of either engine.
//!
//! Rows go over in the order of their primary keys, some thousand a transaction, so that the target itself says how far
//! an interrupted copy came. While it is under way the target's bookkeeping has a mark that every program takes for a
//! schema of the future and refuses.

mod tables;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tables::Table;

use crate::{Db, Error, MigrateError, Migration, Value, migrate, params};

/// The version that marks a target under way.
const UNDER_WAY: u32 = 1_000_000;

/// Rows for each transaction, and for each statement.
const BATCH: usize = 2_000;
const STATEMENT: usize = 50;

/// Why a copy was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The target holds something that is not the beginning of this copy.
    #[error("{0}")]
    Refused(String),
    /// What arrived is not what was sent.
    #[error(
        "`{table}` differs after copying: {from} rows with content {from_digest:016x}, and {to} with {to_digest:016x}; was the source in use? Empty the target and copy again"
    )]
    Differs {
        /// The table.
        table: String,
        /// Rows in the source.
        from: u64,
        /// Digest of their content.
        from_digest: u64,
        /// Rows in the target.
        to: u64,
        /// Digest of their content.
        to_digest: u64,
    },
    /// The target's schema could not be made.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// Either database failed.
    #[error(transparent)]
    Database(#[from] Error),
}

/// How far a copy is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CopyProgress {
    /// The table.
    pub table: String,
    /// Rows of it that have arrived, those of an earlier run included.
    pub rows: u64,
    /// Whether they are compared now, and no longer copied.
    pub comparing: bool,
}

/// Rows and content of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Content {
    rows: u64,
    digest: u64,
}

/// Copies all rows of `from` to `to`, whose schema is made if it has none; answers rows by table. `source` tells an
/// installation from others: only the same may go on where one was interrupted. Nobody may change either meanwhile; at
/// the end both are compared.
pub async fn copy(
    (from, to): (&Db, &Db),
    source: &str,
    migrations: &'static [Migration],
    now_micros: i64,
    mut progress: impl FnMut(&CopyProgress),
) -> Result<Vec<(String, u64)>, CopyError> {
    prepare(to, source, migrations, now_micros).await?;
    let tables: Vec<Arc<Table>> = from.read(tables::all).await?;
    let targets: Vec<Arc<Table>> = to.read(tables::all).await?;
    let mut copied = Vec::new();
    for table in &tables {
        let fits = |target: &&Arc<Table>| {
            target.name == table.name && target.columns.len() == table.columns.len()
        };
        if !targets.iter().any(|target| fits(&target)) {
            let what = format!("the target has no table `{}` like the source's", table.name);
            return Err(CopyError::Refused(what));
        }
        let mut at = CopyProgress {
            table: table.name.clone(),
            rows: count(to, table).await?,
            comparing: false,
        };
        progress(&at);
        loop {
            let last = last_key(to, table).await?;
            let rows = rows_after(from, table, last).await?;
            let arrived = rows.len();
            insert(to, table, rows).await?;
            at.rows += arrived as u64;
            progress(&at);
            if arrived < BATCH {
                break;
            }
        }
        at.comparing = true;
        progress(&at);
        let (sent, arrived) = (content(from, table).await?, content(to, table).await?);
        if sent != arrived {
            return Err(CopyError::Differs {
                table: table.name.clone(),
                from: sent.rows,
                from_digest: sent.digest,
                to: arrived.rows,
                to_digest: arrived.digest,
            });
        }
        copied.push((table.name.clone(), arrived.rows));
    }
    to.write(|tx| {
        tx.exec(
            "DELETE FROM schema_migration WHERE version = $1",
            &params![UNDER_WAY],
        )
    })
    .await?;
    Ok(copied)
}

/// Makes the target's schema and marks it, or finds the mark of the same source.
async fn prepare(
    to: &Db,
    source: &str,
    migrations: &'static [Migration],
    now_micros: i64,
) -> Result<(), CopyError> {
    let refused = |what: &str| Err(CopyError::Refused(what.to_owned()));
    let name = format!("copy of {source}");
    match to.read(|tx| migrate::named(tx, UNDER_WAY)).await? {
        Some(found) if found == name => return Ok(()),
        Some(_) => {
            return refused(
                "the target holds an unfinished copy of another database; empty it first",
            );
        }
        None => {}
    }
    if to.read(tables::any).await? {
        return refused(
            "the target is not empty; name a new file, or a database or schema without tables",
        );
    }
    to.migrate(migrations, now_micros).await?;
    to.write(move |tx| {
        // Rows that the migrations themselves made come from the source like all others.
        for table in tables::all(tx)?.iter().rev() {
            tx.exec_text(&format!("DELETE FROM {}", table.name), &[])?;
        }
        tx.exec(
            "INSERT INTO schema_migration (version, name, checksum, applied_at) VALUES ($1, $2, 0, $3)",
            &params![UNDER_WAY, &name, now_micros],
        )
    })
    .await?;
    Ok(())
}

async fn count(db: &Db, table: &Arc<Table>) -> Result<u64, Error> {
    let sql = format!("SELECT count(*) FROM {}", table.name);
    let count: i64 = db
        .read(move |tx| {
            let mut counts = tx.all_of(&sql, &[], |row| row.get(0))?;
            counts.pop().ok_or(Error::NoRow)
        })
        .await?;
    Ok(count.unsigned_abs())
}

/// The greatest primary key.
async fn last_key(db: &Db, table: &Arc<Table>) -> Result<Option<Vec<Value>>, Error> {
    let descending: Vec<String> = table.key.iter().map(|key| format!("{key} DESC")).collect();
    let sql = format!(
        "SELECT {} FROM {} ORDER BY {} LIMIT 1",
        table.key.join(", "),
        table.name,
        descending.join(", ")
    );
    let mut rows = db
        .read(move |tx| tx.all_of(&sql, &[], |row| row.values()))
        .await?;
    Ok(rows.pop())
}

/// The next rows behind a primary key, in its order.
async fn rows_after(
    db: &Db,
    table: &Arc<Table>,
    last: Option<Vec<Value>>,
) -> Result<Vec<Vec<Value>>, Error> {
    let table = table.clone();
    db.read(move |tx| {
        let (key, params) = (table.key.join(", "), last.clone().unwrap_or_default());
        let behind = match params.len() {
            0 => String::new(),
            count => {
                let places: Vec<String> = (1..=count).map(|n| format!("${n}")).collect();
                format!("WHERE ({key}) > ({})", places.join(", "))
            }
        };
        let sql = format!(
            "SELECT {} FROM {} {behind} ORDER BY {key} LIMIT {BATCH}",
            table.columns.join(", "),
            table.name
        );
        tx.all_of(&sql, &params, |row| row.values())
    })
    .await
}

async fn insert(db: &Db, table: &Arc<Table>, rows: Vec<Vec<Value>>) -> Result<(), Error> {
    let table = table.clone();
    db.write_patiently(move |tx| {
        for some in rows.chunks(STATEMENT) {
            let mut next = 0;
            let mut places = Vec::new();
            for row in some {
                let row: Vec<String> = row
                    .iter()
                    .map(|_| {
                        next += 1;
                        format!("${next}")
                    })
                    .collect();
                places.push(format!("({})", row.join(", ")));
            }
            let sql = format!(
                "INSERT INTO {} ({}) VALUES {}",
                table.name,
                table.columns.join(", "),
                places.join(", ")
            );
            tx.exec_text(&sql, &some.concat())?;
        }
        Ok(())
    })
    .await
}

/// Count and digest of all rows in the order of their keys.
async fn content(db: &Db, table: &Arc<Table>) -> Result<Content, Error> {
    let mut content = Content::default();
    let mut digest = DefaultHasher::new();
    let mut last = None;
    loop {
        let rows = rows_after(db, table, last.take()).await?;
        for row in &rows {
            for value in row {
                match value {
                    Value::Null => 0_u8.hash(&mut digest),
                    Value::Int(number) => (1_u8, number).hash(&mut digest),
                    Value::Text(text) => (2_u8, text).hash(&mut digest),
                    Value::Blob(bytes) => (3_u8, bytes).hash(&mut digest),
                }
            }
        }
        content.rows += rows.len() as u64;
        match rows.last() {
            Some(row) if rows.len() == BATCH => {
                let key = table.key.iter().filter_map(|key| {
                    let place = table.columns.iter().position(|column| column == key)?;
                    row.get(place).cloned()
                });
                last = Some(key.collect());
            }
            _ => break,
        }
    }
    content.digest = digest.finish();
    Ok(content)
}
