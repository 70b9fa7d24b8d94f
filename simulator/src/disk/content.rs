//! A file's bytes in units that are shared until one side writes.

use std::sync::{Arc, OnceLock};

/// Bytes that are shared or copied as one: a page of the databases that live here.
pub(super) const UNIT_BYTES: usize = 4_096;

/// The bytes of a file. Cloning it copies no byte.
///
/// Invariant: as many units as the length needs, each of [`UNIT_BYTES`], and nothing but zeros behind the length.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    units: Vec<Arc<[u8]>>,
    length: u64,
}

impl Content {
    /// Bytes in the file.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// Reads what is there from `offset` on, at most as much as fits. Returns how many bytes that were.
    pub(super) fn read(&self, offset: u64, into: &mut [u8]) -> usize {
        let there = self.length.saturating_sub(offset);
        let wanted = usize::try_from(there).map_or(into.len(), |there| there.min(into.len()));
        let (mut unit, mut within) = place(offset);
        let mut read = 0;
        while read < wanted {
            let count = (UNIT_BYTES - within).min(wanted - read);
            into[read..read + count].copy_from_slice(&self.units[unit][within..within + count]);
            read += count;
            unit += 1;
            within = 0;
        }
        read
    }

    /// Writes the bytes at `offset`; the file grows as far as it must, with zeros where nothing was written.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        let (mut unit, mut within) = place(offset);
        let mut written = 0;
        while written < bytes.len() {
            let count = (UNIT_BYTES - within).min(bytes.len() - written);
            let piece = &bytes[written..written + count];
            if count == UNIT_BYTES {
                self.put_unit(unit, piece);
            } else {
                self.unit_mut(unit)[within..within + count].copy_from_slice(piece);
            }
            written += count;
            unit += 1;
            within = 0;
        }
        self.length = self.length.max(end);
    }

    /// Cuts the file to `length`, or lets it grow to it with zeros.
    pub(super) fn set_length(&mut self, length: u64) {
        let (units, within) = place(length);
        let needed = units + usize::from(within > 0);
        if length < self.length {
            self.units.truncate(needed);
            if within > 0 {
                self.unit_mut(units)[within..].fill(0);
            }
        } else {
            self.units.resize_with(needed, zeros);
        }
        self.length = length;
    }

    /// Takes over what `other` holds of the units that `count` bytes at `offset` lie in. The lengths stay apart:
    /// see [`Content::set_length`].
    pub(super) fn adopt(&mut self, other: &Content, offset: u64, count: u64) {
        let Some(end) = other.units.len().checked_sub(1).filter(|_| count > 0) else {
            return;
        };
        let first = place(offset).0;
        let last = place(offset + count - 1).0.min(end);
        if self.units.len() <= last {
            self.units.resize_with(last + 1, zeros);
        }
        for unit in first..=last {
            self.units[unit].clone_from(&other.units[unit]);
        }
        self.length = self.length.max(other.length.min(unit_end(last)));
    }

    /// Appends at most `count` bytes from `offset` on to a vector, as many as are there.
    pub(super) fn append_to(&self, vector: &mut Vec<u8>, offset: u64, count: usize) {
        let there = self.length.saturating_sub(offset);
        let mut left = usize::try_from(there).map_or(count, |there| there.min(count));
        let (mut unit, mut within) = place(offset);
        while left > 0 {
            let piece = (UNIT_BYTES - within).min(left);
            vector.extend_from_slice(&self.units[unit][within..within + piece]);
            left -= piece;
            unit += 1;
            within = 0;
        }
    }

    fn put_unit(&mut self, unit: usize, bytes: &[u8]) {
        if unit == self.units.len() {
            self.units.push(Arc::from(bytes));
            return;
        }
        self.grow_to(unit);
        match Arc::get_mut(&mut self.units[unit]) {
            Some(own) => own.copy_from_slice(bytes),
            None => self.units[unit] = Arc::from(bytes),
        }
    }

    fn unit_mut(&mut self, unit: usize) -> &mut [u8] {
        self.grow_to(unit);
        let shared = &mut self.units[unit];
        if Arc::get_mut(shared).is_none() {
            *shared = Arc::from(&shared[..]);
        }
        Arc::get_mut(shared).expect("BUG: a unit made just now is shared with nobody")
    }

    fn grow_to(&mut self, unit: usize) {
        if self.units.len() <= unit {
            self.units.resize_with(unit + 1, zeros);
        }
    }
}

/// The unit that holds a byte, and where in it.
fn place(offset: u64) -> (usize, usize) {
    let offset = usize::try_from(offset).expect("BUG: a file in memory is addressable");
    (offset / UNIT_BYTES, offset % UNIT_BYTES)
}

fn unit_end(unit: usize) -> u64 {
    (unit as u64 + 1) * UNIT_BYTES as u64
}

/// A unit of zeros, one for the whole process.
fn zeros() -> Arc<[u8]> {
    static ZEROS: OnceLock<Arc<[u8]>> = OnceLock::new();
    Arc::clone(ZEROS.get_or_init(|| Arc::from(&[0; UNIT_BYTES][..])))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Write(u64, Vec<u8>),
        Length(u64),
        Copy,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0_u64..20_000, prop::collection::vec(1_u8.., 1..9_000))
                .prop_map(|(offset, bytes)| Step::Write(offset, bytes)),
            (0_u64..20_000).prop_map(Step::Length),
            Just(Step::Copy),
        ];
        prop::collection::vec(step, 1..12)
    }

    fn all(content: &Content) -> Vec<u8> {
        let mut bytes = vec![7; usize::try_from(content.length()).unwrap() + 100];
        let read = content.read(0, &mut bytes);
        bytes.truncate(read);
        bytes
    }

    proptest! {
        /// A content is a vector of bytes, and copies of it never notice what the original does.
        #[test]
        fn a_content_is_a_vector(steps in steps()) {
            let mut content = Content::default();
            let mut vector: Vec<u8> = Vec::new();
            let mut copies = Vec::new();
            for step in steps {
                match step {
                    Step::Write(offset, bytes) => {
                        let (from, to) = (offset as usize, offset as usize + bytes.len());
                        vector.resize(vector.len().max(to), 0);
                        vector[from..to].copy_from_slice(&bytes);
                        content.write(offset, &bytes);
                    }
                    Step::Length(length) => {
                        vector.resize(length as usize, 0);
                        content.set_length(length);
                    }
                    Step::Copy => copies.push((content.clone(), vector.clone())),
                }
                prop_assert_eq!(all(&content), vector.clone());
            }
            for (copy, vector) in copies {
                prop_assert_eq!(all(&copy), vector);
            }
        }
    }

    #[test]
    fn reading_stops_at_the_end() {
        let mut content = Content::default();
        content.write(4_090, b"ten bytes.");
        let mut bytes = [9; 8];
        assert_eq!(content.read(4_096, &mut bytes), 4);
        assert_eq!(&bytes, b"tes.\x09\x09\x09\x09");
        assert_eq!(content.read(5_000, &mut bytes), 0);
    }
}
