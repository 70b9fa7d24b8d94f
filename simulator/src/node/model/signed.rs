//! At which positions of a log a store keeps a signature: ranges are served up to one.

/// Positions, as ascending ranges that do not touch.
#[derive(Clone, Debug, Default)]
pub(super) struct Signed(Vec<(u32, u32)>);

impl Signed {
    /// Notes a position beyond all others.
    pub(super) fn note(&mut self, seq: u64) {
        let seq = u32::try_from(seq).unwrap_or(u32::MAX);
        match self.0.last_mut() {
            Some((_, last)) if seq <= *last => {}
            Some((_, last)) if seq == *last + 1 => *last = seq,
            _ => self.0.push((seq, seq)),
        }
    }

    /// Forgets the last position, if it is this one.
    pub(super) fn forget_last(&mut self, seq: u64) {
        let seq = u32::try_from(seq).unwrap_or(u32::MAX);
        match self.0.last_mut() {
            Some((first, last)) if *last == seq && *first < seq => *last = seq - 1,
            Some((_, last)) if *last == seq => drop(self.0.pop()),
            _ => {}
        }
    }

    /// Whether a signature is kept there.
    pub(super) fn holds(&self, seq: u64) -> bool {
        let seq = u32::try_from(seq).unwrap_or(u32::MAX);
        let after = self.0.partition_point(|(first, _)| *first <= seq);
        after > 0 && self.0[after - 1].1 >= seq
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_noted_positions_are_held() {
        let mut signed = Signed::default();
        for seq in [2, 3, 4, 9, 9, 11] {
            signed.note(seq);
        }
        let held: Vec<u64> = (0..15).filter(|seq| signed.holds(*seq)).collect();
        assert_eq!(held, [2, 3, 4, 9, 11]);
        assert_eq!(signed.0.len(), 3);
        for seq in [11, 8, 9, 4] {
            signed.forget_last(seq);
        }
        assert_eq!(signed.0, [(2, 3)]);
    }
}
