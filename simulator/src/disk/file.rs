//! One file: what the processes see, and what undoes the changes that would not outlast a power loss.

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
const IDLE_BYTES_MAX: usize = 256 << 10;

/// One file.
///
/// Invariant: undoing the unsynced changes from the newest to the oldest gives what is durable. So a sync only forgets
/// them, and a write copies what it overwrites, nothing else. After a sync that failed, which leaves in `seen` what no
/// later sync will write, what is durable is kept apart.
#[derive(Debug, Default)]
pub(super) struct File {
    seen: Content,
    changes: Vec<Change>,
    /// What unsynced writes have overwritten, one after the other.
    overwritten: Vec<u8>,
    /// Bytes of all unsynced writes.
    unsynced: usize,
    /// What is durable, once a sync has failed.
    durable: Option<Content>,
}

#[derive(Clone, Debug)]
enum Change {
    Write {
        offset: u64,
        length: usize,
        /// Where what it overwrote begins.
        from: usize,
        /// Bytes in the file before.
        before: u64,
    },
    Length {
        length: u64,
        before: Content,
    },
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

/// A change, with what it wrote.
enum Made {
    Write(u64, Vec<u8>),
    Length(u64),
}

impl File {
    /// A file whose content is durable.
    pub(super) fn of(content: Content) -> File {
        File {
            seen: content,
            ..File::default()
        }
    }

    /// What a process sees.
    pub(super) const fn seen(&self) -> &Content {
        &self.seen
    }

    /// Writes. Returns whether the system had to write back what was unsynced.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) -> bool {
        let back =
            self.unsynced + bytes.len() > UNSYNCED_BYTES_MAX || self.changes.len() >= UNSYNCED_CHANGES_MAX;
        if back {
            self.sync();
        }
        let from = self.overwritten.len();
        let before = self.seen.length();
        self.seen.append_to(&mut self.overwritten, offset, bytes.len());
        self.changes.push(Change::Write {
            offset,
            length: bytes.len(),
            from,
            before,
        });
        self.unsynced += bytes.len();
        self.seen.write(offset, bytes);
        back
    }

    /// Writes, durable at once with everything that was not.
    pub(super) fn write_through(&mut self, offset: u64, bytes: &[u8]) {
        if self.durable.is_some() || !self.changes.is_empty() {
            self.write(offset, bytes);
            return self.sync();
        }
        self.seen.write(offset, bytes);
    }

    /// Cuts the file, or lets it grow.
    pub(super) fn set_length(&mut self, length: u64) {
        let before = self.seen.clone();
        self.seen.set_length(length);
        self.changes.push(Change::Length { length, before });
    }

    /// Makes everything durable.
    pub(super) fn sync(&mut self) {
        if let Some(durable) = &mut self.durable {
            for change in &self.changes {
                match *change {
                    Change::Length { length, .. } => durable.set_length(length),
                    Change::Write { offset, length, .. } => durable.adopt(&self.seen, offset, length as u64),
                }
            }
            durable.set_length(self.seen.length());
        }
        self.forget_changes();
    }

    /// A sync fails as it does under Linux: who reads the file still sees what was written, the system takes it for
    /// written and never tries again, and the disk has none of it. A unit of the content that is written to anew is
    /// written as a whole by the next sync, as pages are.
    pub(super) fn fail_to_sync(&mut self) {
        if self.durable.is_none() && !self.changes.is_empty() {
            self.durable = Some(self.undone().0);
        }
        self.forget_changes();
    }

    /// The power goes: what is durable stays, every other change has its own fate.
    pub(super) fn lose_power(&mut self, luck: Luck, stream: &mut Stream) -> Survival {
        let mut survival = Survival::default();
        let luck = luck.of_a_file(self.changes.len(), stream);
        let (undone, made) = self.undone();
        self.seen = self.durable.take().unwrap_or(undone);
        self.forget_changes();
        for (position, made) in made.into_iter().enumerate() {
            let fate = luck.fate(position, stream);
            match (fate, &made) {
                (Fate::Dropped, _) | (Fate::Torn, Made::Length(_)) => {
                    survival.dropped += 1;
                    continue;
                }
                (Fate::Kept, _) => survival.kept += 1,
                (Fate::Torn, _) => survival.torn += 1,
            }
            match made {
                Made::Length(length) => self.seen.set_length(length),
                Made::Write(offset, bytes) => {
                    for (offset, sector) in sectors(offset, &bytes) {
                        if fate == Fate::Kept || stream.chance(500) {
                            self.seen.write(offset, sector);
                        }
                    }
                }
            }
        }
        survival
    }

    /// The content without the unsynced changes, and what these wrote, the oldest first.
    fn undone(&self) -> (Content, Vec<Made>) {
        let mut content = self.seen.clone();
        let mut made = Vec::with_capacity(self.changes.len());
        let mut end = self.overwritten.len();
        for change in self.changes.iter().rev() {
            match change {
                Change::Write {
                    offset,
                    length,
                    from,
                    before,
                } => {
                    let mut bytes = Vec::with_capacity(*length);
                    content.append_to(&mut bytes, *offset, *length);
                    made.push(Made::Write(*offset, bytes));
                    content.write(*offset, &self.overwritten[*from..end]);
                    content.set_length(*before);
                    end = *from;
                }
                Change::Length { length, before } => {
                    made.push(Made::Length(*length));
                    content = before.clone();
                }
            }
        }
        made.reverse();
        (content, made)
    }

    fn forget_changes(&mut self) {
        self.changes.clear();
        self.overwritten.clear();
        self.overwritten.shrink_to(IDLE_BYTES_MAX);
        self.unsynced = 0;
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
            assert!(file.changes.is_empty() && file.overwritten.is_empty());
            seen.insert(content);
        }
        assert!(seen.len() > 8, "only {} outcomes", seen.len());
    }

    #[test]
    fn what_is_written_through_outlasts_the_power() {
        let mut file = File::default();
        file.write_through(0, &[1; 2_000]);
        file.set_length(1_000);
        file.write_through(500, &[2; 100]);
        assert_eq!(file.unsynced, 0);
        file.lose_power(Luck::AllDropped, &mut Stream::new(5, "through"));
        let content = all(file.seen());
        assert_eq!((content.len(), content[0], content[599]), (1_000, 1, 2));
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
        assert!(file.unsynced <= UNSYNCED_BYTES_MAX);
        let mut stream = Stream::new(3, "bounded");
        file.lose_power(Luck::AllDropped, &mut stream);
        assert!(file.seen().length() >= 64 << 20);
    }
}
