//! Each line of the log as one JSON object: `timestamp`, `level`, the event's own fields, `target`.
//!
//! A line is written for each request. That of `tracing-subscriber` takes three times as long, which is a fifth of what a
//! check of a session costs.

use std::fmt::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Most lines are shorter.
const USUAL: usize = 512;

pub(super) struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line(Vec::with_capacity(USUAL));
        line.0.extend_from_slice(b"{\"timestamp\":");
        line.own(&now());
        line.name("level");
        line.own(event.metadata().level().as_str());
        event.record(&mut line);
        line.name("target");
        line.own(event.metadata().target());
        line.0.extend_from_slice(b"}\n");
        writer.write_str(std::str::from_utf8(&line.0).map_err(|_| fmt::Error)?)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a line says when it was written, not what time the server works with"
)]
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = since.map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    });
    DateTime::from_timestamp_micros(micros)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A line as it grows.
struct Line(Vec<u8>);

impl Line {
    fn name(&mut self, name: &str) {
        self.0.push(b',');
        self.own(name);
        self.0.push(b':');
    }

    /// A word of the program's: none has to be escaped, and looking for what to escape took two fifths of a line's time.
    fn own(&mut self, word: &str) {
        self.0.push(b'"');
        self.0.extend_from_slice(word.as_bytes());
        self.0.push(b'"');
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        self.name(name);
        self.value(value);
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) {
        let before = self.0.len();
        // Texts and numbers can all be written; what nevertheless cannot leaves the line whole.
        if serde_json::to_writer(&mut self.0, value).is_err() {
            self.0.truncate(before);
            self.0.extend_from_slice(b"null");
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field.name(), &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut shown = String::with_capacity(64);
        // A value that refuses is shown as far as it got.
        let _ = write!(shown, "{value:?}");
        self.field(field.name(), &shown);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Kept;
        fn make_writer(&'a self) -> Kept {
            self.clone()
        }
    }

    struct Refuses;

    impl fmt::Debug for Refuses {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("so far")?;
            Err(fmt::Error)
        }
    }

    #[test]
    fn a_line_is_one_object_whatever_is_in_it() {
        let kept = Kept::default();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(kept.clone())
            .event_format(Lines);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            let odd = "line\nend \"quoted\" \u{1b}[31m \u{2028} ü \\";
            let nobody: Option<&str> = None;
            tracing::warn!(
                target: "here",
                odd,
                shown = %odd,
                debug = ?Some("x\n"),
                ms = 0.25,
                none = f64::NAN,
                signed = -3,
                large = u64::MAX,
                yes = true,
                nobody,
                refuses = ?Refuses,
                "what {}", "happened"
            );
        });
        let written = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let line = written.strip_suffix('\n').unwrap();
        assert!(!line.contains('\n'), "{line}");
        let line: Value = serde_json::from_str(line).unwrap();
        let fields: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(
            fields,
            [
                "timestamp",
                "level",
                "message",
                "odd",
                "shown",
                "debug",
                "ms",
                "none",
                "signed",
                "large",
                "yes",
                "refuses",
                "target"
            ]
        );
        assert_eq!(line["odd"], line["shown"]);
        assert_eq!(line["odd"], "line\nend \"quoted\" \u{1b}[31m \u{2028} ü \\");
        assert_eq!(line["debug"], "Some(\"x\\n\")");
        assert_eq!(line["message"], "what happened");
        assert_eq!(line["refuses"], "so far");
        assert_eq!(
            (&line["level"], &line["target"]),
            (&"WARN".into(), &"here".into())
        );
        assert_eq!((&line["ms"], &line["none"]), (&0.25.into(), &Value::Null));
        assert_eq!(
            (&line["signed"], &line["large"]),
            (&(-3).into(), &u64::MAX.into())
        );
        let at = line["timestamp"].as_str().unwrap();
        assert!(
            DateTime::parse_from_rfc3339(at).is_ok() && at.len() == 27,
            "{at}"
        );
    }
}
