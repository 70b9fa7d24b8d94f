//! Settle: stored facts → a [`SettlePlan`] of money, card states, events and what gates are told.
//!
//! Changesets are taken in the order they arrived and grouped into [`Cut`]s. A cut covers whole changesets and
//! touches at most [`CARDS_MAX`] cards, so that it is published as one changeset: the settled states of those
//! cards, and a SettledUpTo of what they cover. A gate that applies it atomically neither counts a tap twice nor
//! loses one (tests/cuts.rs).
//!
//! A fact in order costs one step from the card's settled state, whatever the card's history (`card.rs`). Late facts,
//! late Closes and new fare versions fold the card's history again, and what is booked is the *difference* between
//! what the journal says and what the fold says now.

mod card;
mod stated;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::changeset::{Change, Content, TAPS_MAX};
use sync_protocol::digest::SettledDigest;
use sync_protocol::fact::{CardSettled, Fact};
use sync_protocol::fare::{FareBook, FareVersion};
use sync_protocol::id::{CardId, FactId, Seq, SiteId};
use sync_protocol::ledger::Posting;
use sync_protocol::mutation::{Mutation, is};

use crate::ledger::{Arrival, FactRow, JournalEntry};
use crate::outbox::{Event, Transition};
use card::Desk;

/// Most cards settled in one published changeset: those of the largest changeset of a gate.
pub const CARDS_MAX: usize = TAPS_MAX;
/// Most facts settled in one cut, beyond its first changeset: bounds the work on one card.
pub const FACTS_MAX: usize = 4_096;
/// Most sites whose coverage advances in one cut.
pub const SITES_MAX: usize = 1_024;

/// What settle reads. Only what is settled: facts that are stored but not covered yet come as [`Arrival`]s.
pub trait Cards {
    /// Why a read failed.
    type Error;
    /// The last settled changeset of a site.
    ///
    /// # Errors
    /// The store cannot be read. So for all below.
    fn covered(&self, site: SiteId) -> Result<Seq, Self::Error>;
    /// The fare versions of settled changesets.
    ///
    /// # Errors
    /// See [`Cards::covered`].
    fn fares(&self) -> Result<FareBook, Self::Error>;
    /// A card's last settled state.
    ///
    /// # Errors
    /// See [`Cards::covered`].
    fn settled(&self, card: CardId) -> Result<Option<CardSettled>, Self::Error>;
    /// Whether a settled top-up of the card has this reference.
    ///
    /// # Errors
    /// See [`Cards::covered`].
    fn has_reference(&self, card: CardId, reference: &str) -> Result<bool, Self::Error>;
    /// A card's settled facts. Read only when the card is folded again.
    ///
    /// # Errors
    /// See [`Cards::covered`].
    fn history(&self, card: CardId) -> Result<Vec<FactRow>, Self::Error>;
    /// What the journal says of a card: its bookings less its reversals. Read only when the card is folded again.
    ///
    /// # Errors
    /// See [`Cards::covered`].
    fn booked(&self, card: CardId) -> Result<BTreeMap<Posting, i64>, Self::Error>;
    /// The transitions of a card that have been told. Read only when the card is folded again.
    ///
    /// # Errors
    /// See [`Cards::covered`].
    fn announced(&self, card: CardId) -> Result<BTreeSet<(FactId, Transition)>, Self::Error>;
    /// The cards whose last settled fact is stamped at or after `ms`: those a fare version from then on can concern.
    ///
    /// # Errors
    /// See [`Cards::covered`].
    fn stamped_from(&self, ms: i64) -> Result<Vec<CardId>, Self::Error>;
    /// The least revision that may be given: see [`crate::recovery`].
    ///
    /// # Errors
    /// See [`Cards::covered`].
    fn revision_floor(&self) -> Result<u64, Self::Error>;
    /// Cards to be stated anew, at most [`RESTATED_MAX`](crate::recovery::RESTATED_MAX).
    ///
    /// # Errors
    /// See [`Cards::covered`].
    fn to_restate(&self) -> Result<Vec<CardId>, Self::Error>;
    /// The digest of everything that is settled.
    ///
    /// # Errors
    /// See [`Cards::covered`].
    fn digest(&self) -> Result<SettledDigest, Self::Error>;
}

/// What settling a batch changes, in order. Executed in one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettlePlan {
    /// In order; each builds on those before it.
    pub cuts: Vec<Cut>,
    /// Cards that need not be stated anew any more.
    pub restated: Vec<CardId>,
    /// The digest of everything that is settled after them.
    pub digest: SettledDigest,
    /// The newest fare version that is in the digest.
    pub fare_version: u32,
}

