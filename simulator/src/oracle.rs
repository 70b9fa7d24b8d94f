//! What truly happened: every fact that any writer committed, noted the moment it was acknowledged, and how
//! passengers fared. Checks compare the nodes with this; nothing of it is visible to a node.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::changeset::{Body, Content, Run};
use sync_protocol::decide::Decision;
use sync_protocol::fact::{Direction, Fact, OrderedFact, Reason};
use sync_protocol::id::{CardId, NodeId, Seq, SiteId};
use sync_protocol::money::Money;

/// A tap that a gate answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Which gate.
    pub gate: NodeId,
    /// Milliseconds after the start.
    pub at_ms: i64,
    /// How long the gate had not heard the hub, milliseconds.
    pub age_ms: i64,
    /// What it decided.
    pub decision: Decision,
    /// The changeset that carries it.
    pub changeset: (SiteId, Seq),
}

/// Everything committed anywhere, and every tap answered.
#[derive(Debug, Default)]
pub struct Oracle {
    facts: BTreeMap<CardId, Vec<OrderedFact>>,
    fare_versions: Vec<OrderedFact>,
    /// Every changeset any writer committed.
    pub changesets: BTreeSet<(SiteId, Seq)>,
    /// Every tap answered, in order of time.
    pub answered: Vec<Answered>,
}

impl Oracle {
    /// Notes what a writer committed, before it leaves the node.
    pub fn note(&mut self, run: &Run) {
        for (body, seq) in run.bodies.iter().zip(run.first.0..) {
            self.changesets.insert((run.site, Seq(seq)));
            let body = Body::decode(body).expect("BUG: a writer commits what it can read");
            for (index, change) in body.changes.iter().enumerate() {
                if let Ok(Some(Content::Fact(fact))) = change.read() {
                    self.note_fact(OrderedFact {
                        key: body.order_key(run.site, Seq(seq), index),
                        fact,
                    });
                }
            }
        }
    }

    fn note_fact(&mut self, fact: OrderedFact) {
        match (&fact.fact, fact.fact.card()) {
            (Fact::FareVersion(_), _) => self.fare_versions.push(fact),
            (_, Some(card)) => self.facts.entry(card).or_default().push(fact),
            _ => {}
        }
    }

    /// Every card that any fact names, with its facts.
    pub fn cards(&self) -> impl Iterator<Item = (CardId, &[OrderedFact])> {
        self.facts.iter().map(|(card, facts)| (*card, facts.as_slice()))
    }

    /// Every fare version.
    #[must_use]
    pub fn fare_versions(&self) -> &[OrderedFact] {
        &self.fare_versions
    }

    /// How many facts belong to cards.
    #[must_use]
    pub fn card_facts(&self) -> usize {
        self.facts.values().map(Vec::len).sum()
    }

    /// How passengers fared.
    #[must_use]
    pub fn passengers(&self) -> Passengers {
        let mut passengers = Passengers::default();
        for answered in &self.answered {
            passengers.count(answered);
        }
        passengers
    }
}

/// How passengers fared, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passengers {
    /// Entries let in.
    pub entries: u64,
    /// Exits let out.
    pub exits: u64,
    /// Taps turned away, by reason.
    pub turned_away: BTreeMap<Reason, u64>,
    /// Taps decided while the gate had not heard the hub for fifteen seconds or more.
    pub decided_alone: u64,
    /// Entries let in on the unsecured allowance.
    pub on_allowance: u64,
    /// Holds placed at entries.
    pub held: Money,
}

/// A gate that has not heard the hub this long decides alone, in the words of the report.
pub const ALONE_MS: i64 = 15_000;

impl Passengers {
    fn count(&mut self, answered: &Answered) {
        let tap = &answered.decision.tap;
        self.decided_alone += u64::from(answered.age_ms >= ALONE_MS);
        match (tap.accepted, tap.direction) {
            (true, Direction::Entry) => {
                self.entries += 1;
                self.held += tap.hold;
                self.on_allowance += u64::from(tap.reason == Reason::Allowance);
            }
            (true, Direction::Exit) => self.exits += 1,
            (false, _) => *self.turned_away.entry(tap.reason).or_default() += 1,
        }
    }

    /// All taps answered.
    #[must_use]
    pub fn taps(&self) -> u64 {
        self.entries + self.exits + self.turned_away.values().sum::<u64>()
    }
}
