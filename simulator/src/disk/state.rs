//! All of one disk: files, names, what it does to whoever uses it.

mod ending;
mod sharing;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::content::Content;
use super::file::File;
use super::folder::{FileNumber, Folder};
use super::lock::{Level, Locks};
use super::mishap::{Mishap, Operation};
use super::shared_memory::SharedMemory;
use super::{Counters, Image};

/// Why the disk did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The power is gone, or the process that opened the file is.
    Dead,
    /// No room.
    Full,
    /// The device says so.
    Failed,
    /// No such file.
    Missing,
    /// The file is there already.
    Present,
    /// Somebody else holds it.
    Busy,
}

/// A file in the eyes of one process: who opened it, and in which life of the machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handle {
    pub(super) file: FileNumber,
    pub(super) life: u64,
    /// Tells the handles of one file apart.
    pub(super) number: u64,
}

#[derive(Debug, Default)]
struct Slot {
    file: File,
    opened: u32,
    locks: Locks,
    shared_memory: Option<Arc<SharedMemory>>,
}

/// One disk.
#[derive(Debug, Default)]
pub(super) struct State {
    folder: Folder,
    slots: Vec<Option<Slot>>,
    handles_given: u64,
    /// Goes up with every power loss and every end of the process. Files opened in an earlier life are dead.
    life: u64,
    /// The power is already gone; nothing works until the loss is carried out.
    pub(super) powerless: bool,
    /// The power goes after so many more changes.
    pub(super) changes_left: Option<u64>,
    /// Bytes in files with a name.
    used: u64,
    /// Most bytes that files may have together.
    pub(super) quota: Option<u64>,
    /// Virtual time of one sync, milliseconds.
    pub(super) sync_ms: u32,
    /// Virtual time that syncs have taken and nobody has asked for.
    pub(super) sync_spent_ms: u64,
    pub(super) mishap: Option<Mishap>,
    /// What is written is durable at once.
    pub(super) writes_through: bool,
    pub(super) counters: Counters,
}

impl State {
    /// A disk with this on it.
    pub(super) fn from_image(image: &Image) -> State {
        let mut state = State::default();
        for (name, content) in image.0.iter() {
            let number = state.take_slot(File::of(content.clone()));
            state.used += content.length();
            state.folder.put(name, Some(number));
        }
        state.folder.sync();
        state
    }

    /// What a process sees on it.
    pub(super) fn image(&self) -> Image {
        let content = |number: FileNumber| self.slot(number).file.seen().clone();
        let files = self.folder.names();
        let files: BTreeMap<String, Content> = files
            .map(|(name, number)| (name.to_owned(), content(number)))
            .collect();
        Image(Arc::new(files))
    }

    /// Opens a file, or makes it. Without a name it is one that only the handle knows.
    pub(super) fn open(
        &mut self,
        name: Option<&str>,
        create: bool,
        exclusive: bool,
    ) -> Result<Handle, Refused> {
        if self.powerless {
            return Err(Refused::Dead);
        }
        let file = match name.and_then(|name| self.folder.find(name)) {
            Some(_) if exclusive => return Err(Refused::Present),
            Some(number) => number,
            None if name.is_some() && !create => return Err(Refused::Missing),
            None => {
                let number = self.take_slot(File::default());
                if let Some(name) = name {
                    self.folder.put(name, Some(number));
                }
                number
            }
        };
        self.slot_mut(file).opened += 1;
        self.handles_given += 1;
        Ok(Handle {
            file,
            life: self.life,
            number: self.handles_given,
        })
    }

    /// Gives the handle back.
    pub(super) fn close(&mut self, handle: Handle) {
        if handle.life != self.life {
            return;
        }
        let slot = self.slot_mut(handle.file);
        slot.locks.lower(handle.number, Level::None);
        slot.opened -= 1;
        if slot.opened == 0 {
            self.drop_unknown_files();
        }
    }

    /// Whether the name is there.
    pub(super) fn length_of(&self, name: &str) -> Option<u64> {
        self.folder
            .find(name)
            .map(|number| self.slot(number).file.seen().length())
    }

    /// Takes a file's name away.
    pub(super) fn delete(&mut self, name: &str, sync_folder: bool) -> Result<(), Refused> {
        let number = self.folder.find(name).ok_or(Refused::Missing)?;
        self.count_change()?;
        self.used = self.used.saturating_sub(self.slot(number).file.seen().length());
        self.folder.put(name, None);
        if sync_folder {
            self.folder.sync();
            self.count_sync();
        }
        self.drop_unknown_files();
        Ok(())
    }

    /// What the handle's file holds.
    pub(super) fn content(&self, handle: Handle) -> Result<&Content, Refused> {
        self.check(handle)?;
        Ok(self.slot(handle.file).file.seen())
    }

