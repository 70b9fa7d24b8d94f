//! What truly happened: every fact that any writer made durable, every card presented and what came of it, who was
//! down when, and what went down with a disk. Checks compare the nodes with this; nothing of it is visible to a node.

mod events;
mod kept;
mod loss;
mod passengers;

use std::collections::BTreeMap;

use edge_node::store::Decided;
use sync_protocol::changeset::{Body, Content, Run, SiteRole};
use sync_protocol::fact::{Fact, OrderedFact};
use sync_protocol::id::{CardId, NodeId, OrderKey, Seq, SiteId};
use sync_protocol::judge::{Writer, judge};

use kept::KeptFacts;

pub use events::{Absence, Downtime, Forged, Opaque, Outcome, Presented};
pub use loss::{DiskLoss, LostDisk, LostTail};
pub use passengers::{Answered, Passengers};

/// Everything that became durable anywhere, and everything that people saw.
#[derive(Debug, Default)]
pub struct Oracle {
    facts: BTreeMap<CardId, KeptFacts>,
    fare_versions: Vec<OrderedFact>,
    heads: BTreeMap<SiteId, Seq>,
    writers: BTreeMap<SiteId, NodeId>,
    /// Facts that went down with a disk, by changeset; they come back here when a copy turns up.
    lost: BTreeMap<(SiteId, Seq), Vec<OrderedFact>>,
    /// Every tap answered, in order of time.
    pub answered: Vec<Answered>,
    /// Every presentation of a card, in order of time, answered or not.
    pub presented: Vec<Presented>,
    /// Passengers who gave up after trying again and again: nobody was there to answer.
    pub gave_up: u64,
    /// When nodes did not run, in the order in which it began.
    pub downtimes: Vec<Downtime>,
    /// Disks that were lost.
    pub lost_disks: Vec<LostDisk>,
    /// Changes of kinds that nobody here knows.
    pub opaque: Vec<Opaque>,
    /// Changesets made by hand to do harm.
    pub forged: Vec<Forged>,
}

impl Oracle {
    /// Notes what a node's writer committed, before it leaves the node.
    ///
    /// # Panics
    /// Never for what a writer commits: it can read it.
    pub fn note(&mut self, node: NodeId, run: &Run) {
        for (body, seq) in run.bodies.iter().zip(run.first.0..) {
            self.note_head(node, run.site, Seq(seq));
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

    /// Notes a changeset made by hand, once some store has taken it: the facts in it that its writer may state, and
    /// what nobody knows.
    pub fn note_hand_made(
        &mut self,
        node: NodeId,
        role: SiteRole,
        (site, seq): (SiteId, Seq),
        body: &[u8],
        now_ms: i64,
    ) {
        self.note_head(node, site, seq);
        let Ok(body) = Body::decode(body) else {
            return;
        };
        for (index, change) in body.changes.iter().enumerate() {
            let key = body.order_key(site, seq, index);
            match change.read() {
                Ok(Some(content)) if judge(Writer { node, role }, key.id, &content).is_err() => {}
                Ok(Some(Content::Fact(fact))) => self.note_fact(OrderedFact { key, fact }),
                Ok(None) => self.opaque.push(Opaque {
                    id: key.id,
                    node,
                    content: change.content.to_vec(),
                    at_ms: now_ms,
                }),
                _ => {}
            }
        }
    }

    /// Notes a tap the moment it is durable, whether or not anybody is told.
    pub fn note_tap(&mut self, node: NodeId, decided: &Decided) {
        self.note_head(node, decided.fact.site, decided.fact.seq);
        self.note_fact(OrderedFact {
            key: OrderKey {
                at: decided.at,
                id: decided.fact,
            },
            fact: Fact::Tap(decided.decision.tap),
        });
    }

    /// Notes that a changeset without facts that count is durable.
    pub fn note_head(&mut self, node: NodeId, site: SiteId, seq: Seq) {
        self.heads.insert(site, seq);
        self.writers.insert(site, node);
    }

    /// Versions stand in the order of their numbers, which they are published in; what was lost may turn up late.
    fn note_fares(&mut self, fact: OrderedFact) {
        let number = |fact: &OrderedFact| match &fact.fact {
            Fact::FareVersion(table) => table.version,
            _ => 0,
        };
        let own = number(&fact);
        let place = self.fare_versions.partition_point(|other| number(other) <= own);
        self.fare_versions.insert(place, fact);
    }

    fn note_fact(&mut self, fact: OrderedFact) {
        match (&fact.fact, fact.fact.card()) {
            (Fact::FareVersion(_), _) => self.note_fares(fact),
            (_, Some(card)) => self.facts.entry(card).or_default().push(&fact),
            _ => {}
        }
    }

    /// Every card that any fact names, ascending.
    pub fn cards(&self) -> impl Iterator<Item = CardId> {
        self.facts.keys().copied()
    }

    /// The facts of a card.
    #[must_use]
    pub fn facts_of(&self, card: CardId) -> Vec<OrderedFact> {
        self.facts
            .get(&card)
            .into_iter()
            .flat_map(KeptFacts::iter)
            .collect()
    }

    /// Every fare version.
    #[must_use]
    pub fn fare_versions(&self) -> &[OrderedFact] {
        &self.fare_versions
    }

    /// The last changeset of every site, as its writer committed it, less what went down with a disk.
    #[must_use]
    pub fn heads(&self) -> BTreeMap<SiteId, Seq> {
        self.heads.clone()
    }

    /// The last changeset of a site that is not lost.
    #[must_use]
    pub fn head(&self, site: SiteId) -> Seq {
        self.heads.get(&site).copied().unwrap_or_default()
    }

    /// Who writes a site.
    #[must_use]
    pub fn writer(&self, site: SiteId) -> Option<NodeId> {
        self.writers.get(&site).copied()
    }

    /// The sites that a node wrote.
    pub fn sites_of(&self, node: NodeId) -> impl Iterator<Item = SiteId> + '_ {
        let own = self.writers.iter().filter(move |(_, writer)| **writer == node);
        own.map(|(site, _)| *site)
    }

    /// How many facts belong to cards.
    #[must_use]
    pub fn card_facts(&self) -> usize {
        self.facts.values().map(KeptFacts::len).sum()
    }

    /// How passengers fared.
    #[must_use]
    pub fn passengers(&self) -> Passengers {
        let mut passengers = Passengers::default();
        for answered in &self.answered {
            passengers.count(answered);
        }
        for presented in &self.presented {
            passengers.count_presented(presented);
        }
        passengers.gave_up = self.gave_up;
        passengers
    }
}
