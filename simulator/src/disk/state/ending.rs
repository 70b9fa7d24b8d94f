//! The end of a process, and of the power.

use super::State;
use crate::disk::Lost;
use crate::disk::file::Survival;
use crate::disk::lock::Locks;
use crate::disk::power::Luck;
use crate::random::Stream;

impl State {
    /// The process ends: its files are closed, the power stays.
    pub(in crate::disk) fn end_process(&mut self) {
        self.life += 1;
        for slot in self.slots.iter_mut().flatten() {
            slot.opened = 0;
            slot.locks = Locks::default();
            slot.shared_memory = None;
        }
        self.drop_unknown_files();
    }

    /// The power goes and comes back.
    pub(in crate::disk) fn lose_power(&mut self, stream: &mut Stream) -> Lost {
        self.powerless = false;
        self.changes_left = None;
        let luck = Luck::draw(stream);
        let mut changes = Survival::default();
        for slot in self.slots.iter_mut().flatten() {
            let survival = slot.file.lose_power(luck, stream);
            changes.kept += survival.kept;
            changes.dropped += survival.dropped;
            changes.torn += survival.torn;
        }
        let names = self.folder.lose_power(luck, stream);
        self.end_process();
        let lengths = self
            .folder
            .names()
            .map(|(_, number)| self.slot(number).file.seen().length());
        self.used = lengths.sum();
        self.counters.power_losses += 1;
        self.counters.dropped += changes.dropped;
        self.counters.torn += changes.torn;
        self.counters.names_dropped += names;
        Lost { changes, names }
    }
}