impl SettlePlan {
    /// What gates are told, as changesets of the settled site, in order. The last one states the digest.
    #[must_use]
    pub fn changesets(&self) -> Vec<Vec<Change>> {
        let mut changesets: Vec<Vec<Change>> = self.cuts.iter().flat_map(Cut::changesets).collect();
        if let Some(last) = changesets.last_mut() {
            last.push(Change::new(&Content::Fact(Fact::SettledDigest {
                fare_version: self.fare_version,
                cards: self.digest.cards(),
                hash: self.digest.hash(),
            })));
        }
        changesets
    }
}

/// Whole changesets, settled together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Sites whose coverage advances, ascending. Executed only if they stand at `from`.
    pub covered: Vec<Covered>,
    /// Fare versions that hold from this cut on.
    pub fares: Vec<FareVersion>,
    /// The new states of the cards whose facts are covered, by card.
    pub states: Vec<CardSettled>,
    /// The new states of other cards that a fare version changed, by card.
    pub repriced: Vec<CardSettled>,
    /// What is booked.
    pub entries: Vec<JournalEntry>,
    /// What is told.
    pub events: Vec<Event>,
    /// How many cards had to be folded again.
    pub refolds: u64,
}

/// How far a site's coverage advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The site.
    pub site: SiteId,
    /// The last changeset covered before.
    pub from: Seq,
    /// The last changeset covered now.
    pub to: Seq,
}

impl Cut {
    /// What gates are told, as changesets of the settled site, in order. The covering one comes last and holds the
    /// states of all cards it covers: no changeset that is settled concerns more than [`CARDS_MAX`]
    /// ([`sync_protocol::judge`]), and so many states always fit.
    #[must_use]
    pub fn changesets(&self) -> Vec<Vec<Change>> {
        let mut changesets = pack(&self.repriced);
        changesets.extend(pack(&self.states));
        if self.covered.is_empty() || is(Mutation::SettleWithoutVector) {
            return changesets;
        }
        let covered = self.covered.iter().map(|covered| (covered.site, covered.to));
        let up_to = Change::new(&Content::Fact(Fact::SettledUpTo {
            covered: covered.collect(),
        }));
        match changesets.last_mut().filter(|_| !self.states.is_empty()) {
            Some(last) => last.push(up_to),
            None => changesets.push(vec![up_to]),
        }
        changesets
    }
}

/// States, [`CARDS_MAX`] to a changeset. They fit, because a state is bounded
/// ([`sync_protocol::journey::UNSTARTED_MAX`]); the test below builds the largest.
fn pack(states: &[CardSettled]) -> Vec<Vec<Change>> {
    let change =
        |state: &CardSettled| Change::new(&Content::Fact(Fact::CardSettled(Box::new(state.clone()))));
    states
        .chunks(CARDS_MAX)
        .map(|some| some.iter().map(change).collect())
        .collect()
}

/// Plans the settling of changesets, given in the order of their arrival. Those of one site have to follow what is
/// covered without a gap; what does not is left for later.
///
/// # Errors
/// The store cannot be read.
pub fn plan_settle<C: Cards>(cards: &C, arrivals: &[Arrival]) -> Result<SettlePlan, C::Error> {
    let mut draft = Draft {
        cards,
        fares: cards.fares()?,
        covered: BTreeMap::new(),
        desks: BTreeMap::new(),
        digest: cards.digest()?,
    };
    let mut plan = SettlePlan::default();
    let mut group = Group::default();
    for arrival in arrivals {
        if !draft.follows(arrival)? {
            continue;
        }
        if !group.has_room_for(arrival) {
            plan.cuts.push(draft.cut(std::mem::take(&mut group))?);
        }
        group.add(arrival);
        if group.prices {
            plan.cuts.push(draft.cut(std::mem::take(&mut group))?);
        }
    }
    if !group.sites.is_empty() {
        plan.cuts.push(draft.cut(group)?);
    }
    plan.restated = cards.to_restate()?;
    if let Some(cut) = draft.restate(&plan)? {
        plan.cuts.push(cut);
    }
    plan.fare_version = draft.fares.newest();
    plan.digest = draft.digest;
    Ok(plan)
}

/// The changesets of one cut.
#[derive(Default)]
struct Group<'a> {
    /// Per site, the last changeset.
    sites: BTreeMap<SiteId, Seq>,
    /// Per card, its new facts.
    cards: BTreeMap<CardId, Vec<&'a FactRow>>,
    fares: Vec<&'a FareVersion>,
    /// How many facts they hold.
    facts: usize,
    /// Whether a fare version is among them: it holds for the whole cut, so it is a cut of its own.
    prices: bool,
}

