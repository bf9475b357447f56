//! Which tables a database has, and in which order they can be filled.

use std::collections::HashSet;
use std::sync::Arc;

use crate::{Error, Tx};

/// A table with a primary key.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    /// By name, so that both engines agree on their order.
    pub(super) columns: Vec<String>,
    pub(super) key: Vec<String>,
    /// Tables that its rows point to.
    parents: HashSet<String>,
}

const NAMES: [&str; 2] = [
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
    "SELECT CAST(tablename AS text) FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1",
];
const COLUMNS: [&str; 2] = [
    "SELECT name FROM pragma_table_info($1) ORDER BY name",
    "SELECT CAST(attname AS text) FROM pg_attribute
     WHERE attrelid = CAST(CAST($1 AS text) AS regclass) AND attnum > 0 AND NOT attisdropped
     ORDER BY CAST(attname AS text) COLLATE \"C\"",
];
const KEY: [&str; 2] = [
    "SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk",
    "SELECT CAST(a.attname AS text) FROM pg_index i
     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
     WHERE i.indrelid = CAST(CAST($1 AS text) AS regclass) AND i.indisprimary
     ORDER BY array_position(CAST(i.indkey AS int2[]), a.attnum)",
];
const PARENTS: [&str; 2] = [
    "SELECT DISTINCT \"table\" FROM pragma_foreign_key_list($1)",
    "SELECT DISTINCT CAST(relname AS text) FROM pg_constraint JOIN pg_class ON pg_class.oid = confrelid
     WHERE conrelid = CAST(CAST($1 AS text) AS regclass) AND contype = 'f'",
];

/// Whether there is any table.
pub(super) fn any(tx: &mut Tx<'_>) -> Result<bool, Error> {
    Ok(!texts(tx, NAMES, None)?.is_empty())
}

/// Every table but the bookkeeping, those first that others point to.
pub(super) fn all(tx: &mut Tx<'_>) -> Result<Vec<Arc<Table>>, Error> {
    let mut waiting = Vec::new();
    for name in texts(tx, NAMES, None)? {
        if name == "schema_migration" {
            continue;
        }
        let table = Table {
            columns: texts(tx, COLUMNS, Some(&name))?,
            key: texts(tx, KEY, Some(&name))?,
            parents: texts(tx, PARENTS, Some(&name))?.into_iter().collect(),
            name,
        };
        if table.key.is_empty() {
            let what = format!("table `{}` has no primary key to copy it by", table.name);
            return Err(Error::Unsupported(what));
        }
        waiting.push(Arc::new(table));
    }
    let mut ordered: Vec<Arc<Table>> = Vec::new();
    while !waiting.is_empty() {
        let filled: HashSet<&str> = ordered.iter().map(|table| &*table.name).collect();
        let ready = |table: &Arc<Table>| {
            let mut parents = table.parents.iter();
            parents.all(|parent| *parent == table.name || filled.contains(&**parent))
        };
        let (now, later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(ready);
        if now.is_empty() {
            let what = "tables point to each other in a circle".to_owned();
            return Err(Error::Unsupported(what));
        }
        ordered.extend(now);
        waiting = later;
    }
    Ok(ordered)
}

fn texts(
    tx: &mut Tx<'_>,
    sql: [&'static str; 2],
    name: Option<&str>,
) -> Result<Vec<String>, Error> {
    let sql = sql[usize::from(tx.is_postgres())];
    let params: Vec<_> = name.map(Into::into).into_iter().collect();
    tx.all(sql, &params, |row| row.get(0))
}
