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
            let spoilt = ran.failure.is_some_and(|error| idle.storage.met(&error));
            if connection.is_autocommit() && !spoilt {
                idle.connections.lock().push(connection);
            }
            ran.keep.map(drop)
        })
        .await
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
}

fn snapshot(connection: &Connection, work: &mut Work) -> Result<Run, Error> {
    control(connection, "BEGIN")?;
    let ran = run(work, Tx::sqlite(connection));
    // Nothing was written, so whether this succeeds only decides if the connection is used again.
    let _ = control(connection, "COMMIT");
    Ok(ran)
}
