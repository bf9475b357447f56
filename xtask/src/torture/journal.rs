//! What a client meant to do, and what it was told: one file a client, a line before each request and one after.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A change that a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Act {
    Register {
        email: String,
        password: String,
    },
    Verify {
        email: String,
        token: String,
    },
    SignIn {
        email: String,
        password: String,
        session: usize,
        lms: bool,
    },
    Refresh {
        email: String,
        session: usize,
        token: String,
    },
    SignOut {
        email: String,
        session: usize,
        token: String,
    },
    Forgot {
        email: String,
    },
    Reset {
        email: String,
        token: String,
        password: String,
    },
    Mint {
        email: String,
        uid: String,
    },
    Open {
        email: String,
        token: String,
    },
    CreateKey {
        name: String,
    },
    RevokeKey {
        name: String,
        id: String,
    },
}

impl Act {
    /// The account or key that it concerns.
    pub(crate) fn subject(&self) -> &str {
        match self {
            Self::Register { email, .. }
            | Self::Verify { email, .. }
            | Self::SignIn { email, .. }
            | Self::Refresh { email, .. }
            | Self::SignOut { email, .. }
            | Self::Forgot { email }
            | Self::Reset { email, .. }
            | Self::Mint { email, .. }
            | Self::Open { email, .. } => email,
            Self::CreateKey { name } | Self::RevokeKey { name, .. } => name,
        }
    }
}

/// What a good answer held: the credential handed out, and the identifier.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Got {
    pub(crate) token: String,
    pub(crate) id: String,
    /// The second credential of the same session: the access token beside a refresh token.
    pub(crate) access: String,
}

/// A line of a journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Event {
    Intent(Act),
    /// The answer to the intent before it: the change is acknowledged.
    Done(Got),
    /// The answer was a refusal, or a fault of the server: it may or may not have happened.
    Refused(String),
}

/// An event and when (CLOCK_MONOTONIC, nanoseconds) it was noted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) time: u64,
    pub(crate) event: Event,
}

/// The clock that the shim stamps its log with.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal(File);

impl Journal {
    pub(crate) fn create(path: &Path) -> Result<Journal> {
        let file = File::create(path);
        Ok(Journal(file.with_context(|| {
            format!("cannot create {}", path.display())
        })?))
    }

    /// Appends an event; it is in the file when this answers.
    pub(crate) fn note(&mut self, event: Event) -> Result<()> {
        let mut line = serde_json::to_vec(&Entry { time: now(), event })?;
        line.push(b'\n');
        Ok(self.0.write_all(&line)?)
    }
}

/// Reads a journal back.
pub(crate) fn read(path: &Path) -> Result<Vec<Entry>> {
    let text = std::fs::read_to_string(path)?;
    text.lines()
        .map(|line| serde_json::from_str(line).context("a journal's line"))
        .collect()
}

/// How an act ended, as far as a moment shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done(Got),
    /// Asked for, not acknowledged.
    Open,
    Refused(String),
}

/// The acts begun up to a moment, in order.
pub(crate) fn acts_until(entries: &[Entry], time: u64) -> Vec<(Act, Outcome)> {
    let mut acts: Vec<(Act, Outcome)> = Vec::new();
    for entry in entries.iter().filter(|entry| entry.time <= time) {
        match (&entry.event, acts.last_mut()) {
            (Event::Intent(act), _) => acts.push((act.clone(), Outcome::Open)),
            (Event::Done(got), Some(last)) => last.1 = Outcome::Done(got.clone()),
            (Event::Refused(why), Some(last)) => last.1 = Outcome::Refused(why.clone()),
            (Event::Done(_) | Event::Refused(_), None) => {}
        }
    }
    acts
}
