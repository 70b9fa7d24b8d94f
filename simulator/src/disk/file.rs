//! One file: what the processes see, what would outlast a power loss, and the changes between the two.

use super::content::Content;
use super::power::{Fate, Luck};
use crate::random::Stream;

/// Bytes a disk writes or tears as one.
pub(super) const SECTOR_BYTES: usize = 512;
/// Most unsynced bytes kept of one file. A system with more than this to write writes it back by itself.
const UNSYNCED_BYTES_MAX: usize = 32 << 20;
/// Most unsynced changes kept of one file, for the same reason.
const UNSYNCED_CHANGES_MAX: usize = 1 << 16;
/// What an empty list of changes may keep of its memory, bytes.
const IDLE_BYTES_MAX: usize = 64 << 10;

/// One file.
///
/// Invariant: `durable`, with every unsynced change carried out on it in order, is `seen`; unless a sync failed, which
/// leaves in `seen` what no later sync will write.
#[derive(Debug, Default)]
pub(super) struct File {
    seen: Content,
    durable: Content,
    changes: Vec<Change>,
    /// The bytes of all unsynced writes, one after the other.
    bytes: Vec<u8>,
    /// A sync failed: `seen` has content that is neither durable nor among the changes.
    diverged: bool,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Write { offset: u64, from: usize, to: usize },
    Length(u64),
}

/// What became of unsynced changes when the power went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survival {
    /// As they were made.
    pub kept: u64,
    /// As if they had never been made.
    pub dropped: u64,
    /// Some of their sectors only.
    pub torn: u64,
}

impl File {
    /// A file whose content is durable.
    pub(super) fn of(content: Content) -> File {
        File {
            durable: content.clone(),
            seen: content,
            changes: Vec::new(),
            bytes: Vec::new(),
            diverged: false,
        }
    }

    /// What a process sees.
    pub(super) const fn seen(&self) -> &Content {
        &self.seen
    }

    /// Writes. Returns whether the system had to write back what was unsynced.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) -> bool {
        let back =
            self.bytes.len() + bytes.len() > UNSYNCED_BYTES_MAX || self.changes.len() >= UNSYNCED_CHANGES_MAX;
        if back {
            self.sync();
        }
        self.seen.write(offset, bytes);
        let from = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.changes.push(Change::Write {
            offset,
            from,
            to: self.bytes.len(),
        });
        back
    }

    /// Cuts the file, or lets it grow.
    pub(super) fn set_length(&mut self, length: u64) {
        self.seen.set_length(length);
        self.changes.push(Change::Length(length));
    }

    /// Makes everything durable.
    pub(super) fn sync(&mut self) {
        let is_length = |change: &Change| matches!(change, Change::Length(_));
        if !self.diverged && self.changes.iter().any(is_length) {
            self.durable = self.seen.clone();
        } else {
            for change in &self.changes {
                match *change {
                    Change::Length(length) => self.durable.set_length(length),
                    Change::Write { offset, from, to } => {
                        self.durable.adopt(&self.seen, offset, (to - from) as u64);
                    }
                }
            }
            self.durable.set_length(self.seen.length());
        }
        self.forget_changes();
    }

    /// A sync fails as it does under Linux: who reads the file still sees what was written, the system takes it for
    /// written and never tries again, and the disk has none of it. A unit of the content that is written to anew is
    /// written as a whole by the next sync, as pages are.
    pub(super) fn fail_to_sync(&mut self) {
        self.diverged |= !self.changes.is_empty();
        self.forget_changes();
    }

    /// The power goes: what is durable stays, every other change has its own fate.
    pub(super) fn lose_power(&mut self, luck: Luck, stream: &mut Stream) -> Survival {
        let mut survival = Survival::default();
        let luck = luck.of_a_file(self.changes.len(), stream);
        for (position, change) in self.changes.iter().enumerate() {
            let fate = luck.fate(position, stream);
            match (fate, *change) {
                (Fate::Dropped, _) | (Fate::Torn, Change::Length(_)) => {
                    survival.dropped += 1;
                    continue;
                }
                (Fate::Kept, _) => survival.kept += 1,
                (Fate::Torn, _) => survival.torn += 1,
            }
            match *change {
                Change::Length(length) => self.durable.set_length(length),
                Change::Write { offset, from, to } => {
                    let bytes = &self.bytes[from..to];
                    for (offset, sector) in sectors(offset, bytes) {
                        if fate == Fate::Kept || stream.chance(500) {
                            self.durable.write(offset, sector);
                        }
                    }
                }
            }
        }
        self.seen = self.durable.clone();
        self.diverged = false;
        self.forget_changes();
        survival
    }

    fn forget_changes(&mut self) {
        self.changes.clear();
        self.bytes.clear();
        self.bytes.shrink_to(IDLE_BYTES_MAX);
    }
}

