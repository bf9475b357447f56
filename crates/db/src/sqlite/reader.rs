//! Read-only connections; each closure sees one snapshot.

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::open::{self, Purpose};
use super::statement::control;
use super::storage::Storage;
use crate::gate::Gate;
use crate::work::{Run, Work, run};
use crate::{Error, Options, Tx};

pub(super) struct Readers {
    gate: Gate,
    idle: Arc<Idle>,
}

struct Idle {
    storage: Arc<Storage>,
    connections: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(storage: Arc<Storage>, options: &Options) -> Self {
        Self {
            gate: Gate::new(options.pool, options.wait),
            idle: Arc::new(Idle {
                storage,
                connections: Mutex::new(Vec::new()),
            }),
        }
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(super) async fn read(&self, mut work: Work) -> Result<(), Error> {
        let place = self.gate.enter().await?;
        let idle = self.idle.clone();
        super::blocking(move || {
            let _place = place;
            let connection = idle.take()?;
            let ran = snapshot(&connection, &mut work)?;
            idle.put_back(connection, ran)
        })
        .await
    }

    /// Runs one statement where it is asked for. What it looks up by its key is in the system's memory nearly always, and
    /// handing it to another thread and back costs more than the look; a reader waits for no writer.
    pub(super) async fn read_one(&self, mut work: Work) -> Result<(), Error> {
        let place = self.gate.enter().await?;
        let idle = self.idle.connections.lock().pop();
        let Some(connection) = idle else {
            // Opening one may take its time.
            drop(place);
            return self.read(work).await;
        };
        let ran = run(&mut work, Tx::sqlite(&connection));
        self.idle.put_back(connection, ran)
    }

    pub(super) async fn close(&self) {
        self.gate.close().await;
        self.idle.connections.lock().clear();
    }
}

impl Idle {
    fn take(&self) -> Result<Connection, Error> {
        let idle = self.connections.lock().pop();
        idle.map_or_else(|| open::connect(self.storage.path(), Purpose::Read), Ok)
    }

    fn put_back(&self, connection: Connection, ran: Run) -> Result<(), Error> {
        let failure = ran.failure.as_ref();
        let spoilt = failure.is_some_and(|error| self.storage.met(error));
        if connection.is_autocommit() && !spoilt {
            self.connections.lock().push(connection);
        }
        ran.keep.map(drop)
    }
}

fn snapshot(connection: &Connection, work: &mut Work) -> Result<Run, Error> {
    control(connection, "BEGIN")?;
    let ran = run(work, Tx::sqlite(connection));
    // Nothing was written, so whether this succeeds only decides if the connection is used again.
    let _ = control(connection, "COMMIT");
    Ok(ran)
}
