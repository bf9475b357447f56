//! A database URL taken apart.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, LoadBalanceHosts, SslMode, TargetSessionAttrs};

use crate::{Error, Options};

/// A server that has gone without a word is noticed within this time.
const SILENCE: Duration = Duration::from_secs(10);

/// How long a server may take to let us in.
const ONE: Duration = Duration::from_secs(5);

/// How long one of several hosts may take to let us in, so that the next has its turn soon.
const ONE_OF_SEVERAL: Duration = Duration::from_secs(2);

/// Where to connect, and how.
pub(super) struct Target {
    /// One host each, in the URL's order.
    pub(super) hosts: Vec<Config>,
    /// How long one host may take to let us in.
    pub(super) reach: Duration,
    pub(super) any_order: bool,
    pub(super) ssl_mode: SslMode,
    pub(super) root_certificate: Option<PathBuf>,
}

impl Target {
    pub(super) fn of(options: &Options) -> Result<Self, Error> {
        let (mut config, root_certificate) = parse(&options.url)?;
        let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
        let reach = match config.get_connect_timeout() {
            Some(limit) => *limit,
            None if hosts > 1 => ONE_OF_SEVERAL,
            None => ONE,
        };
        config.connect_timeout(reach);
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        if !options.url.contains("keepalives") {
            config.keepalives_idle(SILENCE);
            config.keepalives_interval(SILENCE / 5);
            config.keepalives_retries(3);
        }
        if config.get_application_name().is_none() {
            config.application_name("vestibule");
        }
        // Of several, the one that takes changes.
        if hosts > 1 && !options.url.contains("target_session_attrs") {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok(Self {
            hosts: (0..hosts).map(|index| one(&config, index)).collect(),
            reach,
            any_order: config.get_load_balance_hosts() == LoadBalanceHosts::Random,
            ssl_mode: config.get_ssl_mode(),
            root_certificate,
        })
    }
}

/// `sslrootcert` and libpq's verifying modes are ours to understand; the rest is the driver's.
fn parse(url: &str) -> Result<(Config, Option<PathBuf>), Error> {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    if query.contains('@') {
        return Err(Error::Config(
            "the database URL has a `?` before an `@`; write it as %3F in a password".to_owned(),
        ));
    }
    let mut root_certificate = None;
    let mut kept = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            // The roots that we take by ourselves.
            Some(("sslrootcert", "system")) => {}
            Some(("sslrootcert", path)) => root_certificate = Some(decode(path)),
            // Our `require` verifies both the chain and the name.
            Some(("sslmode", "verify-ca" | "verify-full")) => kept.push("sslmode=require"),
            _ => kept.push(pair),
        }
    }
    let url = match kept.as_slice() {
        [] => address.to_owned(),
        kept => format!("{address}?{}", kept.join("&")),
    };
    let config = url.parse::<Config>().map_err(|error| {
        // The cause names an option, never its value.
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        Error::Config(format!(
            "the database URL cannot be used: {}",
            cause.unwrap_or_else(|| error.to_string())
        ))
    })?;
    let (hosts, addresses) = (config.get_hosts().len(), config.get_hostaddrs().len());
    if hosts.max(addresses) == 0 {
        return Err(Error::Config("the database URL names no host".to_owned()));
    }
    let (hosts, ports) = (hosts.max(addresses), config.get_ports().len());
    if ![0, hosts].contains(&addresses) || (ports > 1 && ports != hosts) {
        return Err(Error::Config(format!(
            "the database URL names {hosts} hosts, {addresses} addresses and {ports} ports; \
             one port for all or one for each"
        )));
    }
    Ok((config, root_certificate))
}