/// The parts of a write that lie in different sectors.
fn sectors(offset: u64, bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let left = bytes.len() - done;
        let at = offset + done as u64;
        let within = usize::try_from(at % SECTOR_BYTES as u64).expect("BUG: a remainder of 512 is small");
        let count = (SECTOR_BYTES - within).min(left);
        let sector = &bytes[done..done + count];
        done += count;
        (count > 0).then_some((at, sector))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(content: &Content) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(content.length()).unwrap()];
        content.read(0, &mut bytes);
        bytes
    }

    #[test]
    fn what_was_synced_stays_and_nothing_else_is_certain() {
        let mut stream = Stream::new(1, "file");
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let mut file = File::default();
            file.write(0, &[1; 2_000]);
            file.sync();
            file.write(100, &[2; 1_000]);
            file.set_length(1_500);
            file.write(1_400, &[3; 50]);
            let luck = Luck::draw(&mut stream);
            let survival = file.lose_power(luck, &mut stream);
            assert_eq!(survival.kept + survival.dropped + survival.torn, 3);
            let content = all(file.seen());
            assert!(content.len() == 2_000 || content.len() == 1_500);
            for (at, byte) in content.iter().enumerate() {
                let others =
                    (100..1_100).contains(&at) && *byte == 2 || (1_400..1_450).contains(&at) && *byte == 3;
                assert!(*byte == 1 || others, "{at}: {byte}");
            }
            assert_eq!(content, all(&file.durable));
            seen.insert(content);
        }
        assert!(seen.len() > 8, "only {} outcomes", seen.len());
    }

    #[test]
    fn a_torn_write_keeps_or_loses_whole_sectors() {
        let mut stream = Stream::new(2, "torn");
        let mut torn = 0;
        for _ in 0..200 {
            let mut file = File::of(Content::default());
            file.write(0, &[1; 4_096]);
            file.sync();
            file.write(300, &[2; 3_000]);
            torn += file.lose_power(Luck::Each, &mut stream).torn;
            let content = all(file.seen());
            for (start, sector) in sectors(300, &content[300..3_300]) {
                assert!(sector.iter().all(|byte| *byte == sector[0]), "{start}");
            }
        }
        assert!(torn > 20);
    }

    #[test]
    fn a_failed_sync_is_not_made_up_for_by_the_next() {
        let mut file = File::default();
        file.write(0, &[1; 16_384]);
        file.sync();
        file.write(0, &[2; 4_096]);
        file.write(5_000, &[2; 10]);
        file.fail_to_sync();
        file.write(5_100, &[3; 10]);
        file.set_length(12_000);
        file.sync();
        assert_eq!(all(file.seen())[0], 2, "whoever reads it sees it");
        file.lose_power(Luck::AllDropped, &mut Stream::new(4, "fsync"));
        let content = all(file.seen());
        assert_eq!((content[0], content[4_095]), (1, 1), "the disk never had it");
        assert_eq!(
            (content[5_000], content[5_100]),
            (2, 3),
            "a page is written as a whole"
        );
        assert_eq!(content.len(), 12_000);
    }

    #[test]
    fn what_is_unsynced_is_bounded() {
        let mut file = File::default();
        let piece = vec![1; 1 << 20];
        let written_back = (0..100)
            .filter(|piece_no| file.write(piece_no << 20, &piece))
            .count();
        assert!(written_back >= 2);
        assert!(file.bytes.len() <= UNSYNCED_BYTES_MAX);
        let mut stream = Stream::new(3, "bounded");
        file.lose_power(Luck::AllDropped, &mut stream);
        assert!(file.seen().length() >= 64 << 20);
    }
}
