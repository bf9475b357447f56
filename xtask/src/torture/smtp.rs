//! A mail server that keeps the link of each confirmation mail, by its recipient.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Clones are the same sink. Its threads end with the process.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    tokens: Arc<Mutex<HashMap<String, String>>>,
    port: u16,
}

impl Sink {
    pub(crate) fn start() -> Result<Sink> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let sink = Sink {
            tokens: Arc::default(),
            port: listener.local_addr()?.port(),
        };
        let serving = sink.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                thread::spawn(move || serving.serve(&stream));
            }
        });
        Ok(sink)
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}?tls=none", self.port)
    }

    /// The token that was mailed to an address; waits for it.
    pub(crate) fn token(&self, email: &str, wait: Duration) -> Option<String> {
        let until = Instant::now() + wait;
        loop {
            let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            let found = tokens.get(email).cloned();
            drop(tokens);
            if found.is_some() || Instant::now() >= until {
                return found;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// One connection (RFC 5321), up to QUIT or its loss.
    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut answer = stream;
        let mut lines = BufReader::new(stream).lines();
        let mut to = String::new();
        answer.write_all(b"220 sink\r\n")?;
        while let Some(line) = lines.next().transpose()? {
            let reply = match line.get(..4).unwrap_or_default() {
                "RCPT" => {
                    let address = line.split(['<', '>']).nth(1);
                    to = address.unwrap_or_default().to_owned();
                    "250 ok"
                }
                "DATA" => {
                    answer.write_all(b"354 go on\r\n")?;
                    let mut text = String::new();
                    for line in lines.by_ref() {
                        let line = line?;
                        if line == "." {
                            break;
                        }
                        // Quoted-printable breaks long lines with `=`, and writes `=` as `=3D` (RFC 2045, section 6.7).
                        match line.strip_suffix('=') {
                            Some(start) => text.push_str(start),
                            None => text.extend([line.as_str(), "\n"]),
                        }
                    }
                    self.keep(&to, &text);
                    "250 ok"
                }
                "QUIT" => return answer.write_all(b"221 bye\r\n"),
                _ => "250 ok",
            };
            answer.write_all(format!("{reply}\r\n").as_bytes())?;
        }
        Ok(())
    }

    fn keep(&self, to: &str, text: &str) {
        let Some((_, rest)) = text.split_once("/verify-email/") else {
            return;
        };
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
        let token = rest[..end.unwrap_or(rest.len())].to_owned();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(to.to_owned(), token);
    }
}
