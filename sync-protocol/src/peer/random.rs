//! A small seeded generator (SplitMix64): spreads timers and choices, protects nothing.

/// Yields the same choices for the same seed.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn seeded(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when `end` is 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let end = end.max(1) as u128;
        usize::try_from((u128::from(self.next()) * end) >> 64).unwrap_or_default()
    }

    /// A duration of three to five quarters of `milliseconds`.
    pub(super) fn jittered(&mut self, milliseconds: i64) -> i64 {
        let spread = usize::try_from(milliseconds / 2).unwrap_or_default();
        let extra = i64::try_from(self.below(spread + 1)).unwrap_or_default();
        milliseconds - milliseconds / 4 + extra
    }

    /// One of `choices`.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        choices.get(self.below(choices.len())).copied()
    }

    /// Up to `count` different ones of `choices`.
    pub(super) fn pick_some<T>(&mut self, mut choices: Vec<T>, count: usize) -> Vec<T> {
        for place in 0..count.min(choices.len()) {
            let other = place + self.below(choices.len() - place);
            choices.swap(place, other);
        }
        choices.truncate(count);
        choices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_stay_in_range_and_repeat_with_the_seed() {
        let mut random = Random::seeded(7);
        for end in 1..100 {
            assert!(random.below(end) < end);
            assert!((750..=1_250).contains(&random.jittered(1_000)));
        }
        assert_eq!(random.below(0), 0);
        let some = random.pick_some((0..10).collect(), 4);
        assert_eq!(some.len(), 4);
        assert_eq!(Random::seeded(7).pick_some((0..10).collect(), 99).len(), 10);
        let again: Vec<usize> = Random::seeded(3).pick_some((0..10).collect(), 5);
        assert_eq!(again, Random::seeded(3).pick_some((0..10).collect(), 5));
    }
}
