//! What the connections to one file share: locks, and memory.

use std::sync::Arc;

use super::{Handle, Refused, State};
use crate::disk::lock::Level;
use crate::disk::shared_memory::SharedMemory;

impl State {
    /// Raises the handle's lock.
    pub(in crate::disk) fn lock(&mut self, handle: Handle, level: Level) -> Result<(), Refused> {
        self.check(handle)?;
        match self.slot_mut(handle.file).locks.raise(handle.number, level) {
            true => Ok(()),
            false => Err(Refused::Busy),
        }
    }

    /// Lowers the handle's lock. The dead hold none.
    pub(in crate::disk) fn unlock(&mut self, handle: Handle, level: Level) {
        if handle.life == self.life {
            self.slot_mut(handle.file).locks.lower(handle.number, level);
        }
    }

    /// Whether anybody prepares a write on the handle's file.
    pub(in crate::disk) fn is_reserved(&self, handle: Handle) -> Result<bool, Refused> {
        self.check(handle)?;
        Ok(self.slot(handle.file).locks.is_reserved())
    }

    /// The memory that the file's users share, made by the first of them.
    pub(in crate::disk) fn shared_memory(&mut self, handle: Handle) -> Result<Arc<SharedMemory>, Refused> {
        self.check(handle)?;
        let memory = &mut self.slot_mut(handle.file).shared_memory;
        Ok(Arc::clone(memory.get_or_insert_default()))
    }

    /// Forgets the shared memory once nobody but the disk holds it.
    pub(in crate::disk) fn drop_shared_memory(&mut self, handle: Handle) {
        if handle.life != self.life {
            return;
        }
        let memory = &mut self.slot_mut(handle.file).shared_memory;
        if memory
            .as_ref()
            .is_some_and(|memory| Arc::strong_count(memory) == 1)
        {
            *memory = None;
        }
    }
}
