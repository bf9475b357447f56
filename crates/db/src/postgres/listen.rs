//! A connection of its own that hears what other processes announce.

use super::client::Client;
use super::lease::Connections;
use super::retry;

const LISTEN: &str = "LISTEN vestibule";

/// The statement that announces a change.
pub(crate) const ANNOUNCE: &str = "SELECT pg_notify('vestibule', '')";

/// Hears announcements as long as the server itself is at the other end; through a pooler it hears nothing.
pub(crate) struct Listener {
    connections: Connections,
    client: Option<Client>,
    failures: u32,
}

impl Listener {
    pub(super) fn new(connections: Connections) -> Self {
        Self {
            connections,
            client: None,
            failures: 0,
        }
    }

    /// Waits until something was announced, or may have been while nobody listened.
    pub(crate) async fn heard(&mut self) {
        if let Some(client) = &self.client {
            client.heard().await;
            if client.is_closed() {
                self.client = None;
            }
            return;
        }
        loop {
            if let Some(client) = self.connect().await {
                self.failures = 0;
                self.client = Some(client);
                return;
            }
            self.failures = self.failures.saturating_add(1);
            tokio::time::sleep(retry::pause(self.failures) * 2).await;
        }
    }

    async fn connect(&self) -> Option<Client> {
        let client = self.connections.dial().await.ok()?;
        if !client.is_direct() {
            tracing::info!(
                "a pooler is between here and PostgreSQL: changes are looked for, not told"
            );
            // Nothing will be heard through it, ever.
            drop(client);
            std::future::pending::<()>().await;
            return None;
        }
        let listens = client.inner().batch_execute(LISTEN);
        client.answer(listens).await.ok()?;
        Some(client)
    }
}
