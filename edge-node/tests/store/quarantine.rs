//! What verified and could not be applied: kept with its reason, tried again, in nobody's way.

use bytes::Bytes;
use edge_node::store::{Inspection, Retried, Store};
use sync_protocol::changeset::{Change, SiteRole};
use sync_protocol::fact::Fact;
use sync_protocol::id::{NodeId, Seq, SiteId};

use crate::support::*;

/// As an older version would have left it: the change of this number is in the quarantine, and did nothing.
fn as_if_refused(store: &Store, site: SiteId, seq: u64, change: u16, undo: &str) {
    let row = format!(
        "{undo}; INSERT INTO quarantine (site, seq, change, reason)
         SELECT ordinal, {seq}, {change}, 'not understood' FROM sites WHERE site = x'{site}'"
    );
    store.connection().execute_batch(&row).unwrap();
}

/// A gate with one change that no version will take, and fares that an older version did not.
fn gate_with_quarantine(town: &mut Town, hub: &mut Hub) -> Store {
    let mut store = town.stocked_gate(1, "A", hub);
    let mut pen = Pen::new(NodeId(2), SiteRole::Gate(terminal("A")), 2, 9);
    let malformed = Change {
        at: None,
        content: Bytes::from_static(&[2, 0, 255]),
    };
    store.ingest(&pen.changes(T0, [malformed]), &town.trust).unwrap();
    let fares = hub.state(T0, [Fact::FareVersion(sample_fares(2, T0))]);
    store.ingest(&fares, &town.trust).unwrap();
    assert_eq!(store.fares().newest(), 2);
    let undo = "DELETE FROM fare_versions WHERE version = 2";
    as_if_refused(&store, fares.site, fares.first.0, 0, undo);
    store
}

#[test]
fn a_start_tries_it_again_and_what_is_refused_again_waits_with_its_reason() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let store = gate_with_quarantine(&mut town, &mut hub);
    assert_eq!(store.quarantine().unwrap().len(), 2);
    store.close().unwrap();

    let store = town.gate(1, "A");
    assert_eq!(store.fares().newest(), 2, "the fares are in force now");
    let left = store.quarantine().unwrap();
    assert_eq!((left.len(), left[0].attempts), (1, 1));
    assert!(left[0].reason.contains("malformed"), "{}", left[0].reason);
    assert_eq!(store.counters().released, 1);
    store.close().unwrap();
    let told = Inspection::open(town.path(1)).unwrap().quarantine().unwrap();
    assert_eq!(told, left);
    assert_eq!(town.gate(1, "A").quarantine().unwrap()[0].attempts, 2);
}

#[test]
fn a_running_gate_tries_a_bounded_number_the_least_tried_first() {
    let (mut town, mut hub) = (Town::new(), Hub::new());
    let mut store = gate_with_quarantine(&mut town, &mut hub);
    // The malformed one is of the higher site ordinal: the fares come first, and taps wait to be filed.
    store.tap(&entry(1, T0), 0).unwrap();
    assert!(!store.is_filed());
    let first = store.retry_quarantine(1).unwrap();
    assert_eq!((first.tried, first.released), (1, 1));
    assert!(store.is_filed());
    let again = Retried {
        tried: 1,
        released: 0,
    };
    assert_eq!(store.retry_quarantine(8).unwrap(), again);
    assert_eq!(store.retry_quarantine(8).unwrap(), again);
    assert_eq!(store.quarantine().unwrap()[0].attempts, 2);
    assert_eq!(store.fares().newest(), 2);
    // The site of the poisoned change goes on, and so does everything else.
    store.tap(&exit(1, T0 + 60_000), 0).unwrap();
    assert_eq!(store.head(store.site()).seq, Seq(2));
}
