//! `smtp://` and `smtps://` URLs.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use secrecy::SecretString;
use url::{Host, Url};

/// When the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Never.
    None,
    /// By STARTTLS where the server offers it.
    Opportunistic,
    /// By STARTTLS, or no mail is sent (RFC 3207).
    Required,
    /// From the first byte (RFC 8314).
    Implicit,
}

/// Where mail is handed in, and as whom.
#[derive(Clone)]
pub struct SmtpUrl {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    pub credentials: Option<(String, SecretString)>,
}

impl FromStr for SmtpUrl {
    type Err = anyhow::Error;

    /// No error text repeats the URL: it may hold a password.
    fn from_str(text: &str) -> anyhow::Result<SmtpUrl> {
        const SHAPE: &str =
            "must be smtp://user:password@host:587 or smtps://user:password@host:465";
        let url = Url::parse(text)
            .ok()
            .filter(|url| ["smtp", "smtps"].contains(&url.scheme()))
            .context(SHAPE)?;
        let implicit = url.scheme() == "smtps";
        ensure!(
            matches!(url.path(), "" | "/") && url.fragment().is_none(),
            SHAPE
        );
        let host = url
            .host_str()
            .filter(|host| !host.is_empty())
            .context(SHAPE)?;
        let host = decoded(host)
            .context(SHAPE)?
            .trim_matches(['[', ']'])
            .to_owned();
        let mut encryption = match (implicit, is_loopback(&host)) {
            (true, _) => Encryption::Implicit,
            (false, true) => Encryption::Opportunistic,
            (false, false) => Encryption::Required,
        };
        for (name, value) in url.query_pairs() {
            encryption = match (&*name, &*value, implicit) {
                ("tls", "none", false) => Encryption::None,
                ("tls", "opportunistic", false) => Encryption::Opportunistic,
                ("tls", "required", _) if implicit => Encryption::Implicit,
                ("tls", "required", _) => Encryption::Required,
                ("tls", _, false) => bail!("`tls` must be none, opportunistic or required"),
                ("tls", _, true) => bail!("smtps:// always encrypts; use smtp:// with `tls`"),
                _ => bail!("knows no option `{name}`; there is `tls`"),
            };
        }
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            ("", Some(_)) => bail!("has a password but no user"),
            (user, password) => Some((
                decoded(user).context(SHAPE)?,
                decoded(password.unwrap_or_default()).context(SHAPE)?.into(),
            )),
        };
        let port = url.port().unwrap_or(if implicit { 465 } else { 587 });
        ensure!(port > 0, "names port 0, at which nothing listens");
        Ok(SmtpUrl {
            port,
            host,
            encryption,
            credentials,
        })
    }
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} ({:?})", self.host, self.port, self.encryption)
    }
}

fn is_loopback(host: &str) -> bool {
    match Host::parse(host) {
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        _ => {
            host == "localhost"
                || host.ends_with(".localhost")
                || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
    }
}

/// Percent-encoding undone; `None` if what comes out is not UTF-8 or could break out of an SMTP line.
fn decoded(text: &str) -> Option<String> {
    let decoded = percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .ok()?;
    (!decoded.chars().any(char::is_control)).then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn schemes_hosts_and_options_decide_on_encryption() {
        for (text, host, port, encryption) in [
            ("smtp://mail.test", "mail.test", 587, Encryption::Required),
            (
                "smtp://mail.test:25?tls=none",
                "mail.test",
                25,
                Encryption::None,
            ),
            (
                "smtp://mail.test/?tls=opportunistic",
                "mail.test",
                587,
                Encryption::Opportunistic,
            ),
            (
                "smtp://localhost:1025",
                "localhost",
                1025,
                Encryption::Opportunistic,
            ),
            (
                "smtp://127.0.0.1:1025?tls=required",
                "127.0.0.1",
                1025,
                Encryption::Required,
            ),
            (
                "smtp://127.0.0.2:1025",
                "127.0.0.2",
                1025,
                Encryption::Opportunistic,
            ),
            ("smtp://[::1]:1025", "::1", 1025, Encryption::Opportunistic),
            ("smtp://10.0.0.1", "10.0.0.1", 587, Encryption::Required),
            ("smtps://mail.test", "mail.test", 465, Encryption::Implicit),
            ("smtps://localhost", "localhost", 465, Encryption::Implicit),
        ] {
            let url: SmtpUrl = text.parse().unwrap();
            assert_eq!(
                (url.host.as_str(), url.port, url.encryption),
                (host, port, encryption),
                "{text}"
            );
        }
    }

    #[test]
    fn credentials_are_decoded_and_never_shown() {
        let url: SmtpUrl = "smtp://me%40mail.test:p%2Fss%20word@mail.test"
            .parse()
            .unwrap();
        let (user, password) = url.credentials.clone().unwrap();
        assert_eq!(
            (user.as_str(), password.expose_secret()),
            ("me@mail.test", "p/ss word")
        );
        assert!(!format!("{url:?}").contains("word"));
    }

    #[test]
    fn other_urls_are_refused_without_repeating_them() {
        for text in [
            "",
            "mail.test",
            "http://hunter2@mail.test",
            "smtp://",
            "smtp://:hunter2@mail.test",
            "smtp://u:hunter2@mail.test/path",
            "smtp://u:hunter2@mail.test?tls=maybe",
            "smtps://u:hunter2@mail.test?tls=none",
            "smtp://u:hunter2@mail.test?starttls=1",
            "smtp://u%0d%0aMAIL:hunter2@mail.test",
            "smtp://u:hunter2@mail.test:99999",
            "smtp://u:hunter2@mail.test:0",
        ] {
            let message = format!("{:#}", text.parse::<SmtpUrl>().unwrap_err());
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
