//! Statements on one connection, each waited for in place.

use std::cell::Cell;
use std::future::Future;

use tokio::runtime::Handle;
use tokio_postgres::Statement;

use super::error;
use super::lease::Lease;
use super::value::{Param, row_of};
use crate::{Error, Row, Value};

pub(crate) struct Session<'a> {
    lease: &'a Lease,
    runtime: &'a Handle,
    retry: Cell<bool>,
    broken: Cell<bool>,
}

impl<'a> Session<'a> {
    pub(super) fn new(lease: &'a Lease, runtime: &'a Handle) -> Self {
        Self {
            lease,
            runtime,
            retry: Cell::new(false),
            broken: Cell::new(false),
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

    pub(crate) fn exec(&self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        let statement = self.prepared(sql, params)?;
        let client = self.lease.client();
        self.wait(
            sql,
            client.execute_raw(&statement, params.iter().map(Param)),
        )
    }

    pub(crate) fn query(
        &self,
        sql: &str,
        params: &[Value],
        each: &mut dyn FnMut(&Row),
    ) -> Result<(), Error> {
        let statement = self.prepared(sql, params)?;
        let params: Vec<Param<'_>> = params.iter().map(Param).collect();
        let params: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
            params.iter().map(|param| param as _).collect();
        let rows = self.wait(sql, self.lease.client().query(&statement, &params))?;
        for row in &rows {
            each(&row_of(row)?);
        }
        Ok(())
    }

    pub(crate) fn prepare_only(&self, sql: &str) -> Result<(), Error> {
        self.wait(sql, self.lease.client().prepare(sql)).map(drop)
    }

    pub(crate) fn batch(&self, sql: &str) -> Result<(), Error> {
        self.wait(sql, self.lease.client().batch_execute(sql))
    }

    /// The statement, whose parameters have been checked against the ones given.
    fn prepared(&self, sql: &str, params: &[Value]) -> Result<Statement, Error> {
        let statement = self.wait(sql, self.lease.client().prepare_cached(sql))?;
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
        Ok(statement)
    }

    fn wait<T>(
        &self,
        sql: &str,
        call: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Error> {
        self.runtime.block_on(call).map_err(|error| {
            let stale = error::is_stale(&error);
            if stale || error::wants_retry(&error) {
                self.retry.set(true);
            }
            if stale || error::is_broken(&error) {
                self.broken.set(true);
            }
            error::convert(&error, sql)
        })
    }
}
