//! Time series of a run for its report: taps accepted, refused and decided alone, what the hub does not know yet.
//!
//! The world says when a gate answers and when time has passed; nothing here plans an event, so looking changes
//! nothing in a run. However long a run is, at most [`POINTS_MAX`] points are kept: when they are full, neighbours
//! are merged and the period doubles.

use std::collections::{BTreeMap, VecDeque};

use sync_protocol::fact::Direction;
use sync_protocol::id::{Seq, SiteId, TerminalCode};
use sync_protocol::money::Money;
use sync_protocol::time::SECOND_MS;

use crate::oracle::Answered;

/// Most points kept.
pub const POINTS_MAX: usize = 600;
/// Shortest time between two points.
const PERIOD_MS_MIN: i64 = SECOND_MS;

/// What happened in one period, and how things stood at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// End of the period, milliseconds after the start.
    pub at_ms: i64,
    /// Taps let through in it.
    pub accepted: u64,
    /// Taps turned away in it.
    pub refused: u64,
    /// Taps let through by a gate that had not heard the hub for one and a half heartbeats: provisional until it has.
    pub alone: u64,
    /// Taps committed at each terminal that the hub did not have at its end.
    pub backlog: BTreeMap<TerminalCode, u64>,
    /// Holds of entries that the hub did not know of at its end.
    pub exposure: Money,
}

/// The points so far.
#[derive(Clone, Debug)]
pub struct Series {
    period_ms: i64,
    next_ms: i64,
    points: Vec<Point>,
    current: Point,
    unseen: BTreeMap<SiteId, Unseen>,
}

/// Taps of one site that the hub did not have when it was last looked at.
#[derive(Clone, Debug)]
struct Unseen {
    terminal: TerminalCode,
    taps: VecDeque<(Seq, Money)>,
    held: Money,
}

impl Series {
    /// An empty series for a run of about `length_ms` milliseconds.
    #[must_use]
    pub fn new(length_ms: i64) -> Series {
        let points = i64::try_from(POINTS_MAX).unwrap_or(i64::MAX);
        // Whole seconds, and room to spare for a run that takes longer to come to rest.
        let period_ms = (length_ms / (points * 9 / 10) / SECOND_MS + 1) * SECOND_MS;
        Series {
            period_ms: period_ms.max(PERIOD_MS_MIN),
            next_ms: period_ms,
            points: Vec::new(),
            current: Point::default(),
            unseen: BTreeMap::new(),
        }
    }

    /// Notes a tap that a gate of this terminal answered.
    pub fn tapped(&mut self, terminal: TerminalCode, answered: &Answered) {
        let tap = &answered.decision.tap;
        if tap.accepted {
            self.current.accepted += 1;
            self.current.alone += u64::from(answered.alone);
        } else {
            self.current.refused += 1;
        }
        let (site, seq) = answered.changeset;
        let held = if tap.accepted && tap.direction == Direction::Entry {
            tap.hold
        } else {
            Money::ZERO
        };
        let unseen = self.unseen.entry(site).or_insert_with(|| Unseen {
            terminal,
            taps: VecDeque::new(),
            held: Money::ZERO,
        });
        unseen.held += held;
        unseen.taps.push_back((seq, held));
    }

    /// Whether a point is due.
    #[must_use]
    pub const fn is_due(&self, now_ms: i64) -> bool {
        now_ms >= self.next_ms
    }

    /// Adds a point: how far the hub has got with each site is asked of `hub_head`.
    pub fn sample(&mut self, now_ms: i64, hub_head: impl Fn(SiteId) -> Seq) {
        let mut point = std::mem::take(&mut self.current);
        point.at_ms = now_ms;
        self.unseen.retain(|site, unseen| {
            let head = hub_head(*site);
            while let Some((_, held)) = unseen.taps.pop_front_if(|(seq, _)| *seq <= head) {
                unseen.held -= held;
            }
            let count = unseen.taps.len() as u64;
            if count > 0 {
                *point.backlog.entry(unseen.terminal).or_default() += count;
                point.exposure += unseen.held;
            }
            count > 0
        });
        self.points.push(point);
        if self.points.len() >= POINTS_MAX {
            self.halve();
        }
        self.next_ms = now_ms - now_ms.rem_euclid(self.period_ms) + self.period_ms;
    }

    /// The points, by time.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    fn halve(&mut self) {
        self.period_ms *= 2;
        let merge = |pair: &[Point]| {
            let mut merged = pair.last().cloned().unwrap_or_default();
            if let [first, _] = pair {
                merged.accepted += first.accepted;
                merged.refused += first.refused;
                merged.alone += first.alone;
            }
            merged
        };
        self.points = self.points.chunks(2).map(merge).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_points_are_bounded_and_lose_no_tap() {
        let mut series = Series::new(60_000);
        for second in 1..=5_000_i64 {
            series.current.accepted += 1;
            if series.is_due(second * 1_000) {
                series.sample(second * 1_000, |_| Seq::NONE);
            }
        }
        series.sample(5_001_000, |_| Seq::NONE);
        assert!(series.points().len() <= POINTS_MAX);
        assert!(series.points().len() >= POINTS_MAX / 4);
        let accepted: u64 = series.points().iter().map(|point| point.accepted).sum();
        assert_eq!(accepted, 5_000);
        assert!(series.points().is_sorted_by_key(|point| point.at_ms));
    }
}
