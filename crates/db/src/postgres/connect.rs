//! From a URL to a pool.

use std::path::PathBuf;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use super::tls;
use crate::{Error, Options};

/// A server that has gone without a word is noticed within this time.
const SILENCE: Duration = Duration::from_secs(30);

pub(super) fn pool(options: &Options, size: usize) -> Result<Pool, Error> {
    let target = Target::parse(&options.url)?;
    let mut config = target.config;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(options.wait);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE);
    }
    if !options.url.contains("keepalives") {
        config.keepalives_idle(SILENCE);
    }
    if config.get_application_name().is_none() {
        config.application_name("vestibule");
    }
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = match config.get_ssl_mode() {
        SslMode::Disable => Manager::from_config(config, tokio_postgres::NoTls, recycling),
        mode => {
            let tls = tls::connector(mode, target.root_certificate.as_deref())?;
            Manager::from_config(config, tls, recycling)
        }
    };
    Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(options.wait))
        .create_timeout(Some(options.wait.max(Duration::from_secs(5))))
        .build()
        .map_err(|error| Error::Config(error.to_string()))
}

/// A URL taken apart.
struct Target {
    config: Config,
    root_certificate: Option<PathBuf>,
}

impl Target {
    /// `sslrootcert` and libpq's verifying modes are ours to understand; the rest is the driver's.
    fn parse(url: &str) -> Result<Self, Error> {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        if query.contains('@') {
            return Err(Error::Config(
                "the database URL has a `?` before an `@`; write it as %3F in a password"
                    .to_owned(),
            ));
        }
        let mut root_certificate = None;
        let mut kept = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
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
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(Error::Config("the database URL names no host".to_owned()));
        }
        Ok(Self {
            config,
            root_certificate,
        })
    }
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

    #[test]
    fn options_pass_through_and_ours_are_taken_out() {
        let target = Target::parse(
            "postgres://u:p@a:1,b:2/d?sslrootcert=/etc/a%20b.pem&sslmode=verify-full&options=-c%20search_path%3Dx",
        )
        .unwrap();
        assert_eq!(target.root_certificate, Some(PathBuf::from("/etc/a b.pem")));
        assert_eq!(target.config.get_ssl_mode(), SslMode::Require);
        assert_eq!(target.config.get_options(), Some("-c search_path=x"));
        assert_eq!(target.config.get_ports(), [1, 2]);
    }

    #[test]
    fn a_password_is_in_no_message() {
        for url in [
            "postgres://u:hunter?two=3@h/d",
            "postgres://u:hunter@h/d?nonsense=hunter",
            "postgres://u:hunter@h:port/d",
            "postgres://u:hunter@/d",
        ] {
            let Err(error) = Target::parse(url) else {
                panic!("accepted {url}");
            };
            let text = format!("{error} {error:?} {:?}", Options::new(url));
            assert!(!text.contains("hunter"), "{text}");
        }
    }
}
