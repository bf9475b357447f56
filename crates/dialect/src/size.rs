//! How large what a request brings and what expressions put together may be: the engine counts steps, neither bytes nor
//! members, and a request of some kilobytes must not make gigabytes or minutes.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

/// Of one value, in bytes of text. No body is longer.
pub(crate) const LONGEST: usize = 64 * 1024;

/// Items of lists and fields of objects in one value, or in one request's body or query.
pub(crate) const MOST_MEMBERS: usize = 1_000;

/// What is said of a body with more.
pub(crate) const TOO_MANY: &str = "The request body has more than 1,000 fields.";

const TOO_LONG: &str = "a value is longer than 64 KiB or has more than 1,000 members";

pub(crate) fn too_long() -> Error {
    Error::new(ErrorKind::InvalidOperation, TOO_LONG)
}

/// Whether that is what the error says.
pub(crate) fn is_too_long(error: &Error) -> bool {
    error
        .detail()
        .is_some_and(|detail| detail.contains(TOO_LONG))
}

/// Whether the value is short enough, with all that is in it.
pub(crate) fn measure(value: &Value) -> Result<(), Error> {
    Room::default().take(value)
}

/// What is left of [`LONGEST`] and [`MOST_MEMBERS`] while parts are put together.
pub(crate) struct Room {
    bytes: usize,
    members: usize,
}

impl Default for Room {
    fn default() -> Room {
        Room {
            bytes: LONGEST,
            members: MOST_MEMBERS,
        }
    }
}

impl Room {
    pub(crate) fn take(&mut self, value: &Value) -> Result<(), Error> {
        if let Some(text) = value.as_str() {
            return self.take_bytes(text.len());
        }
        let kind = value.kind();
        if !matches!(kind, ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) {
            return self.take_bytes(1);
        }
        // What cannot be listed is one of ours, such as `user`.
        let Ok(members) = value.try_iter() else {
            return self.take_bytes(1);
        };
        for member in members {
            self.members = self.members.checked_sub(1).ok_or_else(too_long)?;
            self.take(&member)?;
            if kind == ValueKind::Map {
                self.take(&value.get_item(&member)?)?;
            }
        }
        Ok(())
    }

    pub(crate) fn take_bytes(&mut self, bytes: usize) -> Result<(), Error> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(too_long)?;
        Ok(())
    }

    /// Of so many pieces of that length each.
    pub(crate) fn take_times(&mut self, pieces: usize, bytes: usize) -> Result<(), Error> {
        self.take_bytes(pieces.saturating_mul(bytes))
    }

    /// The bytes that are taken already.
    pub(crate) fn taken(&self) -> usize {
        LONGEST - self.bytes
    }
}
