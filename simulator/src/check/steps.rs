//! What is looked at while a run goes on, at the steps where it could go wrong.

use super::clocks::{Stamped, Stamps};
use super::conservation::Books;
use crate::node::hub::HubNode;

/// What the steps of a run showed.
#[derive(Debug, Default)]
pub struct Steps {
    pub(super) books: Books,
    pub(super) stamps: Stamps,
}

impl Steps {
    /// Looks at the hub after it settled.
    pub fn after_settle(&mut self, hub: &mut HubNode) {
        self.books.after_settle(hub);
    }

    /// Looks at a tap that a gate stamped.
    pub fn stamped(&mut self, tap: Stamped) {
        self.stamps.note(tap);
    }
}
