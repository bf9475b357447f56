//! Making connections: one host after the other, and not all at once after a failure.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::client::{Client, MARK};
use super::target::Target;
use super::{error, retry, tls};
use crate::{Error, Options};

/// So many connections are made at the same time: a server that comes back is not run down.
const AT_ONCE: usize = 4;

pub(super) struct Dialer {
    hosts: Vec<Config>,
    reach: Duration,
    wait: Duration,
    tls: Option<MakeRustlsConnect>,
    /// What a connection is told at its start.
    settings: String,
    /// Which host let us in last.
    first: AtomicUsize,
    /// Whether a pooler between refuses the mark.
    unmarked: AtomicBool,
    places: Semaphore,
    /// For those [aside](Dialer::dial_aside).
    place_aside: Semaphore,
    pause: Mutex<Option<Pause>>,
}

/// After a failure nobody tries again for a while; callers hear the failure at once.
struct Pause {
    failures: u32,
    until: Instant,
    said: String,
}

impl Dialer {
    pub(super) fn new(options: &Options, settings: String) -> Result<Self, Error> {
        let target = Target::of(options)?;
        let tls = match target.ssl_mode {
            SslMode::Disable => None,
            mode => Some(tls::connector(mode, target.root_certificate.as_deref())?),
        };
        let first = match target.any_order {
            true => retry::spread(target.hosts.len()),
            false => 0,
        };
        Ok(Self {
            hosts: target.hosts,
            reach: target.reach,
            wait: options.wait,
            tls,
            settings: format!("{MARK} {settings}"),
            first: AtomicUsize::new(first),
            unmarked: AtomicBool::new(false),
            places: Semaphore::new(AT_ONCE),
            place_aside: Semaphore::new(1),
            pause: Mutex::new(None),
        })
    }

    /// As [`Dialer::dial`], one at a time, without a place that others wait for and with a failure that keeps nobody from trying.
    pub(super) async fn dial_aside(&self) -> Result<Client, Error> {
        let place = self.place_aside.acquire().await;
        let _place = place.map_err(|_| Error::Closed)?;
        self.paused()?;
        self.any_host().await
    }

    /// A new connection to the first host that lets us in. [`Error::Unavailable`] at once if the last try failed a
    /// moment ago, [`Error::Busy`] if the turn did not come in time.
    pub(super) async fn dial(&self) -> Result<Client, Error> {
        self.paused()?;
        let Ok(place) = timeout(self.wait, self.places.acquire()).await else {
            return Err(Error::Busy);
        };
        let _place = place.map_err(|_| Error::Closed)?;
        // Those who waited learn from those who tried.
        self.paused()?;
        let result = self.any_host().await;
        let mut pause = self.pause.lock();
        match &result {
            Ok(_) => *pause = None,
            Err(error) => {
                let failures = pause.as_ref().map_or(0, |pause| pause.failures);
                *pause = Some(Pause {
                    failures: failures.saturating_add(1),
                    until: Instant::now() + retry::pause(failures),
                    said: error.cause(),
                });
            }
        }
        result
    }

    fn paused(&self) -> Result<(), Error> {
        match &*self.pause.lock() {
            Some(pause) if Instant::now() < pause.until => {
                Err(Error::Unavailable(pause.said.clone()))
            }
            _ => Ok(()),
        }
    }

    async fn any_host(&self) -> Result<Client, Error> {
        let first = self.first.load(Ordering::Relaxed);
        let mut said = Vec::new();
        for turn in 0..self.hosts.len() {
            let index = (first + turn) % self.hosts.len();
            match self.one_host(&self.hosts[index]).await {
                Ok(client) => {
                    self.first.store(index, Ordering::Relaxed);
                    return Ok(client);
                }
                Err(error) => said.push(error),
            }
        }
        match (said.pop(), said.is_empty()) {
            (Some(only), true) => Err(only),
            (Some(last), false) => {
                said.push(last);
                let said: Vec<String> = said.iter().map(Error::cause).collect();
                Err(Error::Unavailable(said.join("; ")))
            }
            (None, _) => Err(Error::Closed),
        }
    }

    async fn one_host(&self, host: &Config) -> Result<Client, Error> {
        let silent = || Error::Unavailable("the server did not answer in time".to_owned());
        let marked = !self.unmarked.load(Ordering::Relaxed);
        let tried = timeout(self.reach, self.enter(host, marked)).await;
        let tried = match tried.map_err(|_| silent())? {
            Err(error) if marked && refuses_mark(&error) => {
                self.unmarked.store(true, Ordering::Relaxed);
                let again = timeout(self.reach, self.enter(host, false)).await;
                again.map_err(|_| silent())?
            }
            tried => tried,
        };
        tried.map_err(|error| error::convert(&error, "connect"))
    }

    async fn enter(&self, host: &Config, marked: bool) -> Result<Client, tokio_postgres::Error> {
        let mut config = host.clone();
        if marked {
            let given = host.get_options().unwrap_or_default();
            // The last one wins: what the URL says.
            config.options(format!("{} {given}", self.settings));
        }
        let mut client = match &self.tls {
            Some(tls) => {
                let (client, connection) = config.connect(tls.clone()).await?;
                Client::new(client, connection)
            }
            None => {
                let (client, connection) = config.connect(NoTls).await?;
                Client::new(client, connection)
            }
        };
        client.find_out().await?;
        Ok(client)
    }
}

/// PgBouncer knows few startup parameters and names the one that it does not.
fn refuses_mark(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|db| {
        *db.code() == SqlState::PROTOCOL_VIOLATION && db.message().contains("startup parameter")
    })
}