impl<'a> Group<'a> {
    fn has_room_for(&self, arrival: &Arrival) -> bool {
        if self.sites.is_empty() {
            return true;
        }
        if has_fares(arrival)
            || self.facts + arrival.facts.len() > FACTS_MAX
            || (self.sites.len() >= SITES_MAX && !self.sites.contains_key(&arrival.site))
        {
            return false;
        }
        let new: BTreeSet<CardId> = arrival
            .facts
            .iter()
            .filter_map(|row| row.fact.card())
            .filter(|card| !self.cards.contains_key(card))
            .collect();
        self.cards.len() + new.len() <= CARDS_MAX
    }

    fn add(&mut self, arrival: &'a Arrival) {
        self.sites.insert(arrival.site, arrival.seq);
        self.facts += arrival.facts.len();
        self.prices |= has_fares(arrival);
        for row in &arrival.facts {
            if let Some(card) = row.fact.card() {
                self.cards.entry(card).or_default().push(row);
            } else if let Fact::FareVersion(fare) = &row.fact {
                self.fares.push(fare);
            }
        }
    }
}

fn has_fares(arrival: &Arrival) -> bool {
    let is_fare = |row: &FactRow| matches!(row.fact, Fact::FareVersion(_));
    arrival.facts.iter().any(is_fare)
}

/// The ledger as it will stand after the cuts planned so far.
struct Draft<'a, C> {
    cards: &'a C,
    fares: FareBook,
    /// Per site: covered in the ledger or by earlier cuts, and planned with the cut under way.
    covered: BTreeMap<SiteId, (Seq, Seq)>,
    desks: BTreeMap<CardId, Desk>,
    digest: SettledDigest,
}

impl<C: Cards> Draft<'_, C> {
    fn follows(&mut self, arrival: &Arrival) -> Result<bool, C::Error> {
        let (_, last) = match self.covered.get_mut(&arrival.site) {
            Some(covered) => covered,
            None => {
                let covered = self.cards.covered(arrival.site)?;
                self.covered.entry(arrival.site).or_insert((covered, covered))
            }
        };
        let follows = arrival.seq == last.next();
        if follows {
            *last = arrival.seq;
        }
        Ok(follows)
    }

    fn cut(&mut self, group: Group<'_>) -> Result<Cut, C::Error> {
        let mut cut = Cut::default();
        for (site, to) in &group.sites {
            if let Some((from, _)) = self.covered.get_mut(site) {
                let from = std::mem::replace(from, *to);
                let (site, to) = (*site, *to);
                self.digest.cover(site, from, to);
                cut.covered.push(Covered { site, from, to });
            }
        }
        let mut concerned = self.reprice(&group.fares, &mut cut)?;
        for (card, mut facts) in group.cards {
            facts.sort_unstable_by_key(|row| row.key);
            self.settle(card, &facts, concerned.remove(&card), &mut cut)?;
            cut.states.push(self.desk(card)?.settled().clone());
        }
        for card in concerned {
            if self.settle(card, &[], true, &mut cut)? {
                cut.repriced.push(self.desk(card)?.settled().clone());
            }
        }
        Ok(cut)
    }

    /// States cards anew that this plan has not stated already. A card that the ledger does not know has no state: what
    /// is known of it is still to come.
    fn restate(&mut self, plan: &SettlePlan) -> Result<Option<Cut>, C::Error> {
        let states = |cut: &Cut| {
            let all = cut.states.iter().chain(&cut.repriced);
            all.map(|state| state.card).collect::<Vec<_>>()
        };
        let stated: BTreeSet<CardId> = plan.cuts.iter().flat_map(states).collect();
        let mut cut = Cut::default();
        for card in plan.restated.iter().filter(|card| !stated.contains(card)) {
            let floor = self.cards.revision_floor()?;
            let desk = self.desk(*card)?;
            let before = desk.settled().clone();
            if let Some(after) = desk.restate(floor).cloned() {
                self.digest.settle(Some(&before), Some(&after));
                cut.repriced.push(after);
            }
        }
        Ok((!cut.repriced.is_empty()).then_some(cut))
    }

    /// Adds fare versions, and says which cards have facts that they can price.
    fn reprice(&mut self, fares: &[&FareVersion], cut: &mut Cut) -> Result<BTreeSet<CardId>, C::Error> {
        let mut concerned = BTreeSet::new();
        for fare in fares {
            if !self.fares.insert((*fare).clone()) {
                continue;
            }
            cut.fares.push((*fare).clone());
            self.digest.add_fares(fare.version, fare.hash());
            let from_ms = fare.effective_from_ms;
            cut.events.push(Event::FaresPublished {
                version: fare.version,
                effective_from_ms: from_ms,
            });
            concerned.extend(self.cards.stamped_from(from_ms)?);
            let drafted = self.desks.iter();
            concerned.extend(
                drafted
                    .filter(|(_, desk)| desk.settled().state.order.at.ms >= from_ms)
                    .map(|(card, _)| *card),
            );
        }
        Ok(concerned)
    }

    fn settle(
        &mut self,
        card: CardId,
        facts: &[&FactRow],
        again: bool,
        cut: &mut Cut,
    ) -> Result<bool, C::Error> {
        let desk = desk_of(&mut self.desks, self.cards, card)?;
        let known = desk.settled().revision > 0;
        let before = known.then(|| desk.settled().clone());
        let changed = desk.settle(self.cards, &self.fares, facts, again, cut)?;
        if changed {
            self.digest.settle(before.as_ref(), Some(desk.settled()));
        }
        Ok(changed)
    }

    fn desk(&mut self, card: CardId) -> Result<&mut Desk, C::Error> {
        desk_of(&mut self.desks, self.cards, card)
    }
}

