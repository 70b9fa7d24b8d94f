//! The event heap: virtual time jumps from event to event.
//!
//! Invariant: events at one time come out in the order in which they were put in, so a run depends on nothing but
//! its seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What will happen, by time and then by order of planning.
#[derive(Debug)]
pub struct Schedule<E> {
    heap: BinaryHeap<Reverse<Entry<E>>>,
    now_ms: i64,
    planned: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at_ms: i64,
    number: u64,
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        (self.at_ms, self.number) == (other.at_ms, other.number)
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ms, self.number).cmp(&(other.at_ms, other.number))
    }
}

impl<E> Default for Schedule<E> {
    fn default() -> Self {
        Schedule {
            heap: BinaryHeap::new(),
            now_ms: 0,
            planned: 0,
        }
    }
}

impl<E> Schedule<E> {
    /// The present, milliseconds since the start of the run.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Plans an event; one in the past happens now.
    pub fn at(&mut self, at_ms: i64, event: E) {
        let entry = Entry {
            at_ms: at_ms.max(self.now_ms),
            number: self.planned,
            event,
        };
        self.planned += 1;
        self.heap.push(Reverse(entry));
    }

    /// Plans an event after a while.
    pub fn after(&mut self, delay_ms: i64, event: E) {
        self.at(self.now_ms.saturating_add(delay_ms), event);
    }

    /// Moves to the next event that is not later than `until_ms`.
    pub fn next(&mut self, until_ms: i64) -> Option<E> {
        if self.heap.peek()?.0.at_ms > until_ms {
            return None;
        }
        let Reverse(entry) = self.heap.pop()?;
        self.now_ms = entry.at_ms;
        Some(entry.event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_then_by_order_of_planning() {
        let mut schedule = Schedule::default();
        schedule.at(5, 'c');
        schedule.at(1, 'a');
        schedule.at(5, 'd');
        schedule.at(2, 'b');
        let order: String = std::iter::from_fn(|| schedule.next(100)).collect();
        assert_eq!(order, "abcd");
        assert_eq!(schedule.now_ms(), 5);
    }

    #[test]
    fn nothing_later_than_the_limit_happens_and_the_past_is_now() {
        let mut schedule = Schedule::default();
        schedule.at(5, 'x');
        assert_eq!(schedule.next(4), None);
        assert_eq!(schedule.next(5), Some('x'));
        schedule.at(1, 'y');
        assert_eq!((schedule.next(5), schedule.now_ms()), (Some('y'), 5));
    }
}
