//! Preparing, binding and stepping one statement.

use rusqlite::types::{ToSqlOutput, ValueRef as Held};
use rusqlite::{Connection, Statement};

use super::error::failed;
use crate::value::ValueRef;
use crate::{Error, Row, Value};

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => Held::Null,
            Self::Int(value) => Held::Integer(*value),
            Self::Text(text) => Held::Text(text.as_bytes()),
            Self::Blob(bytes) => Held::Blob(bytes),
        }))
    }
}

pub(crate) fn exec(connection: &Connection, sql: &str, params: &[Value]) -> Result<u64, Error> {
    let before = connection.total_changes();
    let mut statement = bound(connection, sql, params)?;
    let mut found = 0;
    let mut rows = statement.raw_query();
    while rows
        .next()
        .map_err(|error| failed(connection, error, sql))?
        .is_some()
    {
        found += 1;
    }
    drop(rows);
    // `changes()` keeps an older statement's number after one that changes no row, such as CREATE TABLE.
    Ok(if statement.readonly() {
        found
    } else if connection.total_changes() == before {
        0
    } else {
        connection.changes()
    })
}

/// Steps to the end even when the caller wants no more rows: only then are the statement's effects complete.
pub(crate) fn query(
    connection: &Connection,
    sql: &str,
    params: &[Value],
    each: &mut dyn FnMut(&Row<'_>),
) -> Result<(), Error> {
    let mut statement = bound(connection, sql, params)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows
        .next()
        .map_err(|error| failed(connection, error, sql))?
    {
        each(&Row::sqlite(row));
    }
    Ok(())
}

pub(crate) fn prepare_only(connection: &Connection, sql: &str) -> Result<(), Error> {
    let statement = connection
        .prepare(sql)
        .map_err(|error| failed(connection, error, sql))?;
    numbers(&statement).map(drop)
}

pub(crate) fn batch(connection: &Connection, sql: &str) -> Result<(), Error> {
    connection
        .execute_batch(sql)
        .map_err(|error| failed(connection, error, sql))
}

/// Runs one of BEGIN, COMMIT and their like.
pub(super) fn control(connection: &Connection, sql: &'static str) -> Result<(), Error> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.raw_execute())
        .map(drop)
        .map_err(|error| failed(connection, error, sql))
}

fn bound<'c>(
    connection: &'c Connection,
    sql: &str,
    params: &[Value],
) -> Result<rusqlite::CachedStatement<'c>, Error> {
    let mut statement = connection
        .prepare_cached(sql)
        .map_err(|error| failed(connection, error, sql))?;
    let numbers = numbers(&statement)?;
    if numbers.len() != params.len() {
        return Err(Error::parameter(
            numbers.len().min(params.len()) + 1,
            format!(
                "the statement takes {} parameters, {} were given",
                numbers.len(),
                params.len()
            ),
        ));
    }
    for (index, number) in numbers.iter().enumerate() {
        statement
            .raw_bind_parameter(index + 1, &params[number - 1])
            .map_err(|error| failed(connection, error, sql))?;
    }
    Ok(statement)
}

/// The number in each parameter's name, by SQLite's index (the order of first use). They are a permutation of 1 … n:
/// SQLite takes `$2` for a name like any other and would not miss `$1`.
fn numbers(statement: &Statement<'_>) -> Result<Vec<usize>, Error> {
    let count = statement.parameter_count();
    let numbers = (1..=count)
        .map(|index| {
            statement
                .parameter_name(index)
                .and_then(|name| name.strip_prefix('$')?.parse().ok())
                .filter(|number| *number >= 1)
                .ok_or_else(|| Error::parameter(index, "parameters must be written $1, $2 …"))
        })
        .collect::<Result<Vec<usize>, _>>()?;
    match (1..=count).find(|number| !numbers.contains(number)) {
        Some(missing) => Err(Error::parameter(missing, "is not used in the statement")),
        None => Ok(numbers),
    }
}

/// A column that the row has.
pub(crate) fn column<'r>(row: &'r rusqlite::Row<'_>, index: usize) -> Result<ValueRef<'r>, Error> {
    const WANTED: &str = "INTEGER, TEXT or BLOB";
    let wrong = |found| Error::column(index, WANTED, found);
    match row.get_ref(index).map_err(|_| wrong("nothing"))? {
        Held::Null => Ok(ValueRef::Null),
        Held::Integer(value) => Ok(ValueRef::Int(value)),
        Held::Blob(bytes) => Ok(ValueRef::Blob(bytes)),
        Held::Text(bytes) => std::str::from_utf8(bytes)
            .map(ValueRef::Text)
            .map_err(|_| wrong("TEXT that is not UTF-8")),
        Held::Real(_) => Err(wrong("REAL")),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::super::open::{Purpose, connect};
    use super::*;

    #[test]
    fn a_kept_statement_is_compiled_once() {
        let folder = std::env::temp_dir().join(format!("vestibule-kept-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("kept.db");
        super::super::open::prepare(&path, true).unwrap();
        let connection = connect(&path, Purpose::Write).unwrap();
        batch(&connection, "CREATE TABLE kept (a TEXT, b INTEGER)").unwrap();
        batch(&connection, "CREATE INDEX some ON kept (a) WHERE b = 1").unwrap();
        for sql in [
            "SELECT a FROM kept WHERE a = $1 AND (b IS NULL OR b > $2)",
            "SELECT a FROM kept WHERE a = $1 AND b = $2",
            "SELECT a FROM kept WHERE a LIKE $1 LIMIT $2",
            "UPDATE kept SET a = $1 WHERE b = $2",
        ] {
            for number in 0..4 {
                let values = [Value::Text(number.to_string()), Value::Int(number)];
                query(&connection, sql, &values, &mut |_| {}).unwrap();
            }
            let kept = connection.prepare_cached(sql).unwrap();
            assert_eq!(kept.get_status(StatementStatus::Run), 4, "{sql}");
            assert_eq!(kept.get_status(StatementStatus::RePrepare), 0, "{sql}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
