//! Names for requests: in logs, audit entries, `X-Request-Id`, and as the reference number on error pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Digits and letters that are not mistaken for one another (Crockford's base 32, lower case).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What 64 bits have at most.
const DIGITS: usize = 13;

/// Hands out `prefix-count`; the prefix is random in each process, so that names differ between nodes and starts.
#[derive(Debug)]
pub(crate) struct RequestIds {
    prefix: String,
    count: AtomicU64,
}

impl RequestIds {
    /// `fill` overwrites its argument with random bytes.
    pub(crate) fn new(fill: impl FnOnce(&mut [u8])) -> RequestIds {
        let mut bytes = [0; 8];
        fill(&mut bytes);
        let prefix = bytes
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
            .collect();
        RequestIds {
            prefix,
            count: AtomicU64::new(1),
        }
    }

    pub(crate) fn next(&self) -> Arc<str> {
        let mut count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut digits = [0; DIGITS];
        let mut first = DIGITS;
        loop {
            first -= 1;
            digits[first] = ALPHABET[(count % 32) as usize];
            count /= 32;
            if count == 0 {
                break;
            }
        }
        let digits = digits[first..].iter().map(|digit| char::from(*digit));
        let mut id = String::with_capacity(self.prefix.len() + 1 + DIGITS);
        id.push_str(&self.prefix);
        id.push('-');
        id.extend(digits);
        id.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_differ() {
        let ids = RequestIds::new(|bytes| bytes.fill(7));
        assert_eq!(&*ids.next(), "77777777-1");
        let last = (0..40).map(|_| ids.next()).last();
        assert_eq!(last.as_deref(), Some("77777777-19"));
        ids.count.store(u64::MAX, Ordering::Relaxed);
        assert_eq!(&*ids.next(), "77777777-fzzzzzzzzzzzz");
    }
}
