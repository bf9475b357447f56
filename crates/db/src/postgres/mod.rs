//! PostgreSQL: a pool; each closure runs on one connection, in a thread that may block.

mod connect;
mod error;
mod lease;
mod retry;
mod session;
mod tls;
mod value;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Handle;

use crate::gate::Gate;
use crate::{Error, Options, Tx};
use lease::{Connections, Lease};
pub(crate) use session::Session;

/// What a transaction may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

impl Access {
    fn begin(self) -> &'static str {
        match self {
            Self::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Self::Write => "BEGIN ISOLATION LEVEL READ COMMITTED",
        }
    }
}

pub(crate) struct Postgres {
    gate: Gate,
    connections: Connections,
    commits: Arc<AtomicU64>,
}

impl Postgres {
    pub(crate) async fn open(options: &Options) -> Result<Self, Error> {
        let gate = Gate::new(options.pool, options.wait);
        let connections = Connections::new(connect::pool(options, gate.size())?);
        // Wrong addresses and passwords should show now, not at the first request.
        connections.take().await?.keep();
        Ok(Self {
            gate,
            connections,
            commits: Arc::default(),
        })
    }

    pub(crate) async fn run<T, E, F>(&self, access: Access, mut f: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let place = self.gate.enter().await?;
        let runner = Runner {
            access,
            runtime: Handle::current(),
            connections: self.connections.clone(),
            commits: self.commits.clone(),
        };
        tokio::task::spawn_blocking(move || {
            let _place = place;
            runner.run(&mut f)
        })
        .await
        .unwrap_or_else(|_| Err(Error::OutcomeUnknown.into()))
    }

    pub(crate) async fn check(&self) -> Result<Vec<String>, Error> {
        self.run(Access::Read, |tx| {
            tx.all(
                "SELECT CAST(CAST(indexrelid AS regclass) AS text) FROM pg_index WHERE NOT indisvalid ORDER BY 1",
                &[],
                |row| Ok(format!("index {} is not valid; REINDEX it", row.get::<String>(0)?)),
            )
        })
        .await
    }

    pub(crate) async fn close(&self) {
        self.gate.close().await;
        self.connections.close();
    }

    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

/// Carries one closure to its end, through retries.
struct Runner {
    access: Access,
    runtime: Handle,
    connections: Connections,
    commits: Arc<AtomicU64>,
}

enum Attempt<T, E> {
    Done(Result<T, E>),
    Again,
}

impl Runner {
    fn run<T, E: From<Error>>(
        &self,
        f: &mut impl FnMut(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        for attempt in 0..retry::ATTEMPTS {
            if let Attempt::Done(result) = self.attempt(f)? {
                return result;
            }
            tracing::debug!(attempt, "PostgreSQL asked to run the transaction again");
            let delay = retry::delay(attempt);
            self.runtime
                .block_on(async { tokio::time::sleep(delay).await });
        }
        Err(Error::Busy.into())
    }

    fn attempt<T, E: From<Error>>(
        &self,
        f: &mut impl FnMut(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<Attempt<T, E>, Error> {
        let lease = self.begin()?;
        let session = Session::new(&lease, &self.runtime);
        let mut tx = Tx::postgres(&session);
        let result = catch_unwind(AssertUnwindSafe(|| f(&mut tx)));
        let failure = tx.into_failure();
        let (retry, broken) = (session.wants_retry(), session.is_broken());
        let result = match (result, failure) {
            (Err(_), _) => Err(Error::Panicked.into()),
            (Ok(Ok(_)), Some(failure)) => Err(failure.into()),
            (Ok(result), _) => result,
        };
        if result.is_ok() && !retry {
            return Ok(self.commit(lease, result));
        }
        if !broken && self.control(&lease, "ROLLBACK").is_ok() {
            lease.keep();
        }
        Ok(match retry {
            true => Attempt::Again,
            false => Attempt::Done(result),
        })
    }

    /// An open transaction. A pooled connection that died while idle shows here, before anything has been done.
    fn begin(&self) -> Result<Lease, Error> {
        let mut spare = self.connections.limit();
        loop {
            let lease = self.runtime.block_on(self.connections.take())?;
            match self.control(&lease, self.access.begin()) {
                Ok(()) => return Ok(lease),
                Err(error) if spare == 0 || !error::is_broken(&error) => {
                    return Err(error::convert(&error, self.access.begin()));
                }
                Err(_) => spare -= 1,
            }
        }
    }

    fn commit<T, E: From<Error>>(&self, lease: Lease, result: Result<T, E>) -> Attempt<T, E> {
        match self.control(&lease, "COMMIT") {
            Ok(()) => {
                lease.keep();
                if self.access == Access::Write {
                    self.commits.fetch_add(1, Ordering::Relaxed);
                }
                Attempt::Done(result)
            }
            // What was read is complete and consistent without it.
            Err(_) if self.access == Access::Read => Attempt::Done(result),
            Err(error) if error::wants_retry(&error) => Attempt::Again,
            Err(error) => Attempt::Done(Err(error::convert(&error, "COMMIT").at_commit().into())),
        }
    }

    fn control(&self, lease: &Lease, sql: &'static str) -> Result<(), tokio_postgres::Error> {
        self.runtime.block_on(lease.client().batch_execute(sql))
    }
}
