//! What the hub hands on: whole signed runs, its own and those of others.

use sync_protocol::changeset::{Head, Run, RunError};
use sync_protocol::have::Range;
use sync_protocol::id::Seq;

use crate::network::*;

fn range(site: &Site, first: u64, last: u64) -> Range {
    Range {
        site: site.id(),
        first: Seq(first),
        last: Seq(last),
    }
}

#[test]
fn ranges_are_served_up_to_a_stored_signature() {
    let mut site = Site::gate(1, "A");
    for number in 0..9 {
        site.state(vec![(minutes(0), entry(card(number), "A", 1))]);
    }
    let mut ledger = ledger();
    let pieces = [site.run(1, 2), site.run(3, 7), site.run(8, 10)];
    ledger.ingest(&pieces, &Roster).unwrap();
    let served = |first, last, bytes_max| ledger.serve(&range(&site, first, last), bytes_max);
    assert_eq!(served(1, 10, 1 << 20), Some(site.run(1, 10)));
    assert_eq!(served(1, 9, 1 << 20), Some(site.run(1, 7)), "9 is not signed");
    assert_eq!(served(1, 10, 1), Some(site.run(1, 2)), "never nothing");
    assert_eq!(
        served(4, 5, 1 << 20),
        Some(site.run(4, 7)),
        "the shortest there is"
    );
    assert_eq!(served(11, 20, 1 << 20), None);
    assert_eq!(served(0, 2, 1 << 20), Some(site.run(1, 2)));
    assert_eq!(served(u64::MAX, u64::MAX, 1 << 20), None);
}

#[test]
fn what_was_published_can_be_asked_for_again() {
    let mut site = Site::gate(1, "A");
    for number in 0..2_000 {
        site.state(vec![(minutes(0), entry(card(number), "A", 1))]);
    }
    let mut ledger = ledger();
    ledger.ingest(&[site.log()], &Roster).unwrap();
    let published = ledger.settle(10_000, 0, &HUB_KEY).unwrap();
    assert!(published.len() > 1, "runs fit a frame");
    let settled = published[0].site;
    let mut head = Head::empty(settled);
    for run in &published {
        let served = ledger.serve(
            &Range {
                site: settled,
                first: run.first,
                last: run.last(),
            },
            1 << 20,
        );
        assert_eq!(served.as_ref(), Some(run));
        let extension = run.extend(&head, Some(&HUB_KEY.0), &Roster).unwrap();
        head = *extension.heads.last().unwrap();
    }
    assert_eq!(ledger.have().head(settled), head);
    // The hub believes its own site like any other's when it comes back from a gate.
    let again: Vec<Run> = published;
    ledger.ingest(&again, &Roster).unwrap();
    assert_eq!(ledger.counters().duplicates, again.len() as u64);
    let error = again[0].extend(&head, Some(&HUB_KEY.0), &Roster).unwrap_err();
    assert_eq!(error, RunError::Duplicate);
}
