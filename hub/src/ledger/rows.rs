//! The merge of row changes that ingest took, and what is told of it. The rules are [`RowSet`]'s, and what a gate
//! refuses because of the tables' shape is refused here too, or hub and gates would hold different rows for ever. What
//! stands in a table or column that this version does not know is kept beside, as gates keep it for a later version;
//! it decides nothing about the row's life.

use std::collections::BTreeSet;

use sync_protocol::id::{FactId, Seq, SiteId};
use sync_protocol::rows::{Refusal, Row, RowChange, RowSet, shared};

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
        let judged = match shared().check(&row) {
            Err(Refusal::UnknownColumn { .. }) if lives_as_long(rows, &row) => Ok(()),
            Err(Refusal::UnknownTable { .. }) => Ok(()),
            judged => judged,
        };
        match judged.and_then(|()| rows.merge(&row)) {
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

/// Whether a change leaves the life of its row as it is.
fn lives_as_long(rows: &RowSet, change: &RowChange) -> bool {
    let held = rows.row(&change.table, &change.key);
    held.map_or(1, Row::causal_length) == change.causal_length
}

#[cfg(test)]
mod tests {
    use sync_protocol::rows::{Value, key};

    use super::*;

    fn change(column: &str, value: Value, causal_length: i64) -> (FactId, RowChange) {
        let row = RowChange {
            table: "gates".to_owned(),
            key: key::pack(&[Value::Integer(7)]).unwrap(),
            column: column.to_owned(),
            value,
            col_version: 1,
            causal_length,
            seq: 0,
        };
        (FactId::default(), row)
    }

    #[test]
    fn what_gates_refuse_is_refused_and_what_they_keep_is_kept_beside() {
        let mut rows = RowSet::default();
        let online = || Value::Text("online".to_owned());
        assert_eq!(
            merge_rows(&mut rows, vec![change("status", online(), 1)]).refused,
            0
        );
        let before = rows.clone();
        let hostile = vec![
            change("status", Value::Integer(9), 1),
            change("colour", online(), 3),
        ];
        assert_eq!(merge_rows(&mut rows, hostile).refused, 2);
        assert_eq!(
            rows, before,
            "a number is no status, and an unknown column ends no row"
        );
        assert_eq!(
            merge_rows(&mut rows, vec![change("colour", online(), 1)]).refused,
            0
        );
        let row = rows
            .row("gates", &key::pack(&[Value::Integer(7)]).unwrap())
            .unwrap();
        assert_eq!(
            (row.value("colour"), row.value("status")),
            (Some(&online()), Some(&online()))
        );
    }
}
