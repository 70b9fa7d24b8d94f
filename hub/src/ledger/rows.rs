//! The merge of row changes that ingest took, and what is told of it. The rules are [`RowSet`]'s.

use std::collections::BTreeSet;

use sync_protocol::id::{FactId, Seq, SiteId};
use sync_protocol::rows::{RowChange, RowSet};

use crate::outbox::Event;

/// What a merge did.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// One `terminal.row.merged` for each changeset and row it altered, in order.
    pub(super) events: Vec<Event>,
    /// How many changes were refused.
    pub(super) refused: u64,
}

/// Merges changes in order into the rows they concern.
pub(super) fn merge_rows(rows: &mut RowSet, changes: Vec<(FactId, RowChange)>) -> Merged {
    let mut merged = Merged::default();
    let mut told: BTreeSet<(SiteId, Seq, String, Vec<u8>)> = BTreeSet::new();
    for (change, row) in changes {
        match rows.merge(&row) {
            Ok(true) if told.insert((change.site, change.seq, row.table.clone(), row.key.clone())) => {
                let RowChange { table, key, .. } = row;
                merged.events.push(Event::RowMerged { change, table, key });
            }
            Ok(_) => {}
            Err(_) => merged.refused += 1,
        }
    }
    merged
}
