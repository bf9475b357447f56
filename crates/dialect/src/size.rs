//! How long what expressions put together may be: the engine counts steps, not bytes, and a request of some kilobytes must
//! not make gigabytes.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

/// Of one value, in bytes of text, with a byte for each member of a list or an object. No body is longer, so what a request
/// brings fits.
pub(crate) const LONGEST: usize = 64 * 1024;

const TOO_LONG: &str = "a value is longer than 64 KiB";

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

/// What is left of [`LONGEST`] while parts are put together.
pub(crate) struct Room(usize);

impl Default for Room {
    fn default() -> Room {
        Room(LONGEST)
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
            self.take_bytes(1)?;
            self.take(&member)?;
            if kind == ValueKind::Map {
                self.take(&value.get_item(&member)?)?;
            }
        }
        Ok(())
    }

    pub(crate) fn take_bytes(&mut self, bytes: usize) -> Result<(), Error> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(too_long)?;
        Ok(())
    }

    /// Of so many pieces of that length each.
    pub(crate) fn take_times(&mut self, pieces: usize, bytes: usize) -> Result<(), Error> {
        self.take_bytes(pieces.saturating_mul(bytes))
    }

    /// What is taken already.
    pub(crate) fn taken(&self) -> usize {
        LONGEST - self.0
    }
}