/// The same for one host of several.
fn one(all: &Config, index: usize) -> Config {
    let mut config = Config::new();
    match all.get_hosts().get(index) {
        Some(Host::Tcp(name)) => drop(config.host(name)),
        #[cfg(unix)]
        Some(Host::Unix(path)) => drop(config.host_path(path)),
        None => {}
    }
    if let Some(address) = all.get_hostaddrs().get(index) {
        config.hostaddr(*address);
    }
    let ports = all.get_ports();
    if let Some(port) = ports.get(index).or(ports.first()) {
        config.port(*port);
    }
    if let Some(user) = all.get_user() {
        config.user(user);
    }
    if let Some(name) = all.get_dbname() {
        config.dbname(name);
    }
    if let Some(options) = all.get_options() {
        config.options(options);
    }
    if let Some(name) = all.get_application_name() {
        config.application_name(name);
    }
    if let Some(password) = all.get_password() {
        config.password(password);
    }
    config
        .ssl_mode(all.get_ssl_mode())
        .ssl_negotiation(all.get_ssl_negotiation())
        .target_session_attrs(all.get_target_session_attrs())
        .channel_binding(all.get_channel_binding())
        .keepalives(all.get_keepalives())
        .keepalives_idle(all.get_keepalives_idle());
    if let Some(limit) = all.get_connect_timeout() {
        config.connect_timeout(*limit);
    }
    if let Some(limit) = all.get_tcp_user_timeout() {
        config.tcp_user_timeout(*limit);
    }
    if let Some(interval) = all.get_keepalives_interval() {
        config.keepalives_interval(interval);
    }
    if let Some(retries) = all.get_keepalives_retries() {
        config.keepalives_retries(retries);
    }
    config
}

fn decode(path: &str) -> PathBuf {
    let path = path.replace('+', "%2B");
    url::form_urlencoded::parse(path.as_bytes())
        .next()
        .map(|(path, _)| PathBuf::from(path.into_owned()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Result<Target, Error> {
        Target::of(&Options::new(url))
    }

    #[test]
    fn options_pass_through_and_ours_are_taken_out() {
        let target = of(
            "postgres://u:p@a:1,b:2/d?sslrootcert=/etc/a%20b.pem&sslmode=verify-full&options=-c%20search_path%3Dx",
        )
        .unwrap();
        assert_eq!(target.root_certificate, Some(PathBuf::from("/etc/a b.pem")));
        assert_eq!(target.ssl_mode, SslMode::Require);
        for (host, (name, port)) in target.hosts.iter().zip([("a", 1), ("b", 2)]) {
            assert_eq!(host.get_options(), Some("-c search_path=x"));
            assert_eq!(host.get_hosts(), [Host::Tcp(name.to_owned())]);
            assert_eq!(host.get_ports(), [port]);
            assert_eq!((host.get_user(), host.get_dbname()), (Some("u"), Some("d")));
            assert_eq!(host.get_password(), Some(b"p".as_slice()));
        }
    }

    #[test]
    fn of_several_hosts_the_one_that_takes_changes() {
        let attrs = |url| of(url).unwrap().hosts[0].get_target_session_attrs();
        assert_eq!(attrs("postgres://a,b/d"), TargetSessionAttrs::ReadWrite);
        let any = "postgres://a,b/d?target_session_attrs=any";
        assert_eq!(attrs(any), TargetSessionAttrs::Any);
        assert_eq!(attrs("postgres://a/d"), TargetSessionAttrs::Any);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for url in [
            "postgres://u@/d",
            "postgres://a:1,b:2,c:3/d?port=1,2",
            "postgres://a,b/d?hostaddr=127.0.0.1",
            "postgres://a/d?target_session_attrs=best",
        ] {
            assert!(matches!(of(url), Err(Error::Config(_))), "{url}");
        }
    }

    #[test]
    fn a_password_is_in_no_message() {
        for url in [
            "postgres://u:hunter?two=3@h/d",
            "postgres://u:hunter@h/d?nonsense=hunter",
            "postgres://u:hunter@h:port/d",
            "postgres://u:hunter@/d",
        ] {
            let Err(error) = of(url) else {
                panic!("accepted {url}");
            };
            let text = format!("{error} {error:?} {:?}", Options::new(url));
            assert!(!text.contains("hunter"), "{text}");
        }
    }
}
