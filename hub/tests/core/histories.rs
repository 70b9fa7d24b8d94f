//! Random histories, and the ways they may reach the hub.

use std::collections::{BTreeMap, BTreeSet};

use hub::ledger::memory::MemoryLedger;
use hub::outbox::{Event, EventKey, first_tap, transitions};
use proptest::prelude::*;
use proptest::sample::Index;
use sync_protocol::codec;
use sync_protocol::ledger::Account;
use sync_protocol::money::Money;

use crate::listener::Listener;
use crate::network::*;
use crate::random::history;

/// One step of a delivery: a piece of some site's log, then perhaps settling.
type Step = (Index, usize, Option<usize>);

pub(crate) fn delivery() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((any::<Index>(), 1..4_usize, prop::option::of(1..12_usize)), 0..60)
}

/// Delivers everything in this order and settles it, checking the books after every settling.
pub(crate) fn deliver(sites: &[Site], steps: &[Step]) -> (MemoryLedger, Listener) {
    let mut ledger = ledger();
    let mut listener = Listener::default();
    let mut sent = vec![0; sites.len()];
    for (which, count, settle) in steps {
        let open: Vec<usize> = (0..sites.len())
            .filter(|place| sent[*place] < sites[*place].bodies.len())
            .collect();
        if open.is_empty() {
            break;
        }
        let place = *which.get(&open);
        let last = (sent[place] + count).min(sites[place].bodies.len());
        let run = sites[place].run(sent[place] as u64 + 1, last as u64);
        sent[place] = last;
        assert_eq!(ledger.ingest(&[run], &Roster).unwrap().rejected, 0);
        if let Some(most) = settle {
            settle_and_check(&mut ledger, &mut listener, sites, *most);
        }
    }
    let rest = sites.iter().zip(&sent);
    let rest = rest.filter(|(site, sent)| **sent < site.bodies.len());
    let runs: Vec<_> = rest
        .map(|(site, sent)| site.run(*sent as u64 + 1, site.bodies.len() as u64))
        .collect();
    ledger.ingest(&runs, &Roster).unwrap();
    while ledger.waiting_count() > 0 {
        settle_and_check(&mut ledger, &mut listener, sites, 1_000);
    }
    (ledger, listener)
}

fn settle_and_check(ledger: &mut MemoryLedger, listener: &mut Listener, sites: &[Site], most: usize) {
    let runs = ledger.settle(most, minutes(0), &HUB_KEY).unwrap();
    ledger.audit().unwrap();
    for run in &runs {
        listener.hear(run, sites);
    }
    let held: Vec<_> = ledger.card_rows().collect();
    assert_eq!(listener.card_rows(), held);
}

/// What must not depend on how a history arrived: states, balances, postings, and the told transitions of journeys
/// that stand.
fn outcome(ledger: &MemoryLedger) -> Vec<(Vec<u8>, Vec<u8>, Money)> {
    let card = |card| {
        let state = &ledger.card_state(card).unwrap().state;
        (
            codec::encode(state),
            ledger.projection(card).to_bytes(),
            ledger.account(Account::Card(card)),
        )
    };
    ledger.cards().map(card).collect()
}

fn check_against_fold(ledger: &MemoryLedger, sites: &[Site]) {
    let (book, histories) = folded(sites);
    assert_eq!(
        ledger.cards().collect::<Vec<_>>(),
        histories.keys().copied().collect::<Vec<_>>()
    );
    let told: Vec<EventKey> = ledger.outbox(0).iter().map(Event::key).collect();
    let once: BTreeSet<EventKey> = told.iter().copied().collect();
    assert_eq!(told.len(), once.len(), "an event was told twice");
    for (card, history) in histories {
        let projection = history.projection(&book);
        assert_eq!(ledger.card_state(card).unwrap().state, *history.state());
        assert_eq!(ledger.projection(card), projection);
        assert_eq!(ledger.account(Account::Card(card)), projection.balance);
        assert_eq!(ledger.view(card).unwrap(), history.view(&book));
        let mut told = BTreeMap::new();
        for event in ledger.outbox(0).iter().filter(|event| event.card() == Some(card)) {
            if let Event::BalanceUpdated { amount, .. } = event {
                *told.entry(card).or_insert(Money::ZERO) += *amount;
            }
        }
        assert_eq!(told.remove(&card).unwrap_or_default(), projection.balance);
        for journey in &projection.journeys {
            for transition in transitions(journey) {
                let key = EventKey::Journey(first_tap(journey), transition);
                assert!(once.contains(&key), "{key:?} was never told");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn any_delivery_settles_to_the_fold_of_everything(
        history in history(4, 60, 30),
        one in delivery(),
        other in delivery(),
    ) {
        let sites = history.sites();
        let (ledger, _) = deliver(&sites, &one);
        check_against_fold(&ledger, &sites);
        let (again, _) = deliver(&sites, &other);
        check_against_fold(&again, &sites);
        prop_assert_eq!(outcome(&ledger), outcome(&again));
    }

    #[test]
    fn the_same_runs_again_change_nothing(
        history in history(4, 40, 20),
        steps in delivery(),
        pieces in prop::collection::vec((any::<Index>(), any::<Index>(), any::<Index>()), 0..40),
    ) {
        let sites = history.sites();
        let (mut ledger, _) = deliver(&sites, &steps);
        let before = ledger.clone();
        for (which, from, to) in pieces {
            let site = which.get(&sites);
            let (from, to) = (from.index(site.bodies.len()), to.index(site.bodies.len()));
            let run = site.run(from.min(to) as u64 + 1, from.max(to) as u64 + 1);
            let ingested = ledger.ingest(&[run], &Roster).unwrap();
            prop_assert_eq!(ingested, hub::ledger::memory::Ingested::default());
        }
        prop_assert!(ledger.settle(1_000, minutes(0), &HUB_KEY).unwrap().is_empty());
        prop_assert_eq!(ledger.cards_digest(), before.cards_digest());
        prop_assert_eq!(ledger.outbox(0), before.outbox(0));
        prop_assert_eq!(ledger.have(), before.have());
        prop_assert_eq!(ledger.accounts().collect::<Vec<_>>(), before.accounts().collect::<Vec<_>>());
    }
}
