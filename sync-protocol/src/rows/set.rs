//! The merge of row changes without SQLite: the hub's copy of the replicated tables.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use super::{Refusal, RowChange, SENTINEL, StateDigest, Value};

/// One column of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its value.
    pub value: Value,
    /// Its edit count.
    pub col_version: i64,
}

/// One row, alive or deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    causal_length: i64,
    cells: BTreeMap<String, Cell>,
}

impl Row {
    /// How often the row was inserted and deleted, together.
    pub fn causal_length(&self) -> i64 {
        self.causal_length
    }

    /// Whether the row exists; a deleted row stays as a tombstone.
    pub fn is_live(&self) -> bool {
        self.causal_length % 2 == 1
    }

    /// The columns known so far; one that is absent has its default value. Empty for a deleted row.
    pub fn cells(&self) -> &BTreeMap<String, Cell> {
        &self.cells
    }

    /// The value of a column, if it is known.
    pub fn value(&self, column: &str) -> Option<&Value> {
        self.cells.get(column).map(|cell| &cell.value)
    }

    fn merge(&mut self, change: &RowChange) -> bool {
        if change.causal_length < self.causal_length {
            return false;
        }
        let longer = change.causal_length > self.causal_length;
        if longer {
            // The row was deleted in between, and with it every value it had.
            self.causal_length = change.causal_length;
            self.cells.clear();
        }
        if change.is_sentinel() {
            return longer;
        }
        let wins = self.cells.get(&change.column).is_none_or(|cell| {
            let order = change.col_version.cmp(&cell.col_version);
            order.then_with(|| change.value.merge_order(&cell.value)) == Ordering::Greater
        });
        if wins {
            let cell = Cell {
                value: change.value.clone(),
                col_version: change.col_version,
            };
            self.cells.insert(change.column.clone(), cell);
        }
        wins
    }

    /// Whether cr-sqlite keeps a record of the row itself: it spares it for rows that were never deleted,
    /// unless nothing else would tell that the row exists.
    fn has_sentinel(&self) -> bool {
        self.causal_length > 1 || self.cells.is_empty()
    }
}

/// The state of the replicated tables.
///
/// Invariant: the state depends on which changes were merged, not on their order or number; it equals what
/// `crsqlite::apply` makes of them (`edge-node/crsqlite/tests/replicas/convergence.rs`), byte for byte, for all
/// changes that the [`super::Schema`] takes. (Of a bare first creation, which it refuses, cr-sqlite would keep a
/// record or not depending on the order.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowSet {
    tables: BTreeMap<String, BTreeMap<Vec<u8>, Row>>,
}

impl RowSet {
    /// Merges one change; whether it altered the state. It is checked by itself ([`RowChange::check`]); who
    /// knows the tables checks it against their [`super::Schema`] first.
    pub fn merge(&mut self, change: &RowChange) -> Result<bool, Refusal> {
        change.check()?;
        // Nothing is created for a losing change: an absent row has causal length 0, and every change more.
        if !self.tables.contains_key(&change.table) {
            self.tables.insert(change.table.clone(), BTreeMap::new());
        }
        let rows = self
            .tables
            .get_mut(&change.table)
            .expect("BUG: the table was just inserted");
        match rows.get_mut(&change.key) {
            Some(row) => Ok(row.merge(change)),
            None => Ok(rows.entry(change.key.clone()).or_default().merge(change)),
        }
    }

    /// The state as changes in canonical order (table, key, column), tombstones included, `seq` 0. Merging
    /// them into an empty set, or applying them to an empty replica, gives this state again.
    pub fn changes(&self) -> impl Iterator<Item = RowChange> + '_ {
        self.tables.iter().flat_map(|(table, rows)| {
            rows.iter()
                .flat_map(move |(key, row)| row_changes(table, key, row))
        })
    }

    /// The live rows of a table by packed key (see [`super::key::unpack`]).
    pub fn live_rows(&self, table: &str) -> impl Iterator<Item = (&[u8], &Row)> {
        let rows = self.tables.get(table).into_iter().flatten();
        rows.filter(|(_, row)| row.is_live())
            .map(|(key, row)| (key.as_slice(), row))
    }

    /// One row, alive or deleted.
    pub fn row(&self, table: &str, key: &[u8]) -> Option<&Row> {
        self.tables.get(table)?.get(key)
    }

    /// The digest of [`RowSet::changes`].
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = StateDigest::default();
        self.changes().for_each(|change| digest.add(&change));
        digest.finish()
    }
}

