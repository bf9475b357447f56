//! The refresh rule, the same under every dialect.

use std::time::Duration;

use crate::ports::Micros;

/// After a change of generation, the tokens it replaced still answer for so long (two tabs, a lost answer).
pub(crate) const GRACE: Duration = Duration::from_secs(30);

/// Replacements remembered at most; a client that turns a session faster than that within the grace is none of ours.
const REMEMBERED: usize = 32;

/// What a session's row says about generations.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Generations {
    pub(crate) current: i64,
    /// When the generations before it were replaced, as far as that may still matter; the one just before comes last.
    pub(crate) replaced_at: Vec<Micros>,
}

/// What a token of some generation is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The current one: on to the next generation.
    Next,
    /// A client that lost the answer, or two racing: the current generation again.
    Again,
    /// Older: somebody kept a copy. The session ends.
    Replay,
}

pub(crate) fn turn(row: &Generations, token: i64, now: Micros) -> Turn {
    match row.current - token {
        ..0 => Turn::Replay,
        0 => Turn::Next,
        1 => Turn::Again,
        age => {
            let place = usize::try_from(age)
                .ok()
                .and_then(|age| row.replaced_at.len().checked_sub(age));
            let at = place.and_then(|place| row.replaced_at.get(place));
            match at {
                Some(at) if is_fresh(*at, now) => Turn::Again,
                _ => Turn::Replay,
            }
        }
    }
}

/// The row after its current generation was turned into the next.
pub(crate) fn advance(row: &Generations, now: Micros) -> Generations {
    let stale = row
        .replaced_at
        .iter()
        .take_while(|at| !is_fresh(**at, now))
        .count();
    let crowded = (row.replaced_at.len() + 1).saturating_sub(REMEMBERED);
    let kept = row.replaced_at.iter().skip(stale.max(crowded)).copied();
    Generations {
        current: row.current + 1,
        replaced_at: kept.chain([now]).collect(),
    }
}

/// Within the grace, also for a node whose clock is a little behind; one that went back makes nothing fresh.
fn is_fresh(at: Micros, now: Micros) -> bool {
    now.is_within(GRACE, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Micros {
        Micros(seconds * 1_000_000)
    }

    fn turned_at(seconds: &[i64]) -> Generations {
        let fresh = Generations {
            current: 0,
            replaced_at: Vec::new(),
        };
        seconds.iter().fold(fresh, |row, second| {
            assert_eq!(turn(&row, row.current, at(*second)), Turn::Next);
            advance(&row, at(*second))
        })
    }

    #[test]
    fn current_previous_and_replayed() {
        let row = turned_at(&[100, 200, 300]);
        assert_eq!(row.current, 3);
        for (token, second, expected) in [
            (3, 9_000, Turn::Next),
            (2, 9_000, Turn::Again),
            (1, 301, Turn::Replay),
            (0, 301, Turn::Replay),
            (4, 301, Turn::Replay),
            (-1, 301, Turn::Replay),
        ] {
            assert_eq!(
                turn(&row, token, at(second)),
                expected,
                "{token} at {second}"
            );
        }
    }

    #[test]
    fn each_generation_has_its_own_half_minute() {
        let row = turned_at(&[0, 25, 31, 50]);
        for (token, second, expected) in [
            (0, 30, Turn::Again),
            (0, 51, Turn::Replay),
            (1, 55, Turn::Again),
            (1, 56, Turn::Replay),
            (2, 61, Turn::Again),
            (2, 62, Turn::Replay),
            (3, 9_000, Turn::Again),
        ] {
            // The row as it was at that second would be younger; what it forgot must not matter.
            let row = if second < 50 {
                turned_at(&[0, 25])
            } else {
                row.clone()
            };
            assert_eq!(
                turn(&row, token, at(second)),
                expected,
                "{token} at {second}"
            );
        }
    }

    #[test]
    fn a_clock_that_went_back_revives_nothing_and_the_memory_is_bounded() {
        let row = turned_at(&[100, 110]);
        assert_eq!(turn(&row, 0, at(50)), Turn::Replay);
        assert_eq!(turn(&row, 0, at(98)), Turn::Again, "another node's clock");
        let busy = turned_at(&[7; 100]);
        assert_eq!(busy.replaced_at.len(), REMEMBERED);
        assert_eq!(turn(&busy, 100 - 32, at(8)), Turn::Again);
        assert_eq!(turn(&busy, 100 - 33, at(8)), Turn::Replay);
    }
}
