//! Histories of one card in a small network, and what is expected of them.

use simulator::check::reference;
use sync_protocol::fact::{CardStatus, Direction, Fact, Knowledge, OrderedFact, Reason, Tap};
use sync_protocol::fare::{FareBook, FareVersion, OrphanPolicy};
use sync_protocol::id::{CardId, FactId, GateId, OrderKey, Seq, SiteId, TerminalCode};
use sync_protocol::journey::history::{CardHistory, CardProjection};
use sync_protocol::journey::{CardView, Flag};
use sync_protocol::money::Money;
use sync_protocol::time::{HOUR_MS, MINUTE_MS, SECOND_MS, Stamp};

pub(crate) const SECOND: i64 = SECOND_MS;
pub(crate) const MINUTE: i64 = MINUTE_MS;
pub(crate) const HOUR: i64 = HOUR_MS;

/// Origin, destination, price. From A 3000 to 8000, from B 3500 to 6000, from C 2500 to 5500, from D 2000 to 9000.
/// Into A 3500 to 9000, into B 3000 to 7000, into C 2000 to 5000, into D 2500 to 8000.
const FARES: [(&str, &str, i64); 12] = [
    ("A", "B", 3000),
    ("A", "C", 5000),
    ("A", "D", 8000),
    ("B", "A", 3500),
    ("B", "C", 4000),
    ("B", "D", 6000),
    ("C", "A", 5500),
    ("C", "B", 4500),
    ("C", "D", 2500),
    ("D", "A", 9000),
    ("D", "B", 7000),
    ("D", "C", 2000),
];

pub(crate) fn card() -> CardId {
    "CARD0001".parse().unwrap()
}

pub(crate) fn terminal(code: &str) -> TerminalCode {
    code.parse().unwrap()
}

/// The fare table above, every price raised by `surcharge` rupiah.
pub(crate) fn fare_version(version: u32, from_ms: i64, policy: OrphanPolicy, surcharge: i64) -> FareVersion {
    let fares = FARES
        .iter()
        .map(|(from, to, price)| (terminal(from), terminal(to), Money::rupiah(price + surcharge)));
    FareVersion::new(version, from_ms, policy, fares).unwrap()
}

/// The facts of one card. Times count from an arbitrary start; clocks are off by up to `uncertainty_ms`.
pub(crate) struct History {
    pub(crate) facts: Vec<OrderedFact>,
    pub(crate) fares: Vec<OrderedFact>,
    pub(crate) uncertainty_ms: u32,
}

impl History {
    /// With one fare version of this policy in force from the start of time.
    pub(crate) fn new(policy: OrphanPolicy) -> History {
        let mut history = History::without_fares();
        history.fares(fare_version(1, -HOUR, policy, 0));
        history
    }

    pub(crate) fn without_fares() -> History {
        let (facts, fares) = (Vec::new(), Vec::new());
        History {
            facts,
            fares,
            uncertainty_ms: 2_000,
        }
    }

    pub(crate) fn fares(&mut self, version: FareVersion) {
        let key = key(b'H', 1_000 + self.fares.len() as u64, 0, 0);
        let fact = Fact::FareVersion(version);
        self.fares.push(OrderedFact { key, fact });
    }

    /// Adds a fact under the next number of a site.
    pub(crate) fn add(&mut self, site: u8, at_ms: i64, fact: Fact) -> FactId {
        let seq = self.facts.len() as u64 + 1;
        let key = key(site, seq, at_ms, 0);
        self.facts.push(OrderedFact { key, fact });
        key.id
    }

    fn tap(&mut self, at_ms: i64, direction: Direction, code: &str) -> (FactId, &mut Tap) {
        let tap = Fact::Tap(Tap {
            card: card(),
            direction,
            terminal: terminal(code),
            gate: GateId(1),
            uncertainty_ms: self.uncertainty_ms,
            accepted: true,
            reason: Reason::Accepted,
            fare_version: 1,
            hold: Money::ZERO,
            quoted: None,
            knowledge: Knowledge::default(),
        });
        let id = self.add(code.as_bytes()[0], at_ms, tap);
        match self.facts.last_mut() {
            Some(OrderedFact {
                fact: Fact::Tap(tap), ..
            }) => (id, tap),
            _ => unreachable!("a tap was just added"),
        }
    }