fn row_changes<'a>(table: &'a str, key: &'a [u8], row: &'a Row) -> impl Iterator<Item = RowChange> + 'a {
    let change = move |column: &str, value: Value, col_version: i64| RowChange {
        table: table.to_owned(),
        key: key.to_vec(),
        column: column.to_owned(),
        value,
        col_version,
        causal_length: row.causal_length,
        seq: 0,
    };
    let sentinel = row
        .has_sentinel()
        .then(|| change(SENTINEL, Value::Null, row.causal_length));
    let before = row.cells.range::<str, _>((Unbounded, Excluded(SENTINEL)));
    let after = row.cells.range::<str, _>((Excluded(SENTINEL), Unbounded));
    let cells = move |(column, cell): (&String, &Cell)| change(column, cell.value.clone(), cell.col_version);
    before.map(cells).chain(sentinel).chain(after.map(cells))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{VERSION_MAX, key};
    use super::*;

    fn change() -> impl Strategy<Value = RowChange> {
        let value = prop_oneof![
            Just(Value::Null),
            (0..3_i64).prop_map(Value::Integer),
            (0..3_i32).prop_map(|real| Value::real(f64::from(real))),
            "[ab]{0,2}".prop_map(Value::Text),
            prop::collection::vec(0..2_u8, 0..2).prop_map(Value::Blob),
        ];
        let column = prop::sample::select(vec![SENTINEL, "!odd", "name", "status"]);
        (0..2_i64, column, value, 0..3_i64, 1..5_i64).prop_map(|(id, column, value, version, life)| {
            let sentinel = column == SENTINEL;
            RowChange {
                table: "gates".to_owned(),
                key: key::pack(&[Value::Integer(id)]).unwrap(),
                column: column.to_owned(),
                value: if sentinel { Value::Null } else { value },
                col_version: if sentinel { life } else { version },
                causal_length: if sentinel { life } else { life | 1 },
                seq: 0,
            }
        })
    }

    fn merged(changes: &[RowChange]) -> RowSet {
        let mut rows = RowSet::default();
        for change in changes {
            rows.merge(change).unwrap();
        }
        rows
    }

    proptest! {
        #[test]
        fn order_and_repetition_do_not_matter(
            changes in prop::collection::vec(change(), 0..24),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let expected = merged(&changes);
            let mut shuffled: Vec<_> = order
                .iter()
                .filter(|_| !changes.is_empty())
                .map(|index| index.get(&changes).clone())
                .collect();
            shuffled.extend(changes.iter().rev().cloned());
            let rows = merged(&shuffled);
            prop_assert_eq!(&rows, &expected);
            prop_assert_eq!(rows.digest(), expected.digest());
        }

        #[test]
        fn its_changes_are_its_state(changes in prop::collection::vec(change(), 0..24)) {
            let rows = merged(&changes);
            let state: Vec<_> = rows.changes().collect();
            prop_assert!(state.is_sorted_by_key(|change| (change.key.clone(), change.column.clone())));
            prop_assert_eq!(merged(&state), rows);
        }

        #[test]
        fn merge_tells_whether_it_altered_the_state(changes in prop::collection::vec(change(), 0..24)) {
            let mut rows = RowSet::default();
            for change in &changes {
                let before = rows.clone();
                let altered = rows.merge(change).unwrap();
                prop_assert_eq!(altered, rows != before);
            }
        }
    }

    #[test]
    fn a_refused_change_leaves_nothing() {
        let mut rows = RowSet::default();
        let change = RowChange {
            table: "gates".to_owned(),
            key: vec![],
            column: "status".to_owned(),
            value: Value::Null,
            col_version: VERSION_MAX,
            causal_length: 1,
            seq: 0,
        };
        assert!(rows.merge(&change).is_err());
        assert_eq!(rows, RowSet::default());
    }

    #[test]
    fn reads_live_rows_only() {
        let sentinel = |id: i64, life: i64| RowChange {
            table: "gates".to_owned(),
            key: key::pack(&[Value::Integer(id)]).unwrap(),
            column: SENTINEL.to_owned(),
            value: Value::Null,
            col_version: life,
            causal_length: life,
            seq: 0,
        };
        let rows = merged(&[sentinel(1, 1), sentinel(2, 1), sentinel(2, 2)]);
        let live: Vec<_> = rows
            .live_rows("gates")
            .map(|(key, _)| key::unpack(key).unwrap())
            .collect();
        assert_eq!(live, [vec![Value::Integer(1)]]);
        assert!(!rows.row("gates", &sentinel(2, 2).key).unwrap().is_live());
        assert_eq!(rows.live_rows("unknown").count(), 0);
    }
}
