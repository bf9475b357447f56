//! One mail as bytes: headers, and the same content as text and as HTML.

use std::time::{Duration, UNIX_EPOCH};

use lettre::Message;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use vestibule_identity::Micros;

use super::transport::Failure;

/// RFC 3834: no vacation notice or ticket answers this.
#[derive(Clone, Debug)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// What goes around the rendered texts.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// `Name <address>` or an address.
    pub from: &'a str,
    pub to: &'a str,
    /// The same at every try, so that a mail sent twice is shown once.
    pub message_id: &'a str,
    pub date: Micros,
}

/// Puts the message together; fails for good if an address cannot be written.
pub fn build(
    envelope: Envelope<'_>,
    subject: &str,
    text: String,
    html: String,
) -> Result<Message, Failure> {
    let from: Mailbox = envelope
        .from
        .parse()
        .map_err(|_| Failure::temporary("the sender's address is not valid"))?;
    let address = envelope
        .to
        .parse()
        .map_err(|_| Failure::permanent("the recipient's address is not valid"))?;
    let date = UNIX_EPOCH + Duration::from_micros(u64::try_from(envelope.date.0).unwrap_or(0));
    let id = envelope.message_id.trim_matches(['<', '>']);
    Message::builder()
        .from(from)
        .to(Mailbox::new(None, address))
        .subject(subject.replace(['\r', '\n'], " "))
        .date(date)
        .message_id(Some(format!("<{id}>")))
        .header(AutoSubmitted)
        .multipart(MultiPart::alternative_plain_html(text, html))
        .map_err(Failure::permanent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope<'a>(from: &'a str, to: &'a str) -> Envelope<'a> {
        Envelope {
            from,
            to,
            message_id: "<abc@acme.test>",
            date: Micros(1_700_000_000_000_000),
        }
    }

    #[test]
    fn a_message_has_both_parts_and_stable_headers() {
        let sent = build(
            envelope("Acmé <no-reply@acme.test>", "ann@acme.test"),
            "Grüße",
            "text é".into(),
            "<p>html é</p>".into(),
        );
        let message = String::from_utf8(sent.unwrap().formatted()).unwrap();
        for line in [
            "Message-ID: <abc@acme.test>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n",
            "To: ann@acme.test\r\n",
            "Content-Type: multipart/alternative;",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Content-Type: text/html; charset=utf-8\r\n",
        ] {
            assert!(message.contains(line), "{line} in {message}");
        }
    }

    #[test]
    fn a_subject_cannot_add_headers() {
        let sent = build(
            envelope("no-reply@acme.test", "ann@acme.test"),
            "Hi\r\nBcc: eve@evil.test",
            "t".into(),
            "h".into(),
        );
        let message = String::from_utf8(sent.unwrap().formatted()).unwrap();
        assert!(!message.contains("\r\nBcc:"), "{message}");
    }

    #[test]
    fn addresses_that_cannot_be_written_fail() {
        let fails = |from, to| {
            build(envelope(from, to), "s", "t".into(), "h".into())
                .unwrap_err()
                .permanent
        };
        assert!(fails("no-reply@acme.test", "not an address"));
        assert!(fails(
            "no-reply@acme.test",
            "ann@acme.test\r\nRCPT TO:<eve@evil.test>"
        ));
        assert!(!fails("nobody", "ann@acme.test"));
    }
}
