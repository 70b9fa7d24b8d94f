//! What a power loss does to changes that no sync has reached.
//!
//! Every change has its own fate, and the order they were made in binds nobody: a disk and the system before it
//! write what they like first. Drawn one by one, though, it would hardly ever happen that all of many changes are
//! kept, or none, or all up to a moment; these are what real power losses mostly do, so the luck of a whole loss is
//! drawn first.

use crate::random::Stream;

/// What the changes of one power loss have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Luck {
    /// Nothing unsynced is left.
    AllDropped,
    /// Everything is, as when a process is killed.
    AllKept,
    /// What was changed up to some moment.
    InOrder,
    /// Each for itself.
    Each,
}

/// A [`Luck`] for the changes of one file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileLuck {
    luck: Luck,
    /// Under [`Luck::InOrder`]: so many are kept.
    kept: u64,
}

/// What became of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It outlasts.
    Kept,
    /// It never happened.
    Dropped,
    /// Some of its sectors outlast.
    Torn,
}

impl Luck {
    /// Draws the luck of a power loss.
    pub(super) fn draw(stream: &mut Stream) -> Luck {
        match stream.weighted(&[1, 1, 2, 4]) {
            0 => Luck::AllDropped,
            1 => Luck::AllKept,
            2 => Luck::InOrder,
            _ => Luck::Each,
        }
    }

    /// The same luck for a file with so many changes.
    pub(super) fn of_a_file(self, changes: usize, stream: &mut Stream) -> FileLuck {
        let kept = match self {
            Luck::InOrder => stream.below(changes as u64 + 1),
            _ => 0,
        };
        FileLuck { luck: self, kept }
    }
}

impl FileLuck {
    /// The fate of the change at this position. The one that the power loss met halfway is torn.
    pub(super) fn fate(self, position: usize, stream: &mut Stream) -> Fate {
        match self.luck {
            Luck::AllDropped => Fate::Dropped,
            Luck::AllKept => Fate::Kept,
            Luck::InOrder => match self.kept.cmp(&(position as u64)) {
                std::cmp::Ordering::Greater => Fate::Kept,
                std::cmp::Ordering::Equal => Fate::Torn,
                std::cmp::Ordering::Less => Fate::Dropped,
            },
            Luck::Each => match stream.below(3) {
                0 => Fate::Kept,
                1 => Fate::Dropped,
                _ => Fate::Torn,
            },
        }
    }
}