    pub(crate) fn entry(&mut self, at_ms: i64, code: &str, hold: i64) -> FactId {
        let (id, tap) = self.tap(at_ms, Direction::Entry, code);
        tap.hold = Money::rupiah(hold);
        id
    }

    pub(crate) fn denied_entry(&mut self, at_ms: i64, code: &str, hold: i64) -> FactId {
        let (id, tap) = self.tap(at_ms, Direction::Entry, code);
        tap.hold = Money::rupiah(hold);
        tap.accepted = false;
        tap.reason = Reason::Blocked;
        id
    }

    pub(crate) fn exit(&mut self, at_ms: i64, code: &str) -> FactId {
        self.tap(at_ms, Direction::Exit, code).0
    }

    pub(crate) fn exit_quoting(&mut self, at_ms: i64, code: &str, quoted: i64) -> FactId {
        let (id, tap) = self.tap(at_ms, Direction::Exit, code);
        tap.quoted = Some(Money::rupiah(quoted));
        id
    }

    pub(crate) fn close(&mut self, at_ms: i64, tap: FactId) -> FactId {
        self.add(b'H', at_ms, Fact::Close { card: card(), tap })
    }

    pub(crate) fn status(&mut self, at_ms: i64, version: u64, status: CardStatus) -> FactId {
        let card = card();
        let status = Fact::CardStatus {
            card,
            version,
            status,
        };
        self.add(b'H', at_ms, status)
    }

    pub(crate) fn top_up(&mut self, at_ms: i64, amount: i64, reference: &str) -> FactId {
        let (card, amount) = (card(), Money::rupiah(amount));
        let reference = reference.to_owned();
        self.add(
            b'H',
            at_ms,
            Fact::TopUp {
                card,
                amount,
                reference,
            },
        )
    }

    pub(crate) fn adjust(&mut self, at_ms: i64, amount: i64) -> FactId {
        let (card, amount, reason) = (card(), Money::rupiah(amount), String::new());
        self.add(b'H', at_ms, Fact::Adjust { card, amount, reason })
    }

    pub(crate) fn refund(&mut self, at_ms: i64, amount: i64) -> FactId {
        let (card, amount, reason) = (card(), Money::rupiah(amount), String::new());
        self.add(b'H', at_ms, Fact::Refund { card, amount, reason })
    }

    pub(crate) fn write_off(&mut self, at_ms: i64, amount: i64) -> FactId {
        let (card, amount, reason) = (card(), Money::rupiah(amount), String::new());
        self.add(b'H', at_ms, Fact::WriteOff { card, amount, reason })
    }

    /// What the production fold makes of the facts, whether they come at once or one by one, forwards or backwards.
    pub(crate) fn fold(&self) -> CardProjection {
        let fares = fare_book(&self.fares);
        let mut at_once = CardHistory::new(card());
        at_once.extend(&fares, self.facts.iter().cloned());
        let projection = at_once.projection(&fares);

        let mut forwards = CardHistory::new(card());
        let mut backwards = CardHistory::new(card());
        for (first, last) in self.facts.iter().zip(self.facts.iter().rev()) {
            forwards.insert(&fares, first.clone());
            backwards.insert(&fares, last.clone());
        }
        assert_eq!(
            forwards.projection(&fares),
            projection,
            "one by one differs from all at once"
        );
        assert_eq!(
            backwards.projection(&fares),
            projection,
            "backwards differs from forwards"
        );
        projection
    }

    /// What a gate sees of the card.
    pub(crate) fn view(&self) -> CardView {
        let fares = fare_book(&self.fares);
        let mut history = CardHistory::new(card());
        history.extend(&fares, self.facts.iter().cloned());
        history.view(&fares)
    }

