//! Row changes from anybody: refused, or merged to the same state in any order and any number.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sync_protocol::codec;
use sync_protocol::rows::{RowChange, RowSet, key, shared};

fuzz_target!(|bytes: &[u8]| {
    let Ok(changes) = codec::decode::<Vec<RowChange>>(bytes) else {
        return;
    };
    let taken: Vec<&RowChange> = changes
        .iter()
        .filter(|change| shared().check(change).is_ok())
        .collect();
    for change in &taken {
        let values = key::unpack(&change.key).expect("a checked key can be unpacked");
        assert_eq!(
            key::pack(&values).as_ref(),
            Ok(&change.key),
            "one key, one encoding"
        );
    }
    let forward = merged(taken.iter().copied());
    let backward = merged(taken.iter().rev().copied());
    assert_eq!(forward, backward, "the order shows");
    let twice = merged(taken.iter().chain(&taken).copied());
    assert_eq!(forward, twice, "a repetition shows");
    let state: Vec<RowChange> = forward.changes().collect();
    let again = merged(&state);
    assert_eq!(forward.digest(), again.digest(), "a state merges to itself");
});

fn merged<'a>(changes: impl IntoIterator<Item = &'a RowChange>) -> RowSet {
    let mut rows = RowSet::default();
    for change in changes {
        rows.merge(change).expect("what the schema takes can be merged");
    }
    rows
}
