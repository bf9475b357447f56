//! Spans as people write them in settings: `45s`, `15m`, `12h`, `90d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A span of whole seconds, written with one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let wrong = || {
            format!(
                "`{text}` is not a span of time; write a number and a unit, as in 45s, 15m, 12h or 90d"
            )
        };
        let (unit, seconds) = UNITS
            .iter()
            .find(|(unit, _)| text.ends_with(unit))
            .ok_or_else(wrong)?;
        let digits = text
            .strip_suffix(unit)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .ok_or_else(wrong)?;
        let count: u64 = digits.parse().map_err(|_| wrong())?;
        let total = count
            .checked_mul(*seconds)
            .filter(|total| (1..=86_400 * 36_500).contains(total))
            .ok_or_else(wrong)?;
        Ok(Span(Duration::from_secs(total)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match UNITS.iter().find(|(_, size)| seconds.is_multiple_of(*size)) {
            Some((unit, size)) => write!(f, "{}{unit}", seconds / size),
            None => write!(f, "{seconds}s"),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_in_the_largest_unit() {
        for (text, shown) in [
            ("90d", "90d"),
            ("24h", "1d"),
            ("90m", "90m"),
            ("60s", "1m"),
            ("45s", "45s"),
        ] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "d",
            "0s",
            "-1d",
            "1.5h",
            "1w",
            "10",
            " 1d",
            "99999999999999999999d",
            "１d",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
