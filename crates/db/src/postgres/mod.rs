//! PostgreSQL: a pool; each closure runs on one connection, in a thread that may block.

mod begin;
mod client;
mod dial;
mod error;
mod lease;
mod listen;
mod look;
mod retry;
mod session;
mod target;
mod tls;
mod value;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::gate::Gate;
use crate::work::{Slot, Work, run};
use crate::{Error, Options, Tx};
pub(crate) use begin::Access;
use begin::Limits;
use dial::Dialer;
use error::Fault;
use lease::{Connections, Lease};
pub(crate) use listen::{ANNOUNCE, Listener};
use look::Looks;
pub(crate) use look::{Look, unable};
pub(crate) use session::Session;
pub(crate) use value::column;

pub(crate) struct Postgres {
    gate: Gate,
    connections: Connections,
    looks: Looks,
    limits: Limits,
    commits: Arc<AtomicU64>,
}

impl Postgres {
    pub(crate) async fn open(options: &Options) -> Result<Self, Error> {
        let limits = Limits::of(options);
        let connections = Connections::new(Dialer::new(options, limits.settings())?);
        // Wrong addresses and passwords should show now, not at the first request.
        let first = connections.clone();
        let tried = tokio::task::spawn_blocking(move || {
            let (lease, _) = first.take()?;
            let direct = lease.client().is_direct();
            lease.keep();
            Ok(direct)
        });
        let direct = tried.await.unwrap_or(Err(Error::Panicked))?;
        let looks = Looks::new(connections.clone(), limits, direct);
        Ok(Self {
            gate: Gate::new(options.pool - looks.connections(), options.wait),
            connections,
            looks,
            limits,
            commits: Arc::default(),
        })
    }

    pub(crate) async fn run(&self, access: Access, mut work: Work) -> Result<(), Error> {
        if access == Access::One
            && let Some(answered) = self.looks.answer(&mut work).await
        {
            return answered;
        }
        let place = self.gate.enter().await?;
        let runner = Runner {
            access,
            connections: self.connections.clone(),
            limits: self.limits,
            commits: self.commits.clone(),
        };
        tokio::task::spawn_blocking(move || {
            let _place = place;
            runner.run(&mut work)
        })
        .await
        .unwrap_or(Err(Error::OutcomeUnknown))
    }

    pub(crate) fn listener(&self) -> Listener {
        Listener::new(self.connections.clone())
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
        self.looks.close().await;
    }

    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

/// Carries one closure to its end, through retries.
struct Runner {
    access: Access,
    connections: Connections,
    limits: Limits,
    commits: Arc<AtomicU64>,
}

enum Attempt {
    Done,
    Again,
}

impl Runner {
    fn run(&self, work: &mut Work) -> Result<(), Error> {
        if self.access == Access::One {
            return self.run_one(work);
        }
        for attempt in 0..retry::ATTEMPTS {
            if let Attempt::Done = self.attempt(work)? {
                return Ok(());
            }
            tracing::debug!(attempt, "PostgreSQL asked to run the transaction again");
            retry::pass(attempt);
        }
        Err(Error::Busy)
    }

    /// One statement, which is its own transaction. A pooled connection that died while idle shows here: the statement only
    /// reads, and is asked of another.
    fn run_one(&self, work: &mut Work) -> Result<(), Error> {
        let mut spare = self.limits.pool;
        loop {
            let (lease, new) = self.connections.take()?;
            let last = new || spare == 0;
            let limit = match last {
                true => self.limits.statement(self.access),
                false => Some(self.limits.first_within(lease.client().is_direct())),
            };
            let session = Session::new(&lease, limit);
            let ran = run(work, Tx::postgres(&session));
            if session.leads_nowhere() {
                self.connections.forget_idle();
            }
            if !session.is_broken() {
                lease.keep();
                return ran.keep.map(drop);
            }
            if last {
                return ran.keep.map(drop);
            }
            spare -= 1;
        }
    }

    fn attempt(&self, work: &mut Work) -> Result<Attempt, Error> {
        let lease = self.begin()?;
        let session = Session::new(&lease, self.limits.statement(self.access));
        let ran = run(work, Tx::postgres(&session));
        let (retry, broken) = (session.wants_retry(), session.is_broken());
        if session.leads_nowhere() {
            self.connections.forget_idle();
        }
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
        let mut spare = self.limits.pool;
        loop {
            let (lease, new) = self.connections.take()?;
            let direct = lease.client().is_direct();
            let begin = self.limits.begin(self.access, direct);
            let limit = Some(self.limits.first_within(direct));
            match lease.wait(limit, lease.client().inner().batch_execute(&begin)) {
                Ok(()) => return Ok(lease),
                Err(fault) if new || spare == 0 || !fault.is_broken() => {
                    return Err(fault.convert("BEGIN"));
                }
                Err(fault) => {
                    if fault.leads_nowhere() {
                        self.connections.forget_idle();
                    }
                    spare -= 1;
                }
            }
        }
    }

    fn commit(&self, lease: Lease) -> Result<Attempt, Error> {
        // What was warned of so far is no word on the COMMIT.
        lease.client().take_warning();
        let committed = self.control(&lease, "COMMIT");
        // What was read is complete and consistent whatever comes of it.
        if self.access == Access::Read {
            if committed.is_ok() {
                lease.keep();
            }
            return Ok(Attempt::Done);
        }
        match (committed, lease.client().take_warning()) {
            (Ok(()), None) => {
                lease.keep();
                self.commits.fetch_add(1, Ordering::Relaxed);
                Ok(Attempt::Done)
            }
            // So a server says that it gave up waiting for its synchronous standby, or that there was no transaction.
            (Ok(()), Some(warning)) => {
                tracing::warn!(%warning, "a COMMIT that is not sure to last is answered as unknown");
                Err(Error::OutcomeUnknown)
            }
            (Err(fault), _) if fault.wants_retry() => Ok(Attempt::Again),
            (Err(fault), _) => {
                if fault.leads_nowhere() {
                    self.connections.forget_idle();
                }
                Err(fault.convert("COMMIT").at_commit())
            }
        }
    }

    fn control(&self, lease: &Lease, sql: &'static str) -> Result<(), Fault> {
        let limit = self.limits.statement(self.access);
        lease.wait(limit, lease.client().inner().batch_execute(sql))
    }
}
