//! One connection: the driver's client, the statements prepared on it, and what its server warned of.
//!
//! Messages move while somebody waits for an answer, in that one's thread: handing them to another and back costs more than
//! the server takes for most statements. Only where many wait for answers on one connection do they move by themselves.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use foldhash::HashMap;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
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
    /// Moves messages; none once the connection has ended.
    carrier: Mutex<Option<BoxFuture<'static, ()>>>,
    /// What moves them where [many](Client::run_by_itself) wait.
    task: OnceLock<AbortHandle>,
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
            carrier: Mutex::new(Some(Box::pin(carry(connection, Arc::clone(&news))))),
            task: OnceLock::new(),
            news,
            statements: Mutex::default(),
            direct: false,
        }
    }

    /// Moves messages until the call has its answer. One call at a time.
    pub(super) async fn answer<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        poll_fn(|cx| {
            if let Poll::Ready(answer) = call.as_mut().poll(cx) {
                return Poll::Ready(answer);
            }
            self.carry(cx);
            call.as_mut().poll(cx)
        })
        .await
    }

    /// From here on messages move by themselves, and any number of calls may wait for answers.
    pub(super) fn run_by_itself(&self) {
        if let Some(carrier) = self.carrier.lock().take() {
            let _ = self.task.set(tokio::spawn(carrier).abort_handle());
        }
    }

    fn carry(&self, cx: &mut Context<'_>) {
        let mut carrier = self.carrier.lock();
        if let Some(carry) = carrier.as_mut()
            && carry.as_mut().poll(cx).is_ready()
        {
            *carrier = None;
        }
    }

    /// Asks whether the server itself is at the other end. If a pooler may be between, nothing may be left on a
    /// connection from one transaction to the next: no prepared statement, no setting.
    pub(super) async fn find_out(&mut self) -> Result<(), tokio_postgres::Error> {
        let asked = self
            .inner
            .query_typed("SELECT current_setting('vestibule.direct', true)", &[]);
        let row = self.answer(asked).await?;
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
        self.answer(self.news.heard.notified()).await;
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
    /// Nobody waits any more: what was asked and is not answered yet would keep the connection open.
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
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
