//! Lines of the log, written many at a time: a call of the system for each costs a tenth of a check of a session.

use std::io::{self, Write};
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line waits for others: this much of a log is lost where the process is killed.
const PATIENCE: Duration = Duration::from_millis(10);
/// Bytes; who brings more than that together writes them, and waits where nobody reads.
const ENOUGH: usize = 64 * 1024;
/// Bytes that a pipe takes in one piece, however many write to it (`PIPE_BUF` of Linux).
const WHOLE: usize = 4_096;

/// Where lines come together. Warnings and errors wait for nobody, and take what came before them along.
pub(super) struct Gathered<W>(Arc<Shared<W>>);

/// A guard: writes what is still there when it is dropped. What comes after that is written at once.
#[must_use]
pub(crate) struct Rest(Option<Box<dyn FnOnce() + Send>>);

struct Shared<W> {
    lines: Mutex<Waiting>,
    /// Told of the first line, and of the end.
    news: Condvar,
    /// Taken before `lines`, so that lines stay in their order.
    out: Mutex<Out<W>>,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    ended: bool,
}

struct Out<W> {
    to: W,
    /// Takes turns with [`Waiting::bytes`].
    spare: Vec<u8>,
}

impl<W: Write + Send + 'static> Gathered<W> {
    pub(super) fn new(to: W) -> io::Result<(Gathered<W>, Rest)> {
        let shared = Arc::new(Shared {
            lines: Mutex::default(),
            news: Condvar::new(),
            out: Mutex::new(Out {
                to,
                spare: Vec::new(),
            }),
        });
        let (gathers, ends) = (shared.clone(), shared.clone());
        thread::Builder::new()
            .name("log".into())
            .spawn(move || gathers.gather())?;
        let rest = Rest(Some(Box::new(move || ends.end())));
        Ok((Gathered(shared), rest))
    }
}

impl Rest {
    /// Where every line is written at once.
    pub(super) fn none() -> Rest {
        Rest(None)
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        if let Some(write) = self.0.take() {
            write();
        }
    }
}

impl<W: Write> Shared<W> {
    fn gather(&self) {
        let mut lines = self.lines.lock();
        while !lines.ended {
            if lines.bytes.is_empty() {
                self.news.wait(&mut lines);
                continue;
            }
            let until = Instant::now() + PATIENCE;
            while !lines.ended && !self.news.wait_until(&mut lines, until).timed_out() {}
            drop(lines);
            self.write();
            lines = self.lines.lock();
        }
    }

    fn write(&self) {
        let mut out = self.out.lock();
        let Out { to, spare } = &mut *out;
        mem::swap(spare, &mut self.lines.lock().bytes);
        let mut rest = spare.as_slice();
        while !rest.is_empty() {
            let (lines, more) = rest.split_at(whole_lines(rest));
            // There is no other place to tell that nobody takes the log. What is left of a line is closed.
            if to.write_all(lines).is_err() {
                let _ = to.write_all(b"\n");
            }
            rest = more;
        }
        spare.clear();
        spare.shrink_to(ENOUGH);
    }

    fn end(&self) {
        self.lines.lock().ended = true;
        self.news.notify_all();
        self.write();
    }
}

/// How many bytes to write at a time: lines that fit into one piece, or one that does not.
fn whole_lines(bytes: &[u8]) -> usize {
    let is_end = |byte: &u8| *byte == b'\n';
    let piece = &bytes[..bytes.len().min(WHOLE)];
    let last = piece.iter().rposition(is_end);
    let end = last.or_else(|| bytes.iter().position(is_end));
    end.map_or(bytes.len(), |end| end + 1)
}

impl<'a, W: Write + 'a> MakeWriter<'a> for Gathered<W> {
    type Writer = OneLine<'a, W>;

    fn make_writer(&'a self) -> OneLine<'a, W> {
        OneLine {
            shared: &self.0,
            urgent: true,
        }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> OneLine<'a, W> {
        OneLine {
            shared: &self.0,
            urgent: *meta.level() <= Level::WARN,
        }
    }
}

/// One line on its way.
pub(super) struct OneLine<'a, W> {
    shared: &'a Shared<W>,
    urgent: bool,
}

