//! What faults do to the frames on a link, and what came of it.

/// What faults do to the frames on a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Impairment {
    /// Lost, in thousandths.
    pub lost: u32,
    /// Delivered twice, in thousandths.
    pub repeated: u32,
    /// Overtaken by later ones, in thousandths.
    pub reordered: u32,
    /// How much passes, each way.
    pub bandwidth: Option<Bandwidth>,
}

/// How much passes over a link, each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    /// Bytes a second.
    pub bytes_per_s: i64,
    /// Bytes that may wait behind the frame that is being sent; what does not fit is dropped.
    pub queue_bytes: i64,
}

impl Impairment {
    /// Two at once: the highest shares and the least bandwidth count.
    #[must_use]
    pub fn and(self, other: Impairment) -> Impairment {
        let bandwidth = match (self.bandwidth, other.bandwidth) {
            (Some(one), Some(other)) => Some(Bandwidth {
                bytes_per_s: one.bytes_per_s.min(other.bytes_per_s),
                queue_bytes: one.queue_bytes.min(other.queue_bytes),
            }),
            (one, other) => one.or(other),
        };
        Impairment {
            lost: self.lost.max(other.lost),
            repeated: self.repeated.max(other.repeated),
            reordered: self.reordered.max(other.reordered),
            bandwidth,
        }
    }
}

/// What happened to frames that did not simply arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameCounts {
    /// Lost, on cut links or otherwise, or sent to a node that did not run.
    pub lost: u64,
    /// Delivered twice.
    pub repeated: u64,
    /// Overtaken.
    pub reordered: u64,
    /// Dropped because the queue was full.
    pub overflowed: u64,
    /// Sent over a slow link.
    pub slowed: u64,
}

impl FrameCounts {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.lost + self.repeated + self.reordered + self.overflowed + self.slowed
    }

    /// What was counted since `before`.
    #[must_use]
    pub const fn since(&self, before: &FrameCounts) -> FrameCounts {
        FrameCounts {
            lost: self.lost - before.lost,
            repeated: self.repeated - before.repeated,
            reordered: self.reordered - before.reordered,
            overflowed: self.overflowed - before.overflowed,
            slowed: self.slowed - before.slowed,
        }
    }

    /// Both together.
    #[must_use]
    pub const fn and(&self, other: &FrameCounts) -> FrameCounts {
        FrameCounts {
            lost: self.lost + other.lost,
            repeated: self.repeated + other.repeated,
            reordered: self.reordered + other.reordered,
            overflowed: self.overflowed + other.overflowed,
            slowed: self.slowed + other.slowed,
        }
    }
}