/// A card's desk, opened with its settled state.
fn desk_of<'a, C: Cards>(
    desks: &'a mut BTreeMap<CardId, Desk>,
    cards: &C,
    card: CardId,
) -> Result<&'a mut Desk, C::Error> {
    match desks.entry(card) {
        Entry::Occupied(desk) => Ok(desk.into_mut()),
        Entry::Vacant(place) => {
            let settled = cards.settled(card)?;
            Ok(place.insert(Desk::new(settled.unwrap_or_else(|| card::unknown(card)))))
        }
    }
}

#[cfg(test)]
mod tests {
    use sync_protocol::changeset::Body;
    use sync_protocol::fact::CardStatus;
    use sync_protocol::id::{OrderKey, TerminalCode};
    use sync_protocol::journey::{
        CardState, EARLY_CLOSES_MAX, Endpoint, LastExit, LastTap, OpenJourney, PendingExit, UNSTARTED_MAX,
        UnstartedExit,
    };
    use sync_protocol::money::Money;
    use sync_protocol::time::{Stamp, WALL_MS_MAX};

    use super::*;

    /// A state in which every number is as long as it gets.
    fn largest() -> CardSettled {
        let tap = FactId {
            site: SiteId([255; 16]),
            seq: Seq(u64::MAX),
            index: u16::MAX,
        };
        let terminal: TerminalCode = "ZZZ".parse().unwrap();
        let at_ms = WALL_MS_MAX;
        let endpoint = Endpoint { tap, terminal, at_ms };
        let money = Money::hundredths(i64::MIN);
        let counter = u32::MAX;
        CardSettled {
            card: "CARD0123456789012345".parse().unwrap(),
            revision: u64::MAX,
            state: CardState {
                posted: money,
                status: CardStatus::Closed,
                status_version: u64::MAX,
                open: Some(OpenJourney {
                    entry: endpoint,
                    hold: money,
                    closed: true,
                }),
                last_exit: Some(LastExit { terminal, at_ms }),
                last_tap: LastTap::Exit,
                pending: Some(PendingExit {
                    exit: endpoint,
                    uncertainty_ms: u32::MAX,
                    quoted: Some(money),
                    closed: true,
                }),
                unstarted: vec![UnstartedExit(endpoint); UNSTARTED_MAX],
                early_closes: vec![tap; EARLY_CLOSES_MAX],
                early_closes_beyond: u64::MAX,
                order: OrderKey {
                    at: Stamp { ms: at_ms, counter },
                    id: tap,
                },
            },
            fare_version: u32::MAX,
            facts: u64::MAX,
            facts_hash: u128::MAX,
        }
    }

    #[test]
    fn the_largest_states_of_a_cut_fit_one_changeset_with_what_they_cover() {
        let covered = Covered {
            site: SiteId([255; 16]),
            from: Seq::NONE,
            to: Seq(u64::MAX),
        };
        let cut = Cut {
            covered: vec![covered; SITES_MAX],
            states: vec![largest(); CARDS_MAX],
            ..Cut::default()
        };
        let mut changesets = cut.changesets();
        assert_eq!(changesets.len(), 1);
        let body = Body {
            at: Stamp::default(),
            changes: changesets.remove(0),
        };
        body.encode().unwrap();
    }
}
