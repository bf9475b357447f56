//! Each line of the log as one JSON object: `timestamp`, `level`, the event's own fields, `target`.
//!
//! A line is written for each request. `tracing-subscriber`'s own JSON took 13,000 instructions more, a third of a whole answer
//! of the key set.

use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::mem;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;

/// Longer lines leave no such buffer behind.
const USUAL: usize = 4_096;

/// Writes each event to what it is made of.
pub(super) struct Lines<M>(pub(super) M);

impl<S: Subscriber, M: for<'a> MakeWriter<'a> + 'static> Layer<S> for Lines<M> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Taken, because a value may itself log while it is shown.
        let mut kept = KEPT.try_with(Cell::take).unwrap_or_default();
        let mut line = Line(mem::take(&mut kept.line));
        line.0.extend_from_slice(b"{\"timestamp\":");
        kept.clock.tell(&mut line);
        line.name("level");
        line.own(event.metadata().level().as_str());
        event.record(&mut line);
        line.name("target");
        line.own(event.metadata().target());
        line.0.extend_from_slice(b"}\n");
        // There is no other place to tell that nobody takes the log.
        let _ = self.0.make_writer_for(event.metadata()).write_all(&line.0);
        line.0.clear();
        line.0.shrink_to(USUAL);
        kept.line = line.0;
        let _ = KEPT.try_with(|place| place.set(kept));
    }
}

/// What a thread's next line need not make anew.
#[derive(Default)]
struct Kept {
    line: Vec<u8>,
    clock: Clock,
}

thread_local! {
    static KEPT: Cell<Kept> = Cell::default();
}

/// Many lines are written in one second.
#[derive(Default)]
struct Clock {
    /// Since 1970.
    second: Option<i64>,
    /// That one, as `2026-01-31T23:59:59`.
    shown: String,
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "a line says when it was written, not what time the server works with"
    )]
    fn tell(&mut self, line: &mut Line) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let since = since.unwrap_or_default();
        let second = i64::try_from(since.as_secs()).ok();
        if self.second != second {
            let at = second.and_then(|second| DateTime::from_timestamp(second, 0));
            self.shown = at
                .unwrap_or_default()
                .to_rfc3339_opts(SecondsFormat::Secs, true);
            self.shown.pop();
            self.second = second;
        }
        let mut rest = since.subsec_micros();
        let mut digits = *b".000000Z";
        for digit in digits[1..7].iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        line.0.push(b'"');
        line.0.extend_from_slice(self.shown.as_bytes());
        line.0.extend_from_slice(&digits);
        line.0.push(b'"');
    }
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

/// The inside of a text, piece by piece.
struct Inside<'a>(&'a mut Line);

impl fmt::Write for Inside<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
        let line = &mut *self.0;
        if piece.bytes().all(plain) {
            line.0.extend_from_slice(piece.as_bytes());
            return Ok(());
        }
        let before = line.0.len();
        line.value(piece);
        // Without the quotes.
        line.0.remove(before);
        line.0.pop();
        Ok(())
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
        self.name(field.name());
        self.0.push(b'"');
        // A value that refuses is shown as far as it got.
        let _ = write!(Inside(self), "{value:?}");
        self.0.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Log {
        type Writer = Log;
        fn make_writer(&'a self) -> Log {
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
        let kept = Log::default();
        let subscriber = tracing_subscriber::registry().with(Lines(kept.clone()));
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

    #[test]
    fn lines_of_one_thread_have_nothing_of_each_other() {
        let log = Log::default();
        let subscriber = tracing_subscriber::registry().with(Lines(log.clone()));
        let long = "x\n".repeat(USUAL);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(long, "long");
            tracing::info!("short");
            tracing::info!(refuses = ?Refuses, "odd");
            tracing::info!("last");
        });
        let written = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = written
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let told: Vec<_> = lines.iter().map(|line| &line["message"]).collect();
        assert_eq!(told, ["long", "short", "odd", "last"]);
        assert_eq!(lines[0]["long"], long);
        let own = |line: &Value| line.as_object().unwrap().len();
        assert_eq!(lines.iter().map(own).collect::<Vec<_>>(), [5, 4, 5, 4]);
    }
}
