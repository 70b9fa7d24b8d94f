//! Random histories: what gates and the hub write.

use proptest::prelude::*;
use proptest::sample::Index;
use sync_protocol::changeset::{PublicKey, SiteRole};
use sync_protocol::fact::{CardStatus, Direction, Fact, Tap};
use sync_protocol::fare::OrphanPolicy;
use sync_protocol::id::FactId;
use sync_protocol::money::Money;

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
    Issue,
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
        1 => Just(HubAct::Issue),
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
            HubAct::Issue => Fact::CardIssued { card: card_id },
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
