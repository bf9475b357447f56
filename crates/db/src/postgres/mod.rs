//! PostgreSQL: a pool; each closure runs on one connection, in a thread that may block.

mod connect;
mod error;
mod lease;
mod retry;
mod session;
mod tls;
mod value;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Handle;

use crate::gate::Gate;
use crate::work::{Slot, Work, run};
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

    pub(crate) async fn run(&self, access: Access, mut work: Work) -> Result<(), Error> {
        let place = self.gate.enter().await?;
        let runner = Runner {
            access,
            runtime: Handle::current(),
            connections: self.connections.clone(),
            commits: self.commits.clone(),
        };
        tokio::task::spawn_blocking(move || {
            let _place = place;
            runner.run(&mut work)
        })
        .await
        .unwrap_or(Err(Error::OutcomeUnknown))
    }

    pub(crate) async fn check(&self) -> Result<Vec<String>, Error> {
        let (work, slot) = Slot::fill(|tx| {
            tx.all(
                "SELECT CAST(CAST(indexrelid AS regclass) AS text) FROM pg_index WHERE NOT indisvalid ORDER BY 1",
                &[],
                |row| Ok(format!("index {} is not valid; REINDEX it", row.get::<String>(0)?)),
            )
        });
        slot.answer(self.run(Access::Read, work).await)
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

enum Attempt {
    Done,
    Again,
}

impl Runner {
    fn run(&self, work: &mut Work) -> Result<(), Error> {
        for attempt in 0..retry::ATTEMPTS {
            if let Attempt::Done = self.attempt(work)? {
                return Ok(());
            }
            tracing::debug!(attempt, "PostgreSQL asked to run the transaction again");
            let delay = retry::delay(attempt);
            self.runtime
                .block_on(async { tokio::time::sleep(delay).await });
        }
        Err(Error::Busy)
    }

    fn attempt(&self, work: &mut Work) -> Result<Attempt, Error> {
        let lease = self.begin()?;
        let session = Session::new(&lease, &self.runtime);
        let ran = run(work, Tx::postgres(&session));
        let (retry, broken) = (session.wants_retry(), session.is_broken());
        if matches!(ran.keep, Ok(true)) && !retry {
            return self.commit(lease);
        }
        if !broken && self.control(&lease, "ROLLBACK").is_ok() {
            lease.keep();
        }
        match retry {
            true => Ok(Attempt::Again),
            false => ran.keep.map(|_| Attempt::Done),
        }
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

    fn commit(&self, lease: Lease) -> Result<Attempt, Error> {
        match self.control(&lease, "COMMIT") {
            Ok(()) => {
                lease.keep();
                if self.access == Access::Write {
                    self.commits.fetch_add(1, Ordering::Relaxed);
                }
                Ok(Attempt::Done)
            }
            // What was read is complete and consistent without it.
            Err(_) if self.access == Access::Read => Ok(Attempt::Done),
            Err(error) if error::wants_retry(&error) => Ok(Attempt::Again),
            Err(error) => Err(error::convert(&error, "COMMIT").at_commit()),
        }
    }

    fn control(&self, lease: &Lease, sql: &'static str) -> Result<(), tokio_postgres::Error> {
        self.runtime.block_on(lease.client().batch_execute(sql))
    }
}
