//! One connection: the driver's client, the statements prepared on it, and what its server warned of.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::{AsyncMessage, Connection, Statement};

/// What the server says without being asked.
#[derive(Default)]
struct News {
    warning: Mutex<Option<String>>,
    heard: Notify,
}

/// Set at the start of each connection. A pooler that shares server connections drops or refuses it.
pub(super) const MARK: &str = "-c vestibule.direct=1";

pub(super) struct Client {
    inner: tokio_postgres::Client,
    task: JoinHandle<()>,
    news: Arc<News>,
    statements: Mutex<HashMap<String, Statement>>,
    direct: bool,
}

impl Client {
    pub(super) fn new<S, T>(inner: tokio_postgres::Client, connection: Connection<S, T>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let news = Arc::default();
        Self {
            inner,
            task: tokio::spawn(carry(connection, Arc::clone(&news))),
            news,
            statements: Mutex::default(),
            direct: false,
        }
    }

    /// Asks whether the server itself is at the other end. If a pooler may be between, nothing may be left on a
    /// connection from one transaction to the next: no prepared statement, no setting.
    pub(super) async fn find_out(&mut self) -> Result<(), tokio_postgres::Error> {
        let row = self
            .inner
            .query_typed("SELECT current_setting('vestibule.direct', true)", &[])
            .await?;
        let mark: Option<&str> = row.first().and_then(|row| row.get(0));
        self.direct = mark == Some("1");
        Ok(())
    }

    pub(super) fn inner(&self) -> &tokio_postgres::Client {
        &self.inner
    }

    /// Whether no pooler is between.
    pub(super) fn is_direct(&self) -> bool {
        self.direct
    }

    pub(super) fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// What the server warned of since this was last asked.
    pub(super) fn take_warning(&self) -> Option<String> {
        self.news.warning.lock().take()
    }

    /// Waits for an announcement, or the end of the connection.
    pub(super) async fn heard(&self) {
        self.news.heard.notified().await;
    }

    /// The statement, prepared once a connection.
    pub(super) async fn prepared(&self, sql: &str) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.statements.lock().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.inner.prepare(sql).await?;
        self.statements
            .lock()
            .insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Moves messages until the connection ends. A warning is noted before the answer that it goes with is handed on.
async fn carry<S, T>(mut connection: Connection<S, T>, news: Arc<News>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match poll_fn(|cx| connection.poll_message(cx)).await {
            Some(Ok(AsyncMessage::Notice(notice))) if is_warning(&notice) => {
                *news.warning.lock() = Some(notice.message().to_owned());
            }
            Some(Ok(AsyncMessage::Notification(_))) => news.heard.notify_one(),
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(%error, "a connection to PostgreSQL ended");
                break;
            }
            None => break,
        }
    }
    drop(connection);
    news.heard.notify_one();
}

fn is_warning(notice: &DbError) -> bool {
    match notice.parsed_severity() {
        Some(severity) => severity == Severity::Warning,
        None => notice.code().code().starts_with("01"),
    }
}
