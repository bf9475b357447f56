//! A wire to PostgreSQL that can be cut, reset and stalled.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use rustix::net::sockopt::set_socket_linger;

/// Clones are the same wire. Its threads end with the process.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Nothing arrives, and nothing is closed.
    stalled: AtomicBool,
    /// Connections of an earlier count are over.
    cuts: AtomicUsize,
    /// Whether they end by a reset rather than in order.
    reset: AtomicBool,
}

const LOOK: Duration = Duration::from_millis(10);

impl Wire {
    /// A listener of its own in front of a server's port.
    pub(crate) fn to(server: u16) -> Result<Wire> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let wire = Wire {
            port: listener.local_addr()?.port(),
            state: Arc::default(),
        };
        let state = wire.state.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Where nobody listens the client hears so: its connection ends.
                if let Ok(server) = TcpStream::connect(("127.0.0.1", server)) {
                    state.carry(client, server);
                }
            }
        });
        Ok(wire)
    }

    pub(crate) fn stall(&self, stalled: bool) {
        self.state.stalled.store(stalled, Ordering::SeqCst);
    }

    /// Ends every connection, with what is on its way.
    pub(crate) fn cut(&self, reset: bool) {
        self.state.reset.store(reset, Ordering::SeqCst);
        self.state.cuts.fetch_add(1, Ordering::SeqCst);
    }
}

impl State {
    fn carry(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        let born = self.cuts.load(Ordering::SeqCst);
        for (from, to) in [(&client, &server), (&server, &client)] {
            if let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) {
                let state = self.clone();
                thread::spawn(move || state.one_way(from, to, born));
            }
        }
    }

    fn is_cut(&self, born: usize) -> bool {
        self.cuts.load(Ordering::SeqCst) != born
    }

    fn one_way(&self, mut from: TcpStream, mut to: TcpStream, born: usize) {
        let _ = from.set_read_timeout(Some(LOOK));
        let mut bytes = [0; 16 * 1024];
        loop {
            let count = match from.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    0
                }
                Err(_) => break,
            };
            while self.stalled.load(Ordering::SeqCst) && !self.is_cut(born) {
                thread::sleep(LOOK);
            }
            if self.is_cut(born) && self.reset.load(Ordering::SeqCst) {
                // Closed in this state, a connection ends by RST.
                let _ = set_socket_linger(&from, Some(Duration::ZERO));
                let _ = set_socket_linger(&to, Some(Duration::ZERO));
                return;
            }
            if self.is_cut(born) {
                break;
            }
            if count > 0 && to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
