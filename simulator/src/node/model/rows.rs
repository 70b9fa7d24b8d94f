//! The replicated tables at a gate. Gates that merged the same changesets in the same order share one version.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use sync_protocol::decide::Mode;
use sync_protocol::id::{CardId, GateId};
use sync_protocol::rows::{Row, RowChange, RowSet, Value, key};

/// One state of the tables, and those that follow it.
#[derive(Debug, Default)]
pub(super) struct RowVersion {
    rows: RowSet,
    denied: BTreeSet<CardId>,
    digest: OnceCell<[u8; 32]>,
    /// By what is merged next: its site's place in the log, and the first and last changeset.
    next: RefCell<BTreeMap<(u32, u64, u64), Rc<RowVersion>>>,
}

impl RowVersion {
    /// The state after a run of one site, whose changes were checked against the schema.
    pub(super) fn after<'a>(
        &self,
        run: (u32, u64, u64),
        changes: impl Iterator<Item = &'a RowChange>,
    ) -> Rc<RowVersion> {
        let mut next = self.next.borrow_mut();
        let version = next.entry(run).or_insert_with(|| {
            let mut rows = self.rows.clone();
            for change in changes {
                rows.merge(change)
                    .expect("BUG: a change that the schema takes is well formed");
            }
            Rc::new(RowVersion {
                denied: denied(&rows),
                rows,
                ..RowVersion::default()
            })
        });
        Rc::clone(version)
    }

    /// The digest of the tables.
    pub(super) fn digest(&self) -> [u8; 32] {
        *self.digest.get_or_init(|| self.rows.digest())
    }

    /// The mode that the `gates` table gives a gate, if it does.
    pub(super) fn mode(&self, gate: GateId) -> Option<Mode> {
        let key = key::pack(&[Value::Integer(i64::from(gate.0))]).ok()?;
        let row = self.rows.row("gates", &key).filter(|row| row.is_live())?;
        match row.value("mode") {
            Some(Value::Text(mode)) if mode == "closed" => Some(Mode::Closed),
            Some(Value::Text(mode)) if mode == "free_flow" => Some(Mode::FreeFlow),
            Some(Value::Text(mode)) if mode != "normal" => None,
            _ => Some(Mode::Normal),
        }
    }

    /// Whether a gate's own denial of the card stands.
    pub(super) fn is_denied(&self, card: CardId) -> bool {
        self.denied.contains(&card)
    }
}

/// The cards that a gate denied and the hub did not let off, as `sql/edge/queries/denied.sql` reads the table.
fn denied(rows: &RowSet) -> BTreeSet<CardId> {
    let listed: Vec<(Vec<Value>, &Row)> = rows
        .live_rows("deny_list")
        .filter_map(|(packed, row)| Some((key::unpack(packed).ok()?, row)))
        .collect();
    let number = |row: &Row, column: &str| match row.value(column) {
        Some(Value::Integer(number)) => *number,
        _ => 0,
    };
    let hub = Value::Integer(0);
    let stands = |(names, row): &&(Vec<Value>, &Row)| {
        let lifts = |(other, by_hub): &(Vec<Value>, &Row)| {
            other[..2] == names[..2]
                && other[2] == hub
                && number(by_hub, "lifted") == 1
                && number(by_hub, "denial") >= number(row, "denial")
        };
        names[1] == names[2] && number(row, "lifted") == 0 && !listed.iter().any(lifts)
    };
    let cards = listed
        .iter()
        .filter(stands)
        .filter_map(|(names, _)| match &names[0] {
            Value::Text(card) => card.parse().ok(),
            _ => None,
        });
    cards.collect()
}
