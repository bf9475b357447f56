//! Statements on one connection, each waited for in place.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use tokio_postgres::Statement;
use tokio_postgres::types::{ToSql, Type};

use super::lease::Lease;
use super::value::Param;
use crate::{Error, Row, Value};

/// So many statements may be on their way at once.
const PIPELINE: usize = 256;

pub(crate) struct Session<'a> {
    lease: &'a Lease,
    limit: Option<Duration>,
    retry: Cell<bool>,
    broken: Cell<bool>,
    nowhere: Cell<bool>,
}

impl<'a> Session<'a> {
    /// `limit` is how long one answer may take.
    pub(super) fn new(lease: &'a Lease, limit: Option<Duration>) -> Self {
        Self {
            lease,
            limit,
            retry: Cell::new(false),
            broken: Cell::new(false),
            nowhere: Cell::new(false),
        }
    }

    /// Whether a statement's answer asks for the closure to be run again.
    pub(super) fn wants_retry(&self) -> bool {
        self.retry.get()
    }

    /// Whether the connection is of no further use.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.get()
    }

    /// Whether other connections are likely to be of no use either.
    pub(super) fn leads_nowhere(&self) -> bool {
        self.nowhere.get()
    }

    pub(crate) fn exec(&self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        let client = self.lease.client();
        if !client.is_direct() {
            let params: Vec<Param<'_>> = params.iter().map(Param).collect();
            return self.wait(sql, client.inner().execute_typed(sql, &typed(&params)));
        }
        let statement = self.prepared(sql, params)?;
        let params = params.iter().map(Param);
        self.wait(sql, client.inner().execute_raw(&statement, params))
    }

    /// The statements are sent without waiting for one another's answers, and run in order; behind a pooler one by one.
    pub(crate) fn exec_each(&self, sql: &str, rows: &[Vec<Value>]) -> Result<Vec<u64>, Error> {
        let client = self.lease.client();
        if !client.is_direct() {
            return rows.iter().map(|row| self.exec(sql, row)).collect();
        }
        let mut done = Vec::with_capacity(rows.len());
        for rows in rows.chunks(PIPELINE) {
            let mut calls = Vec::with_capacity(rows.len());
            for row in rows {
                let statement = self.prepared(sql, row)?;
                let params = row.iter().map(Param);
                calls.push(async move { client.inner().execute_raw(&statement, params).await });
            }
            done.extend(self.wait(sql, futures_util::future::try_join_all(calls))?);
        }
        Ok(done)
    }

    pub(crate) fn query(
        &self,
        sql: &str,
        params: &[Value],
        each: &mut dyn FnMut(&Row<'_>),
    ) -> Result<(), Error> {
        let client = self.lease.client();
        let given: Vec<Param<'_>> = params.iter().map(Param).collect();
        let rows = if client.is_direct() {
            let statement = self.prepared(sql, params)?;
            let given: Vec<&(dyn ToSql + Sync)> = given.iter().map(|param| param as _).collect();
            self.wait(sql, client.inner().query(&statement, &given))?
        } else {
            self.wait(sql, client.inner().query_typed(sql, &typed(&given)))?
        };
        rows.iter().for_each(|row| each(&Row::postgres(row)));
        Ok(())
    }

    pub(crate) fn prepare_only(&self, sql: &str) -> Result<(), Error> {
        self.wait(sql, self.lease.client().inner().prepare(sql))
            .map(drop)
    }

    pub(crate) fn batch(&self, sql: &str) -> Result<(), Error> {
        self.wait(sql, self.lease.client().inner().batch_execute(sql))
    }

    /// The statement, whose parameters have been checked against the ones given.
    fn prepared(&self, sql: &str, params: &[Value]) -> Result<Statement, Error> {
        let statement = self.wait(sql, self.lease.client().prepared(sql))?;
        fitting(&statement, params)?;
        Ok(statement)
    }

    fn wait<T>(
        &self,
        sql: &str,
        call: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Error> {
        self.lease.wait(self.limit, call).map_err(|fault| {
            let stale = fault.is_stale();
            if stale || fault.wants_retry() {
                self.retry.set(true);
            }
            if stale || fault.is_broken() {
                self.broken.set(true);
            }
            if fault.leads_nowhere() {
                self.nowhere.set(true);
            }
            fault.convert(sql)
        })
    }
}

/// Whether these parameters are what the statement takes.
pub(super) fn fitting(statement: &Statement, params: &[Value]) -> Result<(), Error> {
    let types = statement.params();
    if types.len() != params.len() {
        return Err(Error::parameter(
            types.len().min(params.len()) + 1,
            format!(
                "the statement takes {} parameters, {} were given",
                types.len(),
                params.len()
            ),
        ));
    }
    for (index, (value, ty)) in params.iter().zip(types).enumerate() {
        Param(value)
            .fits(ty)
            .map_err(|problem| Error::parameter(index + 1, problem))?;
    }
    Ok(())
}

/// Parameters for a statement that is parsed, run and forgotten: their types are what our columns have.
fn typed<'a>(params: &'a [Param<'_>]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    let typed = |param: &'a Param<'_>| (param as &(dyn ToSql + Sync), param.own_type());
    params.iter().map(typed).collect()
}
