//! Mail over SMTP, from the outbox.

mod message;
mod smtp_url;
mod transport;
mod worker;

pub use message::{Envelope, build};
pub use smtp_url::{Encryption, SmtpUrl};
pub use transport::{Delivery, Failure, Transport};
pub use worker::{MailWorker, Sender};
