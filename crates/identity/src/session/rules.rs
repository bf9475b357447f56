//! The refresh rule, the same under every dialect.

use std::time::Duration;

use crate::ports::Micros;

/// After a change of generation, the tokens it replaced still answer for so long (two tabs, a lost answer).
pub(crate) const GRACE: Duration = Duration::from_secs(30);

/// What a session's row says about generations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Generations {
    pub(crate) current: i64,
    /// The generation that was current when the present grace window opened.
    pub(crate) window: i64,
    pub(crate) window_at: Micros,
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

pub(crate) fn turn(row: Generations, token: i64, now: Micros) -> Turn {
    match token {
        token if token > row.current => Turn::Replay,
        token if token == row.current => Turn::Next,
        token if token == row.current - 1 => Turn::Again,
        token if token >= row.window && now.since(row.window_at) <= GRACE => Turn::Again,
        _ => Turn::Replay,
    }
}

/// The row after its current generation was turned into the next.
pub(crate) fn advance(row: Generations, now: Micros) -> Generations {
    let (window, window_at) = if now.since(row.window_at) <= GRACE && now >= row.window_at {
        (row.window, row.window_at)
    } else {
        (row.current, now)
    };
    Generations {
        current: row.current + 1,
        window,
        window_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Micros {
        Micros(seconds * 1_000_000)
    }

    #[test]
    fn current_previous_and_replayed() {
        let mut row = Generations {
            current: 0,
            window: 0,
            window_at: at(0),
        };
        for second in [100, 200, 300] {
            assert_eq!(turn(row, row.current, at(second)), Turn::Next);
            row = advance(row, at(second));
        }
        assert_eq!(row.current, 3);
        assert_eq!(
            turn(row, 2, at(9_000)),
            Turn::Again,
            "the one just before, however late"
        );
        assert_eq!(
            turn(row, 1, at(301)),
            Turn::Replay,
            "replaced at 200, long before the window of 300"
        );
        assert_eq!(turn(row, 0, at(301)), Turn::Replay);
        assert_eq!(turn(row, 4, at(301)), Turn::Replay, "never issued");
    }

    #[test]
    fn several_turns_within_the_window_all_answer() {
        let mut row = Generations {
            current: 5,
            window: 5,
            window_at: at(0),
        };
        for second in [100, 105, 110] {
            row = advance(row, at(second));
        }
        for token in 5..8 {
            assert_eq!(turn(row, token, at(130)), Turn::Again, "{token}");
        }
        assert_eq!(turn(row, 4, at(111)), Turn::Replay);
        assert_eq!(turn(row, 5, at(131)), Turn::Replay);
        assert_eq!(turn(row, 7, at(131)), Turn::Again);
    }
}
