//! Looks: reads of one statement, which travel together on a few connections that nobody has to himself.
//!
//! A closure cannot wait without a thread, so it is run twice: once to hear what it asks, once with the answer. A look takes no
//! thread from anybody, and many of them share a call of the system. Whatever goes wrong with a connection is not dealt with here:
//! then the look is left to whoever has a connection of his own.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::begin::Limits;
use super::client::Client;
use super::error::Fault;
use super::lease::Connections;
use super::session::fitting;
use super::value::Param;
use crate::work::{Work, run};
use crate::{Error, Row, Tx, Value};

/// One of so many connections is for looks.
const SHARE: usize = 4;
/// Looks on their way on one connection. More than that wait their turn as others do.
const TOGETHER: u32 = 64;
/// Between two attempts to make a connection.
const PAUSE: Duration = Duration::from_secs(2);

/// The connections that looks share.
pub(super) struct Looks {
    lines: Box<[Arc<SharedLine>]>,
    next: AtomicUsize,
    connections: Connections,
    limits: Limits,
}

struct SharedLine {
    end: Mutex<End>,
    places: Semaphore,
}

/// What is at the end of a line.
enum End {
    Nothing,
    /// Somebody makes a connection.
    Dialing,
    /// A connection, and how often all were [forgotten](Connections::forget_idle) before it was made.
    Server(Arc<Client>, u64),
    /// A pooler, which may hand each statement to another connection.
    Pooler,
}

impl Looks {
    /// `direct`: no pooler is between. Behind one nothing is shared.
    pub(super) fn new(connections: Connections, limits: Limits, direct: bool) -> Looks {
        let lines = if direct { limits.pool / SHARE } else { 0 };
        let line = |_| {
            Arc::new(SharedLine {
                end: Mutex::new(End::Nothing),
                places: Semaphore::new(TOGETHER as usize),
            })
        };
        Looks {
            lines: (0..lines).map(line).collect(),
            next: AtomicUsize::new(0),
            connections,
            limits,
        }
    }

    /// How many connections it takes at most.
    pub(super) fn connections(&self) -> usize {
        self.lines.len()
    }

    /// Answers the closure; `None` where it has to be asked on a connection of its own.
    pub(super) async fn answer(&self, work: &mut Work) -> Option<Result<(), Error>> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let line = self.lines.get(turn.checked_rem(self.lines.len())?)?;
        let _place = line.places.try_acquire().ok()?;
        let (client, since) = line.client(&self.connections)?;
        let heard = {
            let look = Look(RefCell::default());
            let ran = run(work, Tx::looking(&look));
            match look.0.into_inner() {
                State::Asked(question) => question,
                // It wanted nothing of the database.
                _ => return Some(ran.keep.map(drop)),
            }
        };
        let answer = timeout(self.limits.first_within(true), heard.ask(&client));
        let found = match answer.await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(Trouble::Statement(error))) => Err(error),
            Ok(Err(Trouble::Chance)) => return None,
            Ok(Err(Trouble::Connection)) => {
                line.forget(&client);
                return None;
            }
            Err(_) => {
                // Once for all that waited: what was made since has done nothing wrong.
                self.connections.forget_since(since);
                return None;
            }
        };
        let look = Look(RefCell::new(State::Answered { heard, found }));
        Some(run(work, Tx::looking(&look)).keep.map(drop))
    }

    /// Lets looks finish. To be called when the connections are [closed](Connections::close).
    pub(super) async fn close(&self) {
        for line in &self.lines {
            let finished = line.places.acquire_many(TOGETHER).await;
            line.places.close();
            drop(finished);
            *line.end.lock() = End::Nothing;
        }
    }
}

