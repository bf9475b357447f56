//! Handing one message to an SMTP server.

use std::fmt;
use std::time::Duration;

use lettre::message::Message;
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::ExposeSecret;

use super::smtp_url::{Encryption, SmtpUrl};

/// One message, connection and greeting included. Well below the time for which a mail is claimed.
const TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(20);

/// Replies that speak about us rather than about the mail: it must wait until the operator has mended the login.
const OUR_FAULT: [u16; 4] = [530, 534, 535, 538];

/// How a try ended.
pub type Delivery = Result<(), Failure>;

/// Why the server did not take the mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Trying again cannot help.
    pub permanent: bool,
    /// One line for the log and the outbox; never holds a credential.
    pub text: String,
}

impl Failure {
    pub(super) fn permanent(text: impl fmt::Display) -> Failure {
        Failure {
            permanent: true,
            text: one_line(&text.to_string()),
        }
    }

    pub(super) fn temporary(text: impl fmt::Display) -> Failure {
        Failure {
            permanent: false,
            text: one_line(&text.to_string()),
        }
    }
}

/// Connections to one SMTP server, as one user. Clones share them.
#[derive(Clone, Debug)]
pub struct Transport {
    smtp: AsyncSmtpTransport<Tokio1Executor>,
}

impl Transport {
    /// Connects with the first message. `hello` is how we name ourselves in EHLO; an address literal where it is no domain.
    pub fn new(url: &SmtpUrl, hello: Option<&str>) -> Result<Transport, Failure> {
        let tls = || TlsParameters::new_rustls(url.host.clone()).map_err(Failure::temporary);
        let tls = match url.encryption {
            Encryption::None => Tls::None,
            Encryption::Opportunistic => Tls::Opportunistic(tls()?),
            Encryption::Required => Tls::Required(tls()?),
            Encryption::Implicit => Tls::Wrapper(tls()?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(url.host.clone())
            .port(url.port)
            .tls(tls)
            .timeout(Some(CONNECT_TIMEOUT))
            .pool_config(PoolConfig::new().max_size(8).idle_timeout(IDLE));
        if let Some(name) = hello.filter(|name| name.contains('.')) {
            builder = builder.hello_name(ClientId::Domain(name.to_owned()));
        }
        if let Some((user, password)) = &url.credentials {
            builder = builder.credentials(Credentials::new(
                user.clone(),
                password.expose_secret().to_owned(),
            ));
        }
        Ok(Transport {
            smtp: builder.build(),
        })
    }

    /// Sends one message. A failure is permanent only if the server refused this very mail for good (5xx).
    pub async fn send(&self, message: Message) -> Delivery {
        match tokio::time::timeout(TIMEOUT, self.offer(message)).await {
            Ok(delivery) => delivery,
            Err(_) => Err(Failure::temporary(format!(
                "no answer within {} s",
                TIMEOUT.as_secs()
            ))),
        }
    }

    async fn offer(&self, message: Message) -> Delivery {
        // What fails before the mail is offered (greeting, login) says nothing about the mail.
        self.smtp
            .test_connection()
            .await
            .map_err(|error| Failure::temporary(causes(&error)))?;
        self.smtp
            .send(message)
            .await
            .map(drop)
            .map_err(|error| classify(&error))
    }

    /// Says QUIT on idle connections.
    pub async fn close(&self) {
        self.smtp.shutdown().await;
    }
}

fn classify(error: &lettre::transport::smtp::Error) -> Failure {
    let status = error.status().map(u16::from);
    let permanent = error.is_permanent() && !status.is_some_and(|code| OUR_FAULT.contains(&code));
    Failure {
        permanent,
        text: one_line(&causes(error)),
    }
}

/// The error and what caused it, without saying anything twice.
fn causes(error: &lettre::transport::smtp::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| {
        match text.contains(&cause.to_string()) {
            true => text,
            false => format!("{text}: {cause}"),
        }
    })
}

/// Servers may answer anything: control characters and excess go.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect::<String>()
        .trim()
        .to_owned()
}
