//! The transaction that a closure works on.

use crate::postgres::{self, Look, Session, unable};
use crate::{Error, Row, Value, sqlite};

/// One open transaction.
pub struct Tx<'a> {
    engine: Handle<'a>,
    failure: Option<Error>,
    statements: u64,
    only_one: bool,
    changed: Vec<String>,
}

/// What a look cannot do.
const ROWS_ONLY: &str = "a look that does more than to ask for rows";

enum Handle<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(&'a Session<'a>),
    Look(&'a Look),
}

impl std::fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx")
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

impl<'a> Tx<'a> {
    pub(crate) fn sqlite(connection: &'a rusqlite::Connection) -> Self {
        Self::of(Handle::Sqlite(connection))
    }

    pub(crate) fn postgres(session: &'a Session<'a>) -> Self {
        Self::of(Handle::Postgres(session))
    }

    pub(crate) fn looking(look: &'a Look) -> Self {
        Self::of(Handle::Look(look))
    }

    fn of(engine: Handle<'a>) -> Self {
        Self {
            engine,
            failure: None,
            statements: 0,
            only_one: false,
            changed: Vec::new(),
        }
    }

    /// The first statement error, which has spoilt the transaction.
    pub(crate) fn into_failure(self) -> Option<Error> {
        self.failure
    }

    /// How many statements were run.
    pub(crate) fn statements(&self) -> u64 {
        match &self.engine {
            Handle::Look(look) if look.is_listening() => 0,
            _ => self.statements,
        }
    }

    /// Refuses a second statement, and one that writes.
    pub(crate) fn only_one(&mut self) -> &mut Self {
        self.only_one = true;
        self
    }

    /// Says what the transaction changes, by a name. [`Db::watch`](crate::Db::watch) hears of it when the transaction is over.
    pub fn changed(&mut self, what: &str) {
        self.changed.push(what.to_owned());
    }

    pub(crate) fn take_changed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.changed)
    }

    pub(crate) fn is_postgres(&self) -> bool {
        !matches!(self.engine, Handle::Sqlite(_))
    }

    /// Runs a statement; answers the number of rows it changed (for a SELECT: found).
    pub fn exec(&mut self, sql: &'static str, params: &[Value]) -> Result<u64, Error> {
        self.exec_text(sql, params)
    }

    /// Runs one statement for each list of parameters, in order; answers each one's number of rows as [`Tx::exec`] does.
    /// On PostgreSQL they travel together instead of one by one.
    pub fn exec_each(&mut self, sql: &'static str, rows: &[Vec<Value>]) -> Result<Vec<u64>, Error> {
        self.may_write()?;
        for row in rows {
            self.ready(row)?;
        }
        let result = match &self.engine {
            Handle::Sqlite(connection) => rows
                .iter()
                .map(|row| sqlite::statement::exec(connection, sql, row))
                .collect(),
            Handle::Postgres(session) => session.exec_each(sql, rows),
            Handle::Look(_) => Err(unable(ROWS_ONLY)),
        };
        self.note(result)
    }

    /// The only row, mapped; [`Error::NoRow`] if there is none, [`Error::ManyRows`] if there are several.
    pub fn one<T>(
        &mut self,
        sql: &'static str,
        params: &[Value],
        map: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.opt(sql, params, map)?.ok_or(Error::NoRow)
    }

    /// The only row, mapped, or `None`; [`Error::ManyRows`] if there are several.
    pub fn opt<T>(
        &mut self,
        sql: &'static str,
        params: &[Value],
        map: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut rows = self.all(sql, params, map)?;
        if rows.len() > 1 {
            return Err(Error::ManyRows {
                sql: sql.to_owned(),
            });
        }
        Ok(rows.pop())
    }

    /// Every row, mapped, in the statement's order.
    pub fn all<T>(
        &mut self,
        sql: &'static str,
        params: &[Value],
        map: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.all_of(sql, params, map)
    }

    /// [`Tx::all`] of a text that was put together.
    pub(crate) fn all_of<T>(
        &mut self,
        sql: &str,
        params: &[Value],
        mut map: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut rows = Ok(Vec::new());
        self.each(sql, params, &mut |row| {
            if let Ok(found) = &mut rows {
                match map(row) {
                    Ok(value) => found.push(value),
                    Err(error) => rows = Err(error),
                }
            }
        })?;
        rows
    }

    /// [`Tx::exec`] of a text that was put together.
    pub(crate) fn exec_text(&mut self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        self.may_write()?;
        self.ready(params)?;
        let result = match &self.engine {
            Handle::Sqlite(connection) => sqlite::statement::exec(connection, sql, params),
            Handle::Postgres(session) => session.exec(sql, params),
            Handle::Look(_) => Err(unable(ROWS_ONLY)),
        };
        self.note(result)
    }

    /// Tells every [`Listener`](crate::Listener) on this database, once the transaction is committed. On SQLite it tells
    /// nobody.
    pub fn announce(&mut self) -> Result<(), Error> {
        match self.is_postgres() {
            true => self.exec(postgres::ANNOUNCE, &[]).map(drop),
            false => Ok(()),
        }
    }

    /// Checks that the engine understands a statement, without running it.
    pub fn prepare_only(&mut self, sql: &str) -> Result<(), Error> {
        self.ready(&[])?;
        let result = match &self.engine {
            Handle::Sqlite(connection) => sqlite::statement::prepare_only(connection, sql),
            Handle::Postgres(session) => session.prepare_only(sql),
            Handle::Look(_) => Err(unable(ROWS_ONLY)),
        };
        self.note(result)
    }

    /// Runs several statements without parameters.
    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), Error> {
        self.may_write()?;
        self.ready(&[])?;
        let result = match &self.engine {
            Handle::Sqlite(connection) => sqlite::statement::batch(connection, sql),
            Handle::Postgres(session) => session.batch(sql),
            Handle::Look(_) => Err(unable(ROWS_ONLY)),
        };
        self.note(result)
    }

    fn each(
        &mut self,
        sql: &str,
        params: &[Value],
        each: &mut dyn FnMut(&Row<'_>),
    ) -> Result<(), Error> {
        self.ready(params)?;
        let result = match &self.engine {
            Handle::Sqlite(connection) => sqlite::statement::query(connection, sql, params, each),
            Handle::Postgres(session) => session.query(sql, params, each),
            Handle::Look(look) => look.query(sql, params, each),
        };
        self.note(result)
    }

    /// PostgreSQL refuses every statement after a failed one, and NUL in text; so does SQLite here.
    fn ready(&mut self, params: &[Value]) -> Result<(), Error> {
        self.statements += 1;
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.only_one && self.statements > 1 {
            let second = Error::Unsupported("a second statement in a read of one".to_owned());
            return self.note(Err(second));
        }
        let nul = params
            .iter()
            .position(|value| matches!(value, Value::Text(text) if text.contains('\0')));
        match nul {
            Some(index) => Err(Error::parameter(index + 1, "text holds a NUL character")),
            None => Ok(()),
        }
    }

    fn may_write(&mut self) -> Result<(), Error> {
        match self.only_one {
            true => self.note(Err(Error::ReadOnly)),
            false => Ok(()),
        }
    }

    fn note<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            self.failure = Some(error.clone());
        }
        result
    }
}