impl SharedLine {
    /// The connection, if it is there, and how often all were forgotten before it was made. If not, it will be.
    fn client(self: &Arc<Self>, connections: &Connections) -> Option<(Arc<Client>, u64)> {
        let mut end = self.end.lock();
        let forgotten = connections.forgotten();
        match &*end {
            End::Server(client, since) if !client.is_closed() && *since == forgotten => {
                return Some((client.clone(), forgotten));
            }
            End::Dialing | End::Pooler => return None,
            End::Nothing | End::Server(..) => {}
        }
        *end = End::Dialing;
        // Where the runtime is about to end, what is spawned is dropped at once, and takes the lock.
        drop(end);
        let (dialing, connections) = (Dialing(self.clone()), connections.clone());
        tokio::spawn(async move {
            match connections.dial_aside().await {
                Ok(client) => dialing.0.reach(client, &connections, forgotten),
                Err(_) => sleep(PAUSE).await,
            }
        });
        None
    }

    fn reach(&self, client: Client, connections: &Connections, forgotten: u64) {
        let mut end = self.end.lock();
        if !client.is_direct() {
            *end = End::Pooler;
        } else if !connections.is_closed() {
            client.run_by_itself();
            *end = End::Server(Arc::new(client), forgotten);
        }
    }

    /// Unless there is another one by now.
    fn forget(&self, broken: &Arc<Client>) {
        let mut end = self.end.lock();
        if matches!(&*end, End::Server(client, _) if Arc::ptr_eq(client, broken)) {
            *end = End::Nothing;
        }
    }
}

/// Makes a line's connection; if it comes to nothing, another may try again.
struct Dialing(Arc<SharedLine>);

impl Drop for Dialing {
    fn drop(&mut self) {
        let mut end = self.0.end.lock();
        if matches!(*end, End::Dialing) {
            *end = End::Nothing;
        }
    }
}

/// A statement as a closure asks it.
#[derive(PartialEq)]
struct Question {
    sql: String,
    params: Vec<Value>,
}

/// What stands between a question and its rows.
enum Trouble {
    /// The server's answer: it would be the same anywhere.
    Statement(Error),
    /// Given up for somebody else's sake, or after too long: it may be asked again.
    Chance,
    /// Another connection may do better.
    Connection,
}

impl Question {
    async fn ask(&self, client: &Client) -> Result<Vec<tokio_postgres::Row>, Trouble> {
        let told = |error: tokio_postgres::Error| {
            let given_up = error.code() == Some(&SqlState::QUERY_CANCELED);
            let fault = Fault::Driver(error);
            if given_up || fault.wants_retry() {
                Trouble::Chance
            } else if fault.is_stale() || fault.is_broken() {
                Trouble::Connection
            } else {
                Trouble::Statement(fault.convert(&self.sql))
            }
        };
        let statement = client.prepared(&self.sql).await.map_err(told)?;
        fitting(&statement, &self.params).map_err(Trouble::Statement)?;
        let params: Vec<Param<'_>> = self.params.iter().map(Param).collect();
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as _).collect();
        let found = client.inner().query(&statement, &params).await;
        found.map_err(told)
    }
}

/// What a closure sees in place of a connection.
pub(crate) struct Look(RefCell<State>);

#[derive(Default)]
enum State {
    #[default]
    Listening,
    Asked(Question),
    Answered {
        heard: Question,
        found: Result<Vec<tokio_postgres::Row>, Error>,
    },
}

impl Look {
    /// Whether the closure is only listened to: what it makes of that does not count.
    pub(crate) fn is_listening(&self) -> bool {
        !matches!(&*self.0.borrow(), State::Answered { .. })
    }

    pub(crate) fn query(
        &self,
        sql: &str,
        params: &[Value],
        each: &mut dyn FnMut(&Row<'_>),
    ) -> Result<(), Error> {
        let asked = Question {
            sql: sql.to_owned(),
            params: params.to_vec(),
        };
        let mut state = self.0.borrow_mut();
        match &*state {
            State::Answered { heard, found } if *heard == asked => {
                let rows = found.as_ref().map_err(Error::clone)?;
                rows.iter().for_each(|row| each(&Row::postgres(row)));
                Ok(())
            }
            State::Answered { .. } => Err(unable("a look that changes its question")),
            _ => {
                *state = State::Asked(asked);
                Err(unable("a look before its answer"))
            }
        }
    }
}

pub(crate) fn unable(what: &str) -> Error {
    Error::Unsupported(what.to_owned())
}
