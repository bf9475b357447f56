//! Read-only connections; each closure sees one snapshot.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::available_parallelism;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::open::{self, Purpose};
use super::statement::control;
use super::storage::Storage;
use crate::gate::Gate;
use crate::work::{Run, Work, run};
use crate::{Error, Options, Tx};

/// One for each processor up to here: each may hold two MiB.
const MOST_WARM: usize = 4;

pub(super) struct Readers {
    gate: Gate,
    idle: Arc<Idle>,
}

struct Idle {
    storage: Arc<Storage>,
    /// The last one was used last, and goes first.
    connections: Mutex<VecDeque<Kept>>,
    /// How many of them hold pages that they read. The others are there for a crowd.
    warm: usize,
}

struct Kept {
    connection: Connection,
    is_cold: bool,
}

impl Readers {
    pub(super) fn new(storage: Arc<Storage>, options: &Options) -> Self {
        Self {
            gate: Gate::new(options.pool, options.wait),
            idle: Arc::new(Idle {
                storage,
                connections: Mutex::default(),
                warm: available_parallelism().map_or(1, |count| count.get().min(MOST_WARM)),
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
        let Some(connection) = self.idle.pop() else {
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
        let opened = || open::connect(self.storage.path(), Purpose::Read);
        self.pop().map_or_else(opened, Ok)
    }

    fn pop(&self) -> Option<Connection> {
        let kept = self.connections.lock().pop_back();
        kept.map(|kept| kept.connection)
    }

    fn put_back(&self, connection: Connection, ran: Run) -> Result<(), Error> {
        let failure = ran.failure.as_ref();
        let spoilt = failure.is_some_and(|error| self.storage.met(error));
        if connection.is_autocommit() && !spoilt {
            self.keep(connection);
        }
        ran.keep.map(drop)
    }

    /// Puts it where it is taken first. The one that is thereby no longer among the warm lets go of what it holds.
    fn keep(&self, connection: Connection) {
        let mut idle = self.connections.lock();
        idle.push_back(Kept {
            connection,
            is_cold: false,
        });
        let last = idle.len().checked_sub(self.warm + 1);
        let Some(mut left) = last
            .filter(|last| !idle[*last].is_cold)
            .and_then(|last| idle.remove(last))
        else {
            return;
        };
        drop(idle);
        // What it fails to give back it keeps.
        let _ = left.connection.release_memory();
        left.is_cold = true;
        self.connections.lock().push_front(left);
    }
}

fn snapshot(connection: &Connection, work: &mut Work) -> Result<Run, Error> {
    control(connection, "BEGIN")?;
    let ran = run(work, Tx::sqlite(connection));
    // Nothing was written, so whether this succeeds only decides if the connection is used again.
    let _ = control(connection, "COMMIT");
    Ok(ran)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_leaves_few_that_hold_pages_and_the_last_one_goes_first() {
        let name = format!("vestibule-readers-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let path = folder.join("readers.db");
        open::prepare(&path, true).unwrap();
        let idle = Idle {
            storage: Storage::new(path),
            connections: Mutex::default(),
            warm: 2,
        };
        let cold = || -> Vec<bool> {
            let kept = idle.connections.lock();
            kept.iter().map(|kept| kept.is_cold).collect()
        };
        let mut crowd: Vec<_> = (0..5).map(|_| idle.take().unwrap()).collect();
        let last = crowd.pop().unwrap();
        control(&last, "PRAGMA cache_size = 77").unwrap();
        for connection in crowd {
            idle.keep(connection);
        }
        idle.keep(last);
        assert_eq!(cold(), [true, true, true, false, false]);
        let again = idle.take().unwrap();
        let mark: i64 = again
            .query_row("PRAGMA cache_size", [], |row| row.get(0))
            .unwrap();
        assert_eq!(mark, 77, "another one than was used last");
        idle.keep(again);
        assert_eq!(cold(), [true, true, true, false, false]);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
