//! An SMTP server (RFC 5321) that keeps what it is given, and fails as it is told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What the sink does with a message. Each behaviour is used up by one message; afterwards all goes well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Take,
    /// A reply instead of the greeting.
    Greet(&'static str),
    /// A reply to MAIL FROM, RCPT TO, DATA, or to the dot at the end.
    Mail(&'static str),
    Rcpt(&'static str),
    Data(&'static str),
    Dot(&'static str),
    /// Hangs up: at once, after the recipient, or with the whole message in hand and no word about it.
    DropAtOnce,
    DropAfterRcpt,
    DropAfterDot,
    /// Takes the message and says so twice: the second line must disturb nothing.
    Chatty,
}

/// A message as it came, with its envelope.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    pub(crate) from: Vec<String>,
    pub(crate) to: Vec<String>,
    pub(crate) data: String,
    /// Whether the sink said that it has it.
    pub(crate) acknowledged: bool,
}

#[derive(Debug, Default)]
struct State {
    behaviours: VecDeque<Behaviour>,
    received: Vec<Received>,
    commands: Vec<String>,
    connections: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Sink {
    state: Arc<Mutex<State>>,
    arrived: Arc<Notify>,
    pub(crate) port: u16,
}

impl Sink {
    pub(crate) async fn start() -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let sink = Sink {
            state: Arc::default(),
            arrived: Arc::default(),
            port,
        };
        let serving = sink.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        sink
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// What to do with the next messages, one after the other.
    pub(crate) fn behave(&self, behaviours: &[Behaviour]) {
        self.state.lock().unwrap().behaviours = behaviours.iter().copied().collect();
    }

    /// Every message whose end arrived, acknowledged or not; the sink forgets them.
    pub(crate) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.state.lock().unwrap().received)
    }

    /// Every command that a client gave so far.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.state.lock().unwrap().commands.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// Waits until this many messages have come.
    pub(crate) async fn holds(&self, count: usize) {
        loop {
            let arrived = self.arrived.notified();
            if self.state.lock().unwrap().received.len() >= count {
                return;
            }
            arrived.await;
        }
    }

    fn behaviour(&self) -> Behaviour {
        self.state
            .lock()
            .unwrap()
            .behaviours
            .front()
            .copied()
            .unwrap_or(Behaviour::Take)
    }

    fn used_up(&self) {
        self.state.lock().unwrap().behaviours.pop_front();
    }

    async fn serve(&self, stream: TcpStream) -> Option<()> {
        self.state.lock().unwrap().connections += 1;
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader);
        match self.behaviour() {
            Behaviour::DropAtOnce => {
                self.used_up();
                return None;
            }
            Behaviour::Greet(reply) => {
                self.used_up();
                say(&mut writer, reply).await?;
            }
            _ => say(&mut writer, "220 sink.test ESMTP").await?,
        }
        let mut message = Received::default();
        loop {
            let line = line(&mut lines).await?;
            self.state.lock().unwrap().commands.push(line.clone());
            let (verb, rest) = line.split_once([' ', ':']).unwrap_or((&line, ""));
            let behaviour = self.behaviour();
            let reply = match verb.to_ascii_uppercase().as_str() {
                "EHLO" => {
                    "250-sink.test\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 10000000"
                }
                "AUTH" if rest.ends_with(&STANDARD.encode("\0postman\0right")) => "235 welcome",
                "AUTH" => "535 5.7.8 wrong",
                "MAIL" => {
                    message.from.push(rest.to_owned());
                    match behaviour {
                        Behaviour::Mail(reply) => self.fails(&mut message, reply),
                        _ => "250 ok",
                    }
                }
                "RCPT" => {
                    message.to.push(rest.to_owned());
                    match behaviour {
                        Behaviour::Rcpt(reply) => self.fails(&mut message, reply),
                        Behaviour::DropAfterRcpt => {
                            self.used_up();
                            return None;
                        }
                        _ => "250 ok",
                    }
                }
                "DATA" => match behaviour {
                    Behaviour::Data(reply) => self.fails(&mut message, reply),
                    _ => {
                        say(&mut writer, "354 go on").await?;
                        message.data = data(&mut lines).await?;
                        self.has(std::mem::take(&mut message))?
                    }
                },
                "RSET" => {
                    message = Received::default();
                    "250 ok"
                }
                "NOOP" => "250 ok",
                "QUIT" => {
                    say(&mut writer, "221 bye").await;
                    return Some(());
                }
                _ => "500 what?",
            };
            say(&mut writer, reply).await?;
        }
    }

    fn fails(&self, message: &mut Received, reply: &'static str) -> &'static str {
        *message = Received::default();
        self.used_up();
        reply
    }

    /// Keeps the message; the reply to its dot, or `None` to hang up.
    fn has(&self, mut message: Received) -> Option<&'static str> {
        let behaviour = self.behaviour();
        self.used_up();
        let reply = match behaviour {
            Behaviour::DropAfterDot => None,
            Behaviour::Dot(reply) => Some(reply),
            Behaviour::Chatty => Some("250-got it\r\n250 really"),
            _ => Some("250 taken"),
        };
        message.acknowledged = reply.is_some_and(|reply| reply.starts_with("250"));
        self.state.lock().unwrap().received.push(message);
        self.arrived.notify_waiters();
        reply
    }
}

async fn say(writer: &mut (impl AsyncWriteExt + Unpin), reply: &str) -> Option<()> {
    writer
        .write_all(format!("{reply}\r\n").as_bytes())
        .await
        .ok()
}

/// A line without its CRLF; a bare LF stays inside.
async fn line(lines: &mut (impl AsyncBufReadExt + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        if lines.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
    }
    line.truncate(line.len() - 2);
    Some(String::from_utf8(line).expect("UTF-8"))
}

/// The message up to the lone dot, its doubled dots undone.
async fn data(lines: &mut (impl AsyncBufReadExt + Unpin)) -> Option<String> {
    let mut data = String::new();
    loop {
        let line = line(lines).await?;
        if line == "." {
            return Some(data);
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
        data.push_str("\r\n");
    }
}

impl Received {
    fn head(&self) -> String {
        self.data
            .split_once("\r\n\r\n")
            .expect("a head")
            .0
            .replace("\r\n ", " ")
            .replace("\r\n\t", " ")
    }

    /// The values of a header, unfolded.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let prefix = format!("{}:", name.to_ascii_lowercase());
        let head = self.head();
        let lines = head
            .split("\r\n")
            .filter(|line| line.to_ascii_lowercase().starts_with(&prefix));
        lines
            .map(|line| line[prefix.len()..].trim().to_owned())
            .collect()
    }

    /// The header, which must be there once.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> String {
        let values = self.all(name);
        assert_eq!(values.len(), 1, "{name}: {values:?} in\n{}", self.data);
        values[0].clone()
    }

    /// The names of all headers, in lower case, sorted.
    pub(crate) fn header_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .head()
            .split("\r\n")
            .map(|line| line.split(':').next().unwrap().to_ascii_lowercase())
            .collect();
        names.sort();
        names
    }

    /// Media type and decoded content of each part.
    pub(crate) fn parts(&self) -> Vec<(String, String)> {
        let kind = self.header("content-type");
        let boundary = kind
            .split("boundary=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_else(|| panic!("no boundary in {kind}"));
        let body = self.data.split_once("\r\n\r\n").unwrap().1;
        let delimiter = format!("--{boundary}");
        let pieces = body
            .split(&delimiter)
            .skip(1)
            .filter(|piece| !piece.starts_with("--"));
        pieces
            .map(|piece| part(piece.trim_start_matches("\r\n")))
            .collect()
    }
}

fn part(piece: &str) -> (String, String) {
    let (head, body) = piece.split_once("\r\n\r\n").expect("a part with a head");
    let value = |name: &str| {
        head.split("\r\n")
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .starts_with(name)
                    .then(|| line[name.len()..].trim().to_owned())
            })
            .unwrap_or_default()
    };
    let body = body.strip_suffix("\r\n").unwrap_or(body);
    let content = match value("content-transfer-encoding:").as_str() {
        "quoted-printable" => quoted_printable(body),
        "base64" => String::from_utf8(STANDARD.decode(body.replace("\r\n", "")).unwrap()).unwrap(),
        _ => body.to_owned(),
    };
    (value("content-type:"), content)
}

fn quoted_printable(text: &str) -> String {
    let joined = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match (first, after) {
            (b'=', [high, low, ..]) => {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}
