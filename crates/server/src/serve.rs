//! `vestibule serve`: a node from start to stop.

use anyhow::Context;
use listenfd::ListenFd;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use vestibule_http::{Demo, FrontDoor, Listener};

use crate::backups::Backups;
use crate::mail::SmtpUrl;
use crate::mounts::Mounts;
use crate::node::{Node, Schema, cause, core_error, resolve};
use crate::settings::Settings;
use crate::workers::Workers;

/// A node that answers requests.
pub struct Server {
    node: Node,
    listener: Listener,
    metrics: Option<Listener>,
    workers: Workers,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.listener.address())
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Answers on the socket, and on the metrics address if there is one; starts the workers.
    pub async fn start(
        node: Node,
        socket: TcpListener,
        demo: Option<Demo>,
    ) -> anyhow::Result<Server> {
        let app = node.app(demo);
        let files = open_files();
        let backups = Backups::of(&node, app.settings.metrics.clone())?;
        let metrics = match node.settings.metrics_listen {
            None => None,
            Some(address) => {
                let socket = bind(&address.to_string()).await?;
                Some(Listener::start(
                    socket,
                    vestibule_http::metrics_router(app.clone()),
                    files,
                )?)
            }
        };
        let mut mounts = Mounts::default();
        mounts.look(&node).await.map_err(core_error)?;
        let listener = Listener::start(socket, FrontDoor::new(app), files)?;
        let workers = Workers::start(&node, mounts, backups);
        Ok(Server {
            node,
            listener,
            metrics,
            workers,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> std::net::SocketAddr {
        self.listener.address()
    }

    /// Where it tells its metrics.
    pub fn metrics_address(&self) -> Option<std::net::SocketAddr> {
        self.metrics.as_ref().map(Listener::address)
    }

    /// Finishes the requests in flight and the mails in hand (6 s at most), then closes the database.
    pub async fn stop(self) {
        let metrics = async {
            if let Some(metrics) = self.metrics {
                metrics.stop().await;
            }
        };
        tokio::join!(self.listener.stop(), metrics, self.workers.stop());
        if let Err(error) = self.node.identity.finish_audit().await {
            tracing::error!("the last audit entries are not sealed: {}", cause(&error));
        }
        self.node.identity.db().close().await;
    }
}

/// A listening socket on `host:port`; port 0 takes any free one.
pub async fn bind(address: &str) -> anyhow::Result<TcpListener> {
    Listener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

/// The socket that the service manager listens on for us, where it does (systemd's `LISTEN_FDS`): it outlives this
/// process, so that nobody is refused while one follows another.
fn handed_over() -> anyhow::Result<Option<TcpListener>> {
    let socket = ListenFd::from_env()
        .take_tcp_listener(0)
        .context("the service manager handed over something else than a TCP socket")?;
    let Some(socket) = socket else {
        return Ok(None);
    };
    socket.set_nonblocking(true)?;
    Ok(Some(TcpListener::from_std(socket)?))
}

/// How many files this process may have open, after asking for as many as it can get: shells begin with few.
fn open_files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let most = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    most.map_or(usize::MAX, |most| {
        usize::try_from(most).unwrap_or(usize::MAX)
    })
}

/// Tells the service manager, where there is one (systemd's `NOTIFY_SOCKET`).
fn tell(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        tracing::warn!("cannot tell the service manager: {error}");
    }
}

/// A mail server that cannot be used should show now, not with the first mail.
fn check_mail(settings: &Settings) -> anyhow::Result<()> {
    if let Some(url) = &settings.smtp_url {
        let url = resolve(settings, url, "smtp_url")?;
        let parsed = url.expose_secret().parse::<SmtpUrl>();
        parsed.with_context(|| settings.place("smtp_url"))?;
    }
    Ok(())
}

/// Runs a node until SIGTERM or SIGINT; a second one ends it at once.
pub async fn serve(settings: Settings) -> anyhow::Result<()> {
    let mut stop = Stop::listen()?;
    // First of all, so that a port that is taken is told at once.
    let socket = match handed_over()? {
        Some(socket) => socket,
        None => bind(&settings.listen).await?,
    };
    check_mail(&settings)?;
    let node = Node::open(settings, Schema::Serve).await?;
    let server = Server::start(node, socket, None).await?;
    if server.node.settings.smtp_url.is_none() {
        tracing::info!(
            "no smtp_url is set: mails of tenants without one of their own are kept, not sent"
        );
    }
    if let Some(address) = server.metrics_address() {
        tracing::info!("metrics on http://{address}/metrics");
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        "listening on http://{}",
        server.address()
    );
    tell(&NotifyState::Ready);
    stop.wait().await;
    tracing::info!("stopping");
    tell(&NotifyState::Stopping);
    tokio::select! {
        () = server.stop() => tracing::info!("stopped"),
        () = stop.wait() => tracing::warn!("stopped at once, on a second signal"),
    }
    Ok(())
}

/// The signals that ask for an end.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    pub(crate) fn listen() -> anyhow::Result<Stop> {
        Ok(Stop {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
