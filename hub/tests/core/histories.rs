//! Random histories, and the ways they may reach the hub.

use std::collections::{BTreeMap, BTreeSet};

use hub::ledger::memory::MemoryLedger;
use hub::outbox::{Event, EventKey, first_tap, transitions};
use proptest::prelude::*;
use proptest::sample::Index;
use sync_protocol::changeset::{PublicKey, SiteRole};
use sync_protocol::codec;
use sync_protocol::fact::{CardStatus, Direction, Fact, Tap};
use sync_protocol::fare::OrphanPolicy;
use sync_protocol::id::FactId;
use sync_protocol::ledger::Account;
use sync_protocol::money::Money;

use crate::listener::Listener;
use crate::network::*;

const GATES: [&str; 6] = ["A", "A", "B", "B", "C", "C"];

#[derive(Clone, Debug)]
struct TapAct {
    gate: usize,
    card: u32,
    exit: bool,
    accepted: bool,
    minute: i64,
    uncertainty_ms: u32,
    quoted: Option<i64>,
}

#[derive(Clone, Debug)]
enum HubAct {
    TopUp(i64, u8),
    Adjust(i64),
    Refund(i64),
    WriteOff(i64),
    Status(u64, bool),
    Close(Index),
    Fares(i64, OrphanPolicy),
}

#[derive(Clone, Debug)]
pub(crate) struct History {
    taps: Vec<TapAct>,
    decisions: Vec<(u32, i64, usize, HubAct)>,
    chunks: Vec<usize>,
}

/// Most taps fall within minutes of each other, so that every rule of the fold is met; some lie days apart.
fn minute() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0..40_i64, 2 => 0..400_i64, 1 => 0..4_000_i64]
}

fn tap_act(cards: u32) -> impl Strategy<Value = TapAct> {
    let quoted = prop::option::weighted(0.2, 1..9_000_i64);
    let uncertainty = prop_oneof![Just(1_000_u32), Just(120_000)];
    (
        0..GATES.len(),
        0..cards,
        any::<bool>(),
        prop::bool::weighted(0.9),
        minute(),
        uncertainty,
        quoted,
    )
        .prop_map(
            |(gate, card, exit, accepted, minute, uncertainty_ms, quoted)| TapAct {
                gate,
                card,
                exit,
                accepted,
                minute,
                uncertainty_ms,
                quoted,
            },
        )
}

fn hub_act() -> impl Strategy<Value = HubAct> {
    let policy = prop_oneof![
        Just(OrphanPolicy::Release),
        Just(OrphanPolicy::ChargeMax),
        Just(OrphanPolicy::ChargeMin)
    ];
    prop_oneof![
        3 => (0..50_000_i64, 0..4_u8).prop_map(|(amount, reference)| HubAct::TopUp(amount, reference)),
        1 => (-5_000..5_000_i64).prop_map(HubAct::Adjust),
        1 => (0..5_000_i64).prop_map(HubAct::Refund),
        1 => (0..5_000_i64).prop_map(HubAct::WriteOff),
        1 => (1..9_u64, any::<bool>()).prop_map(|(version, blocked)| HubAct::Status(version, blocked)),
        6 => any::<Index>().prop_map(HubAct::Close),
        2 => (-10..60_i64, policy).prop_map(|(from, policy)| HubAct::Fares(from, policy)),
    ]
}

pub(crate) fn history(cards: u32, taps: usize, decisions: usize) -> impl Strategy<Value = History> {
    (
        prop::collection::vec(tap_act(cards), 1..taps),
        prop::collection::vec((0..cards, minute(), 0..2_usize, hub_act()), 0..decisions),
        prop::collection::vec(1..5_usize, 1..6),
    )
        .prop_map(|(taps, decisions, chunks)| History {
            taps,
            decisions,
            chunks,
        })
}

impl History {
    /// The sites that wrote it: six gates and two terms of the hub.
    pub(crate) fn sites(&self) -> Vec<Site> {
        let mut chunks = self.chunks.iter().copied().cycle();
        let mut sites = Vec::new();
        let mut written: Vec<(u32, FactId)> = Vec::new();
        for (place, code) in GATES.iter().enumerate() {
            let number = place as u32 + 1;
            let mut site = Site::gate(number, code);
            let own: Vec<&TapAct> = self.taps.iter().filter(|act| act.gate == place).collect();
            let mut rest = own.as_slice();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(chunks.next().unwrap().min(rest.len()));
                let facts = now
                    .iter()
                    .map(|act| (minutes(act.minute), Fact::Tap(act.tap(number, code))));
                let ids = site.state(facts.collect());
                written.extend(now.iter().map(|act| act.card).zip(ids));
                rest = later;
            }
            sites.push(site);
        }
        let hubs = [50, 51].map(|key| {
            let signer = Keyed(PublicKey([key; 32]));
            Site::with_key(0, SiteRole::Decisions, signer, [key; 16])
        });
        sites.extend(hubs);
        for (version, (card_number, minute, term, act)) in (2_u32..).zip(&self.decisions) {
            let fact = act.fact(*card_number, version, &written);
            sites[GATES.len() + term].state(vec![(minutes(*minute), fact)]);
        }
        let first = Fact::FareVersion(fares(1, minutes(-5_000), OrphanPolicy::ChargeMin));
        sites[GATES.len()].state(vec![(minutes(-5_000), first)]);
        sites
    }
}

impl TapAct {
    fn tap(&self, gate: u32, code: &str) -> Tap {
        let direction = if self.exit {
            Direction::Exit
        } else {
            Direction::Entry
        };
        Tap {
            accepted: self.accepted,
            uncertainty_ms: self.uncertainty_ms,
            quoted: self.quoted.filter(|_| self.exit).map(Money::rupiah),
            hold: Money::rupiah(if self.exit { 0 } else { 8_000 }),
            ..tap(card(self.card), direction, code, gate)
        }
    }
}

impl HubAct {
    fn fact(&self, number: u32, version: u32, taps: &[(u32, FactId)]) -> Fact {
        let card_id = card(number);
        let reason = String::from("because");
        match self {
            HubAct::TopUp(amount, reference) => Fact::TopUp {
                card: card_id,
                amount: Money::rupiah(*amount),
                reference: format!("{number}-{reference}"),
            },
            HubAct::Adjust(amount) => Fact::Adjust {
                card: card_id,
                amount: Money::rupiah(*amount),
                reason,
            },
            HubAct::Refund(amount) => Fact::Refund {
                card: card_id,
                amount: Money::rupiah(*amount),
                reason,
            },
            HubAct::WriteOff(amount) => Fact::WriteOff {
                card: card_id,
                amount: Money::rupiah(*amount),
                reason,
            },
            HubAct::Status(version, blocked) => Fact::CardStatus {
                card: card_id,
                version: *version,
                status: if *blocked {
                    CardStatus::Blocked
                } else {
                    CardStatus::Active
                },
            },
            HubAct::Close(which) => {
                let (number, tap) = *which.get(taps);
                Fact::Close {
                    card: card(number),
                    tap,
                }
            }
            HubAct::Fares(from, policy) => Fact::FareVersion(fares(version, minutes(*from), *policy)),
        }
    }
}

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