    /// Asserts what both folds make of the facts.
    #[track_caller]
    pub(crate) fn expect(&self, expected: Expected) {
        let reference = reference::fold(card(), &self.facts, &self.fares);
        for (fold, projection) in [("production", self.fold()), ("reference", reference)] {
            assert_eq!(
                Expected::of(&projection),
                expected.clone().sorted(),
                "{fold} fold"
            );
        }
    }
}

/// Nothing at all: where expectations start from.
pub(crate) fn expected() -> Expected {
    Expected::default()
}

/// All of a projection that an outsider sees, in whole rupiah.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) balance: i64,
    pub(crate) held: i64,
    /// Status, entry, exit, fare.
    pub(crate) journeys: Vec<(&'static str, Option<FactId>, Option<FactId>, i64)>,
    pub(crate) flags: Vec<(Flag, FactId)>,
    /// Rule, debit, credit, amount.
    pub(crate) postings: Vec<(&'static str, &'static str, &'static str, i64)>,
}

impl Expected {
    fn of(projection: &CardProjection) -> Expected {
        let rupiah = |amount: Money| {
            assert_eq!(amount.as_hundredths() % 100, 0, "{amount} has a fraction");
            amount.as_hundredths() / 100
        };
        let journeys = projection.journeys.iter().map(|journey| {
            let tap = |endpoint: Option<sync_protocol::journey::Endpoint>| endpoint.map(|end| end.tap);
            (
                journey.status.name(),
                tap(journey.entry),
                tap(journey.exit),
                rupiah(journey.fare),
            )
        });
        let postings = projection.postings.iter().map(|posting| {
            let (rule, debit, credit) = (posting.rule.name(), posting.debit.name(), posting.credit.name());
            (rule, debit, credit, rupiah(posting.amount))
        });
        Expected {
            balance: rupiah(projection.balance),
            held: rupiah(projection.held),
            journeys: journeys.collect(),
            flags: projection.flags.clone(),
            postings: postings.collect(),
        }
        .sorted()
    }

    fn sorted(mut self) -> Expected {
        self.journeys.sort();
        self.flags.sort();
        self.postings.sort();
        self
    }
}

/// A fare posting from the card.
pub(crate) fn fare(rule: &'static str, amount: i64) -> (&'static str, &'static str, &'static str, i64) {
    (rule, "card", "fare_revenue", amount)
}

pub(crate) fn completed(
    entry: FactId,
    exit: FactId,
    fare: i64,
) -> (&'static str, Option<FactId>, Option<FactId>, i64) {
    ("completed", Some(entry), Some(exit), fare)
}

pub(crate) fn incomplete(entry: FactId, fare: i64) -> (&'static str, Option<FactId>, Option<FactId>, i64) {
    ("incomplete", Some(entry), None, fare)
}

pub(crate) fn unstarted(exit: FactId, fare: i64) -> (&'static str, Option<FactId>, Option<FactId>, i64) {
    ("unstarted", None, Some(exit), fare)
}

pub(crate) fn active(entry: FactId) -> (&'static str, Option<FactId>, Option<FactId>, i64) {
    ("active", Some(entry), None, 0)
}

pub(crate) fn key(site: u8, seq: u64, at_ms: i64, counter: u32) -> OrderKey {
    OrderKey {
        at: Stamp { ms: at_ms, counter },
        id: FactId {
            site: SiteId([site; 16]),
            seq: Seq(seq),
            index: 0,
        },
    }
}

/// The book of all versions, offered in the order of the facts.
pub(crate) fn fare_book(facts: &[OrderedFact]) -> FareBook {
    let mut facts: Vec<_> = facts.iter().collect();
    facts.sort_by_key(|fact| fact.key);
    let mut fares = FareBook::default();
    for fact in facts {
        if let Fact::FareVersion(version) = &fact.fact {
            fares.insert(version.clone());
        }
    }
    fares
}
