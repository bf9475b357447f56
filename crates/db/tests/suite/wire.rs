//! A wire between a client and PostgreSQL that can be cut, stalled or refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::place::postgres_url;

/// What happens to bytes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Flows,
    /// Connections stay open and nothing arrives.
    Stalls,
    /// From the first COMMIT on nothing arrives.
    StallsAtCommit,
    /// What is open is closed, what comes is closed at once.
    Refuses,
}

/// A listener of its own in front of the tests' PostgreSQL.
pub(crate) struct Wire {
    pub(crate) port: u16,
    state: Arc<watch::Sender<State>>,
    arrived: Arc<AtomicUsize>,
}

impl Wire {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let wire = Self {
            port: listener.local_addr().unwrap().port(),
            state: Arc::new(watch::Sender::new(State::Flows)),
            arrived: Arc::default(),
        };
        let (state, arrived) = (wire.state.clone(), wire.arrived.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                arrived.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(carry(client, state.clone()));
            }
        });
        wire
    }

    pub(crate) fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    pub(crate) fn state(&self) -> State {
        *self.state.borrow()
    }

    /// To change the state from elsewhere.
    pub(crate) fn sender(&self) -> Arc<watch::Sender<State>> {
        self.state.clone()
    }

    /// How many connections have come so far.
    pub(crate) fn arrived(&self) -> usize {
        self.arrived.load(Ordering::SeqCst)
    }

    /// The same URL by way of this wire.
    pub(crate) fn url(&self, url: &str) -> String {
        url.replace(&server(), &format!("127.0.0.1:{}", self.port))
    }
}

/// Where the tests' PostgreSQL listens.
pub(crate) fn server() -> String {
    let url = postgres_url();
    let address = url.split('@').nth(1).unwrap();
    address.split('/').next().unwrap().to_owned()
}

async fn carry(client: TcpStream, state: Arc<watch::Sender<State>>) {
    let mut seen = state.subscribe();
    if *seen.borrow() == State::Refuses {
        return;
    }
    let server = TcpStream::connect(server()).await.unwrap();
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    tokio::select! {
        () = one_way(from_client, to_server, &state) => {}
        () = one_way(from_server, to_client, &state) => {}
        _ = seen.wait_for(|state| *state == State::Refuses) => {}
    }
}

async fn one_way(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    state: &watch::Sender<State>,
) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let Ok(count @ 1..) = from.read(&mut bytes).await else {
            return;
        };
        let commits = bytes[..count].windows(7).any(|word| word == b"COMMIT\0");
        if commits && *state.borrow() == State::StallsAtCommit {
            state.send_replace(State::Stalls);
        }
        let mut seen = state.subscribe();
        let goes_on = seen.wait_for(|state| *state != State::Stalls).await;
        // What was held when the connection is cut does not arrive.
        let flows = goes_on.is_ok_and(|state| *state != State::Refuses);
        if !flows || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
