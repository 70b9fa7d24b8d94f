//! What is booked, line by line.

use hub::ledger::memory::MemoryLedger;

use sync_protocol::fact::Fact;
use sync_protocol::fare::OrphanPolicy;
use sync_protocol::ledger::{Account, Rule};
use sync_protocol::money::Money;

use crate::network::*;

fn publish(ledger: &mut MemoryLedger, site: &Site) {
    ledger.ingest(&[site.log()], &Roster).unwrap();
    ledger.settle(100, 0, &HUB_KEY).unwrap();
    ledger.audit().unwrap();
}

/// (revision, line, rule, effect on the card) of each entry.
fn lines(ledger: &MemoryLedger, number: u32) -> Vec<(u64, u32, Rule, i64)> {
    let rupiah = |money: Money| money.as_hundredths() / 100;
    ledger
        .journal(card(number))
        .iter()
        .map(|entry| {
            (
                entry.id.revision,
                entry.id.line,
                entry.posting.rule,
                rupiah(entry.effect()),
            )
        })
        .collect()
}

fn hub_site() -> Site {
    let mut site = Site::new(0, sync_protocol::changeset::SiteRole::Decisions);
    site.state(vec![(
        minutes(-10_000),
        Fact::FareVersion(fares(1, minutes(-5_000), OrphanPolicy::ChargeMax)),
    )]);
    site
}

#[test]
fn a_journey_costs_its_fare_in_one_line() {
    let mut ledger = ledger();
    publish(&mut ledger, &hub_site());
    let (mut a, mut b) = (Site::gate(1, "A"), Site::gate(2, "B"));
    a.state(vec![(minutes(0), entry(card(1), "A", 1))]);
    publish(&mut ledger, &a);
    assert_eq!(ledger.view(card(1)).unwrap().held, Money::rupiah(12_000));
    b.state(vec![(minutes(30), exit(card(1), "B", 2))]);
    publish(&mut ledger, &b);
    assert_eq!(lines(&ledger, 1), [(2, 0, Rule::Capture, -5_100)]);
    assert_eq!(ledger.account(Account::FareRevenue), Money::rupiah(5_100));
}

#[test]
fn a_posting_that_leaves_the_projection_and_comes_back_is_booked_three_times() {
    let mut ledger = ledger();
    publish(&mut ledger, &hub_site());
    let (mut a, mut b, mut c) = (Site::gate(1, "A"), Site::gate(2, "B"), Site::gate(3, "C"));
    a.state(vec![(minutes(0), entry(card(1), "A", 1))]);
    b.state(vec![(minutes(60), exit(card(1), "B", 2))]);
    publish(&mut ledger, &a);
    publish(&mut ledger, &b);
    // A late entry at C splits the journey: A stays incomplete and C to B is completed …
    c.state(vec![(minutes(20), entry(card(1), "C", 3))]);
    publish(&mut ledger, &c);
    // … and an entry and exit of the same minutes at A and C put B's exit back to where it was: unstarted taps and
    // all, the capture from A to B is gone for good; but a late exit at C closes C's journey and leaves B unstarted.
    c.state(vec![(minutes(30), exit(card(1), "C", 3))]);
    publish(&mut ledger, &c);
    // The entry at A again, five minutes before the exit at B: C is over, and B completes a journey from A.
    a.state(vec![(minutes(55), entry(card(1), "A", 1))]);
    publish(&mut ledger, &a);
    let booked = lines(&ledger, 1);
    assert_eq!(booked[0], (2, 0, Rule::Capture, -5_100));
    assert_eq!(booked[1], (3, 0, Rule::Capture, 5_100));
    assert_eq!(
        ledger.projection(card(1)).balance,
        ledger.account(Account::Card(card(1)))
    );
}