    /// Reads the handle's file.
    pub(super) fn read(&mut self, handle: Handle) -> Result<&Content, Refused> {
        self.check(handle)?;
        self.meet(Operation::Read)?;
        Ok(self.slot(handle.file).file.seen())
    }

    /// Writes to the handle's file. A write that the power loss meets may outlast it like any unsynced one.
    pub(super) fn write(&mut self, handle: Handle, offset: u64, bytes: &[u8]) -> Result<(), Refused> {
        self.check(handle)?;
        let length = self.slot(handle.file).file.seen().length();
        self.take_room((offset + bytes.len() as u64).saturating_sub(length))?;
        self.meet(Operation::Write)?;
        if self.meet(Operation::WholeWrite).is_err() {
            let part = &bytes[..bytes.len() / 2];
            self.slot_mut(handle.file).file.write(offset, part);
            return Err(Refused::Failed);
        }
        let counted = self.count_change();
        self.counters.writes += 1;
        if self.writes_through {
            self.slot_mut(handle.file).file.write_through(offset, bytes);
            return counted;
        }
        let written_back = self.slot_mut(handle.file).file.write(offset, bytes);
        self.counters.written_back += u64::from(written_back);
        counted
    }

    /// Cuts the handle's file, or lets it grow.
    pub(super) fn set_length(&mut self, handle: Handle, length: u64) -> Result<(), Refused> {
        self.check(handle)?;
        let before = self.slot(handle.file).file.seen().length();
        self.take_room(length.saturating_sub(before))?;
        self.used = self.used.saturating_sub(before.saturating_sub(length));
        let counted = self.count_change();
        self.slot_mut(handle.file).file.set_length(length);
        counted
    }

    /// Makes the handle's file durable, and its name.
    pub(super) fn sync(&mut self, handle: Handle) -> Result<(), Refused> {
        self.check(handle)?;
        self.count_change()?;
        if let Err(refused) = self.meet(Operation::Sync) {
            self.slot_mut(handle.file).file.fail_to_sync();
            return Err(refused);
        }
        self.slot_mut(handle.file).file.sync();
        if self.folder.sync_name_of(handle.file) {
            self.drop_unknown_files();
        }
        self.count_sync();
        Ok(())
    }

    /// Whether anything of the handle still works.
    pub(super) fn check(&self, handle: Handle) -> Result<(), Refused> {
        match self.powerless || handle.life != self.life {
            true => Err(Refused::Dead),
            false => Ok(()),
        }
    }

    /// Whether the device does such an operation now.
    fn meet(&mut self, operation: Operation) -> Result<(), Refused> {
        let met = self.mishap.as_mut().is_some_and(|mishap| mishap.meets(operation));
        self.counters.mishaps += u64::from(met);
        match met {
            true => Err(Refused::Failed),
            false => Ok(()),
        }
    }

    fn take_room(&mut self, bytes: u64) -> Result<(), Refused> {
        let used = self.used.saturating_add(bytes);
        if bytes > 0 && self.quota.is_some_and(|quota| used > quota) {
            self.counters.refused += 1;
            return Err(Refused::Full);
        }
        self.used = used;
        Ok(())
    }

    /// One change more; the power may be gone with it.
    fn count_change(&mut self) -> Result<(), Refused> {
        if self.powerless {
            return Err(Refused::Dead);
        }
        let Some(left) = &mut self.changes_left else {
            return Ok(());
        };
        match left.checked_sub(1) {
            Some(fewer) => *left = fewer,
            None => {
                self.powerless = true;
                return Err(Refused::Dead);
            }
        }
        Ok(())
    }

    fn count_sync(&mut self) {
        self.counters.syncs += 1;
        self.sync_spent_ms += u64::from(self.sync_ms);
    }

    fn take_slot(&mut self, file: File) -> FileNumber {
        let slot = Some(Slot {
            file,
            ..Slot::default()
        });
        match self.slots.iter().position(Option::is_none) {
            Some(free) => {
                self.slots[free] = slot;
                free
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        }
    }

    /// Frees what has neither a name nor a handle.
    fn drop_unknown_files(&mut self) {
        for (number, slot) in self.slots.iter_mut().enumerate() {
            if slot.as_ref().is_some_and(|slot| slot.opened == 0) && !self.folder.knows(number) {
                *slot = None;
            }
        }
    }

    fn slot(&self, number: FileNumber) -> &Slot {
        self.slots[number]
            .as_ref()
            .expect("BUG: names and living handles have a file")
    }

    fn slot_mut(&mut self, number: FileNumber) -> &mut Slot {
        self.slots[number]
            .as_mut()
            .expect("BUG: names and living handles have a file")
    }
}
