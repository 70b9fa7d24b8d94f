//! What goes wrong in a device that has power and room.

/// What a device may refuse to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reading.
    Read,
    /// Writing: nothing is written.
    Write,
    /// Writing all of it: the first half is written.
    WholeWrite,
    /// Making durable what was written: none of it is, and no later sync makes up for it.
    Sync,
}

/// Operations that fail with an error of the device.
#[derive(Clone, Copy, Debug)]
pub struct Mishap {
    /// Which.
    pub operation: Operation,
    /// So many of them are done before.
    pub after: u64,
    /// So many of them fail then; `None` for all.
    pub times: Option<u64>,
}

impl Mishap {
    /// Whether the next operation of this sort fails.
    pub(super) fn meets(&mut self, operation: Operation) -> bool {
        if operation != self.operation {
            return false;
        }
        if let Some(before) = self.after.checked_sub(1) {
            self.after = before;
            return false;
        }
        match &mut self.times {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}