impl<W: Write> Write for OneLine<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.shared.lines.lock();
        let first = lines.bytes.is_empty();
        lines.bytes.extend_from_slice(line);
        let at_once = self.urgent || lines.ended || lines.bytes.len() >= ENOUGH;
        drop(lines);
        if at_once {
            self.shared.write();
        } else if first {
            self.shared.news.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Tells each call that the system would get.
    struct Calls(Sender<String>);

    impl Write for Calls {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            // Nobody listens to what comes after a test.
            let _ = self.0.send(text);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logging() -> (tracing::subscriber::DefaultGuard, Rest, Receiver<String>) {
        let (tell, calls) = channel();
        let (gathered, rest) = Gathered::new(Calls(tell)).unwrap();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(gathered)
            .without_time()
            .with_level(false)
            .with_target(false)
            .with_ansi(false);
        let subscriber = tracing_subscriber::registry().with(layer);
        (tracing::subscriber::set_default(subscriber), rest, calls)
    }

    #[test]
    fn a_line_that_stays_alone_is_written_by_itself() {
        let (_guard, _rest, calls) = logging();
        for line in ["first", "second"] {
            tracing::info!("{line}");
            assert_eq!(calls.recv().unwrap(), format!("{line}\n"));
        }
    }

    #[test]
    fn a_warning_waits_for_nobody_and_keeps_its_place() {
        let (_guard, _rest, calls) = logging();
        tracing::info!("before");
        tracing::warn!("warning");
        // All that was to be written is written when the call is back.
        let written: String = calls.try_iter().collect();
        assert_eq!(written, "before\nwarning\n");
    }

    #[test]
    fn what_is_there_at_the_end_is_written_and_what_comes_later_too() {
        let (_guard, rest, calls) = logging();
        tracing::info!("last");
        drop(rest);
        tracing::info!("after the end");
        let written: String = calls.try_iter().collect();
        assert_eq!(written, "last\nafter the end\n");
    }

    /// Takes half of the second call, and no more of it.
    #[derive(Clone, Default)]
    struct Full(Arc<Mutex<(u32, Vec<u8>)>>);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (calls, taken) = &mut *self.0.lock();
            *calls += 1;
            if *calls == 3 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let length = if *calls == 2 {
                bytes.len() / 2
            } else {
                bytes.len()
            };
            taken.extend_from_slice(&bytes[..length]);
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_piece_that_is_not_taken_spoils_no_other() {
        let full = Full::default();
        let (Gathered(shared), _rest) = Gathered::new(full.clone()).unwrap();
        // Ended, so that nobody else writes.
        shared.end();
        let line = |number: usize| format!("{number:04} {}\n", "x".repeat(250));
        let given: Vec<String> = (0..60).map(line).collect();
        shared.lines.lock().bytes = given.concat().into_bytes();
        shared.write();
        let taken = String::from_utf8(full.0.lock().1.clone()).unwrap();
        let whole: Vec<&str> = taken
            .split_inclusive('\n')
            .filter(|line| given.iter().any(|given| given == line))
            .collect();
        let (first, second) = (WHOLE / given[0].len(), WHOLE / given[0].len() / 2);
        assert!(whole.len() >= 60 - first + second, "{}", whole.len());
        assert_eq!(
            whole[first + second..].first(),
            given.get(2 * first).map(String::as_str).as_ref()
        );
        assert_eq!(whole.last(), given.last().map(String::as_str).as_ref());
    }

    #[test]
    fn lines_go_in_pieces_that_a_pipe_takes_whole() {
        let lines = |lengths: &[usize]| -> Vec<u8> {
            let line = |length: &usize| [vec![b'x'; length - 1], vec![b'\n']].concat();
            lengths.iter().flat_map(line).collect()
        };
        assert_eq!(whole_lines(&lines(&[10, 20])), 30);
        assert_eq!(whole_lines(&lines(&[4_000, 96, 1])), 4_096);
        assert_eq!(whole_lines(&lines(&[4_000, 97])), 4_000);
        assert_eq!(whole_lines(&lines(&[9_000, 10])), 9_000);
        assert_eq!(whole_lines(b"no end"), 6);
    }

    #[test]
    fn lines_of_many_threads_are_whole_in_order_and_few_calls() {
        const EACH: usize = 20_000;
        let (guard, rest, calls) = logging();
        let subscriber = tracing::dispatcher::get_default(Clone::clone);
        thread::scope(|scope| {
            for who in 0..4 {
                let subscriber = subscriber.clone();
                scope.spawn(move || {
                    tracing::dispatcher::with_default(&subscriber, || {
                        for line in 0..EACH {
                            tracing::info!("{who} {line}");
                        }
                    });
                });
            }
        });
        drop((guard, rest));
        let calls: Vec<String> = calls.try_iter().collect();
        assert!(calls.len() < EACH / 10, "{} calls", calls.len());
        let mut next = [0; 4];
        for line in calls.concat().lines() {
            let (who, line) = line.split_once(' ').unwrap();
            let next = &mut next[who.parse::<usize>().unwrap()];
            assert_eq!(line.parse::<usize>().unwrap(), *next);
            *next += 1;
        }
        assert_eq!(next, [EACH; 4]);
    }
}
