//! Read-only connections; each closure sees one snapshot.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::open::{self, Purpose};
use super::statement::control;
use crate::gate::Gate;
use crate::{Error, Options, Tx};

pub(super) struct Readers {
    gate: Gate,
    idle: Arc<Idle>,
}

struct Idle {
    path: PathBuf,
    connections: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, options: &Options) -> Self {
        Self {
            gate: Gate::new(options.pool, options.wait),
            idle: Arc::new(Idle {
                path,
                connections: Mutex::new(Vec::new()),
            }),
        }
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(super) async fn read<T, E, F>(&self, mut f: F) -> Result<T, E>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let place = self.gate.enter().await?;
        let idle = self.idle.clone();
        tokio::task::spawn_blocking(move || {
            let _place = place;
            let connection = idle.take()?;
            let result = snapshot(&connection, &mut f);
            if connection.is_autocommit() {
                idle.connections.lock().push(connection);
            }
            result
        })
        .await
        .unwrap_or_else(|_| Err(Error::Panicked.into()))
    }

    pub(super) async fn close(&self) {
        self.gate.close().await;
        self.idle.connections.lock().clear();
    }
}

impl Idle {
    fn take(&self) -> Result<Connection, Error> {
        let idle = self.connections.lock().pop();
        idle.map_or_else(|| open::connect(&self.path, Purpose::Read), Ok)
    }
}

fn snapshot<T, E: From<Error>>(
    connection: &Connection,
    f: &mut impl FnMut(&mut Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    control(connection, "BEGIN")?;
    let mut tx = Tx::sqlite(connection);
    let result = catch_unwind(AssertUnwindSafe(|| f(&mut tx)));
    let failure = tx.into_failure();
    // Nothing was written, so whether this succeeds only decides if the connection is used again.
    let _ = control(connection, "COMMIT");
    match (result, failure) {
        (Err(_), _) => Err(Error::Panicked.into()),
        (Ok(Ok(_)), Some(failure)) => Err(failure.into()),
        (Ok(result), _) => result,
    }
}
