//! A bounded queue of several lanes that are served in turn, so that the storm of one does not make the others wait.

use std::collections::{HashMap, VecDeque};

/// Jobs of each lane wait in the order in which they came; lanes take turns.
pub(crate) struct Turns<J> {
    lanes: HashMap<i64, VecDeque<J>>,
    /// The lanes that have jobs, the next one first.
    order: VecDeque<i64>,
    len: usize,
}

impl<J> Default for Turns<J> {
    fn default() -> Self {
        Self {
            lanes: HashMap::new(),
            order: VecDeque::new(),
            len: 0,
        }
    }
}

impl<J> Turns<J> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How many jobs would be served before a new one of this lane.
    pub(crate) fn ahead(&self, lane: i64) -> usize {
        let own = self.lanes.get(&lane).map_or(0, VecDeque::len);
        let others = self.lanes.iter().filter(|(other, _)| **other != lane);
        own + others
            .map(|(_, jobs)| jobs.len().min(own + 1))
            .sum::<usize>()
    }

    pub(crate) fn push(&mut self, lane: i64, job: J) {
        let jobs = self.lanes.entry(lane).or_default();
        if jobs.is_empty() {
            self.order.push_back(lane);
        }
        jobs.push_back(job);
        self.len += 1;
    }

    pub(crate) fn pop(&mut self) -> Option<J> {
        let lane = self.order.pop_front()?;
        let jobs = self.lanes.get_mut(&lane)?;
        let job = jobs.pop_front();
        if jobs.is_empty() {
            self.lanes.remove(&lane);
        } else {
            self.order.push_back(lane);
        }
        self.len -= usize::from(job.is_some());
        job
    }

    /// Makes room for a job of this lane at the cost of the longest one's newest; `None` if no other is longer.
    pub(crate) fn yield_to(&mut self, lane: i64) -> Option<J> {
        let own = self.lanes.get(&lane).map_or(0, VecDeque::len);
        let (_, jobs) = self.lanes.iter_mut().max_by_key(|(_, jobs)| jobs.len())?;
        if jobs.len() <= own + 1 {
            return None;
        }
        self.len -= 1;
        jobs.pop_back()
    }

    /// Keeps the jobs that are still wanted.
    pub(crate) fn retain(&mut self, mut wanted: impl FnMut(&J) -> bool) {
        self.lanes.retain(|_, jobs| {
            jobs.retain(&mut wanted);
            !jobs.is_empty()
        });
        let lanes = &self.lanes;
        self.order.retain(|lane| lanes.contains_key(lane));
        self.len = lanes.values().map(VecDeque::len).sum();
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(jobs: &[(i64, &'static str)]) -> Turns<&'static str> {
        let mut turns = Turns::default();
        for (lane, job) in jobs {
            turns.push(*lane, *job);
        }
        turns
    }

    fn drained(mut turns: Turns<&'static str>) -> String {
        std::iter::from_fn(|| turns.pop()).collect()
    }

    #[test]
    fn lanes_take_turns_and_keep_their_own_order() {
        let turns = filled(&[(1, "a"), (1, "b"), (1, "c"), (2, "x"), (3, "y"), (2, "z")]);
        assert_eq!(turns.len(), 6);
        assert_eq!(drained(turns), "axybzc");
    }

    #[test]
    fn who_comes_late_waits_for_one_round_not_for_the_storm() {
        let mut turns = filled(&[(2, "x"), (3, "y")]);
        for _ in 0..100 {
            turns.push(1, "a");
        }
        assert_eq!(turns.ahead(1), 102);
        assert_eq!(turns.ahead(2), 4, "one of each lane, and the round before");
        assert_eq!(turns.ahead(9), 3);
    }

    #[test]
    fn the_longest_lane_gives_way_to_shorter_ones_only() {
        let mut turns = filled(&[(1, "a"), (1, "b"), (1, "c"), (2, "x")]);
        assert_eq!(turns.yield_to(1), None);
        assert_eq!(turns.yield_to(2), Some("c"));
        assert_eq!(turns.yield_to(2), None, "equals do not push each other out");
        assert_eq!(turns.yield_to(9), Some("b"));
        assert_eq!(turns.len(), 2);
        assert_eq!(drained(turns), "ax");
    }

    #[test]
    fn unwanted_jobs_leave_no_empty_lane_behind() {
        let mut turns = filled(&[(1, "a"), (2, "x"), (1, "b")]);
        turns.retain(|job| *job != "x");
        assert_eq!((turns.len(), turns.ahead(2)), (2, 1));
        assert_eq!(drained(turns), "ab");
    }
}
