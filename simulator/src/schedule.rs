//! The schedule: virtual time jumps from event to event.
//!
//! Invariant: events at one time come out in the order in which they were put in, so a run depends on nothing but
//! its seed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Most of what happens is a frame on its way: what is planned within so many milliseconds stands in a queue of its
/// millisecond, and only the rest in a heap. A power of two.
const NEAR_MS: i64 = 256;

/// What will happen, by time and then by order of planning.
///
/// Invariant: what stands in the heap is `NEAR_MS` or more away, and what stands in a queue is less. So of two events
/// at one time the one that was planned first is first in their queue: it was moved there from the heap, in order,
/// before the other one could be planned so near.
#[derive(Debug)]
pub struct Schedule<E> {
    near: Vec<VecDeque<E>>,
    /// How many stand in the queues.
    near_count: usize,
    /// No queue of an earlier time holds anything.
    near_from_ms: i64,
    far: BinaryHeap<Reverse<Entry<E>>>,
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
            near: (0..NEAR_MS).map(|_| VecDeque::new()).collect(),
            near_count: 0,
            near_from_ms: 0,
            far: BinaryHeap::new(),
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
        let at_ms = at_ms.max(self.now_ms);
        if at_ms - self.now_ms < NEAR_MS {
            return self.put_near(at_ms, event);
        }
        let number = self.planned;
        self.planned += 1;
        let entry = Entry { at_ms, number, event };
        self.far.push(Reverse(entry));
    }

    /// Plans an event after a while.
    pub fn after(&mut self, delay_ms: i64, event: E) {
        self.at(self.now_ms.saturating_add(delay_ms), event);
    }

    /// Moves to the next event that is not later than `until_ms`.
    pub fn next(&mut self, until_ms: i64) -> Option<E> {
        let at_ms = match self.next_near_ms() {
            Some(at_ms) => at_ms,
            None => self.far.peek()?.0.at_ms,
        };
        if at_ms > until_ms {
            return None;
        }
        if at_ms > self.now_ms {
            self.now_ms = at_ms;
            self.bring_near();
        }
        self.near_count -= 1;
        self.near[place(at_ms)].pop_front()
    }

    fn put_near(&mut self, at_ms: i64, event: E) {
        self.near_from_ms = self.near_from_ms.min(at_ms);
        self.near_count += 1;
        self.near[place(at_ms)].push_back(event);
    }

    /// The time of the next event in a queue.
    fn next_near_ms(&mut self) -> Option<i64> {
        if self.near_count == 0 {
            return None;
        }
        self.near_from_ms = self.near_from_ms.max(self.now_ms);
        while self.near[place(self.near_from_ms)].is_empty() {
            self.near_from_ms += 1;
        }
        Some(self.near_from_ms)
    }

    /// Moves what has come near from the heap to the queues.
    fn bring_near(&mut self) {
        while let Some(Reverse(entry)) = self.far.peek()
            && entry.at_ms - self.now_ms < NEAR_MS
            && let Some(Reverse(entry)) = self.far.pop()
        {
            self.put_near(entry.at_ms, entry.event);
        }
    }
}

/// The queue of a time.
fn place(at_ms: i64) -> usize {
    usize::try_from(at_ms.rem_euclid(NEAR_MS)).unwrap_or(0)
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

    /// The plainest schedule there is: a list that is searched.
    #[derive(Default)]
    struct Plain {
        planned: Vec<(i64, u64)>,
        now_ms: i64,
    }

    impl Plain {
        fn at(&mut self, at_ms: i64, event: u64) {
            self.planned.push((at_ms.max(self.now_ms), event));
        }

        fn next(&mut self, until_ms: i64) -> Option<u64> {
            let first = *self.planned.iter().min()?;
            if first.0 > until_ms {
                return None;
            }
            self.planned.retain(|planned| *planned != first);
            self.now_ms = first.0;
            Some(first.1)
        }
    }

    #[test]
    fn near_and_far_events_come_in_the_order_of_a_plain_list() {
        let mut stream = crate::random::Stream::new(1, "schedule");
        let (mut schedule, mut plain) = (Schedule::default(), Plain::default());
        let mut event = 0;
        for _ in 0..20_000 {
            let longest_ms = [3, NEAR_MS - 1, NEAR_MS + 1, 5 * NEAR_MS][stream.weighted(&[4, 2, 2, 1])];
            let at_ms = schedule.now_ms() + stream.between(-1, longest_ms);
            if stream.chance(520) {
                schedule.at(at_ms, event);
                plain.at(at_ms, event);
                event += 1;
            } else {
                assert_eq!(schedule.next(at_ms), plain.next(at_ms));
                assert_eq!(schedule.now_ms(), plain.now_ms);
            }
        }
        let (rest, plainly): (Vec<_>, Vec<_>) = (
            std::iter::from_fn(|| schedule.next(i64::MAX)).collect(),
            std::iter::from_fn(|| plain.next(i64::MAX)).collect(),
        );
        assert!(rest.len() > 100, "{}", rest.len());
        assert_eq!(rest, plainly);
    }
}
