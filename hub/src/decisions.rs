//! What people decide at the hub, checked and turned into facts of its *decisions* site.
//!
//! A decision that was taken before is not taken again: the caller gets the fact that stands (T-30). Facts made here
//! go through ingest and settling like everybody's.

mod refusal;

use std::collections::BTreeMap;

use sync_protocol::changeset::{BODY_BYTES_MAX, Change, Content, FACTS_MAX, Head};
use sync_protocol::fact::{CardStatus, Fact};
use sync_protocol::fare::FareVersion;
use sync_protocol::id::{CardId, FactId, Seq, SiteId};
use sync_protocol::money::Money;
use sync_protocol::rows::{self, RowChange};

use crate::ledger::SiteRecord;
use crate::own_site::Sealed;

pub use refusal::{DecideError, Refusal};

/// Most bytes of a reference or a reason.
pub const TEXT_BYTES_MAX: usize = 200;
/// Most decisions in one call.
pub const DECISIONS_MAX: usize = 4_096;
/// Facts in one changeset of decisions, so that it settles as one cut.
const FACTS_PER_CHANGESET: usize = FACTS_MAX - 1;
/// Row changes in one changeset: none is much larger than its value, and all fit.
const ROWS_PER_CHANGESET: usize = BODY_BYTES_MAX / (rows::VALUE_BYTES_MAX + rows::KEY_BYTES_MAX + 512);

/// Something a person, a channel or a job of the hub decides.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "server", serde(rename_all = "snake_case"))]
pub enum Decision {
    /// A card exists from here on.
    Issue {
        /// The card.
        card: CardId,
    },
    /// A card's status changes. The hub counts the versions (T-26).
    Status {
        /// The card.
        card: CardId,
        /// Its new status.
        status: CardStatus,
    },
    /// Money was paid in.
    TopUp {
        /// The card.
        card: CardId,
        /// How much, above zero.
        amount: Money,
        /// The channel's reference, one in the whole network.
        reference: String,
    },
    /// A correction either way.
    Adjust {
        /// The card.
        card: CardId,
        /// Added when positive, taken when negative; not zero.
        amount: Money,
        /// Why.
        reason: String,
    },
    /// Fare money is given back.
    Refund {
        /// The card.
        card: CardId,
        /// How much, above zero.
        amount: Money,
        /// Why.
        reason: String,
    },
    /// Debt is given up.
    WriteOff {
        /// The card.
        card: CardId,
        /// How much, above zero.
        amount: Money,
        /// Why.
        reason: String,
    },
    /// A fare version is published.
    Fares(FareVersion),
    /// A journey, or an exit without entry, is closed.
    Close {
        /// The card.
        card: CardId,
        /// Its accepted tap: the entry, or the exit without an entry.
        tap: FactId,
    },
    /// A site is finished.
    SiteClosed {
        /// The site.
        site: SiteId,
        /// Its last changeset.
        last: Seq,
    },
    /// A row of a shared table, such as a gate's, was edited here.
    Row(RowChange),
    /// Of a site with two branches the one with this head counts. The caller has read it from what the hub holds.
    SiteFork {
        /// The site.
        site: SiteId,
        /// A changeset of the branch that counts, at or after the place where they part.
        head: Head,
    },
}

/// What decisions are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Now, milliseconds since 1970.
    pub now_ms: i64,
    /// How long before its effect a fare version has to be published, milliseconds (T-22b).
    pub lead_time_ms: i64,
    /// Whether a person overrides the lead time.
    pub override_lead_time: bool,
}

/// What decisions read.
pub trait Records {
    /// Why a read failed.
    type Error;
    /// What is known of a site.
    ///
    /// # Errors
    /// The store cannot be read. So for all below.
    fn site_record(&self, site: SiteId) -> Result<Option<SiteRecord>, Self::Error>;
    /// The fact that issued a card.
    ///
    /// # Errors
    /// See [`Records::site_record`].
    fn issued(&self, card: CardId) -> Result<Option<FactId>, Self::Error>;
    /// Whether any fact is about a card.
    ///
    /// # Errors
    /// See [`Records::site_record`].
    fn knows_card(&self, card: CardId) -> Result<bool, Self::Error>;
    /// The highest version of a card's status; 0 before any.
    ///
    /// # Errors
    /// See [`Records::site_record`].
    fn status_version(&self, card: CardId) -> Result<u64, Self::Error>;
    /// The first top-up with a reference.
    ///
    /// # Errors
    /// See [`Records::site_record`].
    fn top_up(&self, reference: &str) -> Result<Option<TopUpRecord>, Self::Error>;
    /// A stored fact.
    ///
    /// # Errors
    /// See [`Records::site_record`].
    fn fact(&self, id: FactId) -> Result<Option<Fact>, Self::Error>;
    /// The highest fare version; 0 before any.
    ///
    /// # Errors
    /// See [`Records::site_record`].
    fn newest_fares(&self) -> Result<u32, Self::Error>;
}

/// A top-up that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopUpRecord {
    /// Its fact.
    pub id: FactId,
    /// The card.
    pub card: CardId,
    /// How much.
    pub amount: Money,
}

/// What becomes of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Written.
    Written {
        /// In this changeset of the plan, from 0.
        changeset: usize,
        /// At this place in it, from 0.
        index: u16,
    },
    /// Taken before: this fact stands.
    Stands(FactId),
    /// The same as an earlier decision of this call, by its place.
    SameAs(usize),
}

/// Decisions as changesets of the decisions site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecisionPlan {
    /// The changesets, in order.
    pub changesets: Vec<Vec<Change>>,
    /// What became of each decision, in order.
    pub outcomes: Vec<Outcome>,
}

impl DecisionPlan {
    /// The change that stands for each decision, once the changesets are sealed in `site`.
    #[must_use]
    pub fn facts(&self, site: SiteId, sealed: &Sealed) -> Vec<FactId> {
        let mut facts: Vec<FactId> = Vec::with_capacity(self.outcomes.len());
        for outcome in &self.outcomes {
            facts.push(match *outcome {
                Outcome::Stands(fact) => fact,
                Outcome::SameAs(earlier) => facts.get(earlier).copied().unwrap_or_default(),
                Outcome::Written { changeset, index } => {
                    let head = sealed.heads.get(sealed.openings + changeset);
                    let seq = head.map_or(Seq::NONE, |head| head.seq);
                    FactId { site, seq, index }
                }
            });
        }
        facts
    }
}

/// Whether the texts of decisions are such that a store can keep them before they are planned.
///
/// # Errors
/// The place of the first that is not, and why.
pub fn check_texts(decisions: &[Decision]) -> Result<(), (usize, Refusal)> {
    let check = |decision: &Decision| match decision {
        Decision::TopUp { reference, .. } => check_text("reference", reference),
        Decision::Adjust { reason, .. }
        | Decision::Refund { reason, .. }
        | Decision::WriteOff { reason, .. } => check_text("reason", reason),
        Decision::Row(row) => Ok(row.check()?),
        Decision::Issue { .. }
        | Decision::Status { .. }
        | Decision::Fares(_)
        | Decision::Close { .. }
        | Decision::SiteClosed { .. }
        | Decision::SiteFork { .. } => Ok(()),
    };
    let mut places = decisions.iter().enumerate();
    places.try_for_each(|(index, decision)| check(decision).map_err(|refusal| (index, refusal)))
}

/// Checks decisions and plans their facts. All or none.
///
/// # Errors
/// One is refused, or the store cannot be read.
pub fn plan_decisions<R: Records>(
    records: &R,
    decisions: &[Decision],
    terms: &Terms,
) -> Result<DecisionPlan, DecideError<R::Error>> {
    if decisions.len() > DECISIONS_MAX {
        let refusal = Refusal::TooMany(decisions.len());
        return Err(DecideError::Refused { index: 0, refusal });
    }
    let mut draft = Draft {
        records,
        terms,
        issued: BTreeMap::new(),
        statuses: BTreeMap::new(),
        references: BTreeMap::new(),
        newest_fares: None,
        plan: DecisionPlan::default(),
        room: Room::default(),
    };
    for (index, decision) in decisions.iter().enumerate() {
        let outcome = draft.decide(index, decision).map_err(|failure| match failure {
            Failure::Refused(refusal) => DecideError::Refused { index, refusal },
            Failure::Store(error) => DecideError::Store(error),
        })?;
        draft.plan.outcomes.push(outcome);
    }
    Ok(draft.plan)
}

enum Failure<E> {
    Refused(Refusal),
    Store(E),
}

impl<E> From<Refusal> for Failure<E> {
    fn from(refusal: Refusal) -> Failure<E> {
        Failure::Refused(refusal)
    }
}

/// What the last changeset still takes.
#[derive(Default)]
struct Room {
    facts: usize,
    rows: usize,
}

struct Draft<'a, R> {
    records: &'a R,
    terms: &'a Terms,
    /// Cards issued in this call, with the decision.
    issued: BTreeMap<CardId, usize>,
    statuses: BTreeMap<CardId, u64>,
    /// References used in this call, with the decision.
    references: BTreeMap<&'a str, (usize, CardId, Money)>,
    newest_fares: Option<u32>,
    plan: DecisionPlan,
    room: Room,
}

impl<'a, R: Records> Draft<'a, R> {
    fn decide(&mut self, index: usize, decision: &'a Decision) -> Result<Outcome, Failure<R::Error>> {
        let fact = match decision {
            Decision::Issue { card } => {
                if let Some(stands) = self.issued_before(index, *card)? {
                    return Ok(stands);
                }
                Fact::CardIssued { card: *card }
            }
            Decision::TopUp {
                card,
                amount,
                reference,
            } => {
                check_text("reference", reference)?;
                self.check_money(*card, *amount)?;
                if let Some(stands) = self.paid_before(index, *card, *amount, reference)? {
                    return Ok(stands);
                }
                let (card, amount, reference) = (*card, *amount, reference.clone());
                Fact::TopUp {
                    card,
                    amount,
                    reference,
                }
            }
            Decision::Status { card, status } => self.status(*card, *status)?,
            Decision::Adjust { card, amount, reason } => {
                check_text("reason", reason)?;
                self.check_money(*card, (*amount).max(-*amount))?;
                let (card, amount, reason) = (*card, *amount, reason.clone());
                Fact::Adjust { card, amount, reason }
            }
            Decision::Refund { card, amount, reason } => {
                check_text("reason", reason)?;
                self.check_money(*card, *amount)?;
                let (card, amount, reason) = (*card, *amount, reason.clone());
                Fact::Refund { card, amount, reason }
            }
            Decision::WriteOff { card, amount, reason } => {
                check_text("reason", reason)?;
                self.check_money(*card, *amount)?;
                let (card, amount, reason) = (*card, *amount, reason.clone());
                Fact::WriteOff { card, amount, reason }
            }
            Decision::Fares(fares) => self.fares(fares)?,
            Decision::Close { card, tap } => self.close(*card, *tap)?,
            Decision::SiteClosed { site, last } => self.site_closed(*site, *last)?,
            Decision::SiteFork { site, head } => self.site_fork(*site, *head)?,
            Decision::Row(row) => {
                row.check().map_err(Refusal::from)?;
                return Ok(self.write(&Content::Row(row.clone())));
            }
        };
        Ok(self.write(&Content::Fact(fact)))
    }

    fn issued_before(&mut self, index: usize, card: CardId) -> Result<Option<Outcome>, Failure<R::Error>> {
        if let Some(fact) = self.records.issued(card).map_err(Failure::Store)? {
            return Ok(Some(Outcome::Stands(fact)));
        }
        let earlier = *self.issued.entry(card).or_insert(index);
        Ok((earlier != index).then_some(Outcome::SameAs(earlier)))
    }

    /// The same reference for the same payment is the same top-up; for another it is an error.
    fn paid_before(
        &mut self,
        index: usize,
        card: CardId,
        amount: Money,
        reference: &'a str,
    ) -> Result<Option<Outcome>, Failure<R::Error>> {
        let stored = self.records.top_up(reference).map_err(Failure::Store)?;
        let (stands, of_card, of_amount) = match (stored, self.references.get(reference)) {
            (Some(top_up), _) => (Outcome::Stands(top_up.id), top_up.card, top_up.amount),
            (None, Some((earlier, card, amount))) => (Outcome::SameAs(*earlier), *card, *amount),
            (None, None) => {
                self.references.insert(reference, (index, card, amount));
                return Ok(None);
            }
        };
        if (of_card, of_amount) == (card, amount) {
            return Ok(Some(stands));
        }
        let taken = Refusal::ReferenceTaken {
            reference: reference.to_owned(),
            card: of_card,
            amount: of_amount,
        };
        Err(taken.into())
    }

    fn check_card(&self, card: CardId) -> Result<(), Failure<R::Error>> {
        let known =
            self.issued.contains_key(&card) || self.records.knows_card(card).map_err(Failure::Store)?;
        if known {
            Ok(())
        } else {
            Err(Refusal::UnknownCard(card).into())
        }
    }

    fn check_money(&self, card: CardId, amount: Money) -> Result<(), Failure<R::Error>> {
        if amount == Money::ZERO || !amount.is_price() {
            return Err(Refusal::Amount(amount).into());
        }
        self.check_card(card)
    }

    fn status(&mut self, card: CardId, status: CardStatus) -> Result<Fact, Failure<R::Error>> {
        self.check_card(card)?;
        let last = match self.statuses.get(&card) {
            Some(version) => *version,
            None => self.records.status_version(card).map_err(Failure::Store)?,
        };
        let version = last + 1;
        self.statuses.insert(card, version);
        Ok(Fact::CardStatus {
            card,
            version,
            status,
        })
    }

    fn fares(&mut self, fares: &FareVersion) -> Result<Fact, Failure<R::Error>> {
        fares.check().map_err(Refusal::from)?;
        if fares.fares().next().is_none() {
            return Err(Refusal::NoFares(fares.version).into());
        }
        let newest = match self.newest_fares {
            Some(version) => version,
            None => self.records.newest_fares().map_err(Failure::Store)?,
        };
        let (version, next) = (fares.version, newest.saturating_add(1));
        if version != next {
            return Err(Refusal::FareVersion { version, next }.into());
        }
        let Terms {
            now_ms,
            lead_time_ms,
            override_lead_time,
        } = *self.terms;
        let late_ms = now_ms
            .saturating_add(lead_time_ms)
            .saturating_sub(fares.effective_from_ms);
        if late_ms > 0 && !override_lead_time {
            let refusal = Refusal::LeadTime {
                version,
                late_ms,
                lead_time_ms,
            };
            return Err(refusal.into());
        }
        self.newest_fares = Some(version);
        Ok(Fact::FareVersion(fares.clone()))
    }

    fn close(&self, card: CardId, tap: FactId) -> Result<Fact, Failure<R::Error>> {
        match self.records.fact(tap).map_err(Failure::Store)? {
            Some(Fact::Tap(found)) if found.card == card && found.accepted => Ok(Fact::Close { card, tap }),
            _ => Err(Refusal::NoTap { card, tap }.into()),
        }
    }

    fn site_closed(&self, site: SiteId, last: Seq) -> Result<Fact, Failure<R::Error>> {
        let record = self.records.site_record(site).map_err(Failure::Store)?;
        let head = record.ok_or(Refusal::UnknownSite(site))?.head.seq;
        if head == last {
            Ok(Fact::SiteClosed { site, last })
        } else {
            Err(Refusal::SiteEnd { site, last, head }.into())
        }
    }

    fn site_fork(&self, site: SiteId, head: Head) -> Result<Fact, Failure<R::Error>> {
        let record = self.records.site_record(site).map_err(Failure::Store)?;
        let held = record.ok_or(Refusal::UnknownSite(site))?.head;
        let is_held = (Seq(1)..=held.seq).contains(&head.seq);
        if is_held && (head.seq < held.seq || head == held) {
            Ok(Fact::SiteFork { site, head })
        } else {
            let (last, head) = (head.seq, held.seq);
            Err(Refusal::SiteEnd { site, last, head }.into())
        }
    }

    /// Puts a change where it fits: facts and rows up to the limits of a changeset, a fare version alone.
    fn write(&mut self, content: &Content) -> Outcome {
        let alone = matches!(content, Content::Fact(Fact::FareVersion(_)));
        let is_row = matches!(content, Content::Row(_));
        let room = if is_row { self.room.rows } else { self.room.facts };
        if alone || room == 0 {
            self.plan.changesets.push(Vec::new());
            self.room = Room {
                facts: FACTS_PER_CHANGESET,
                rows: ROWS_PER_CHANGESET,
            };
        }
        let taken = if is_row {
            &mut self.room.rows
        } else {
            &mut self.room.facts
        };
        *taken -= 1;
        if alone {
            self.room = Room::default();
        }
        let changeset = self.plan.changesets.len() - 1;
        let changes = self
            .plan
            .changesets
            .last_mut()
            .expect("BUG: a changeset was just begun");
        changes.push(Change::new(content));
        Outcome::Written {
            changeset,
            index: u16::try_from(changes.len() - 1).expect("BUG: a changeset is limited"),
        }
    }
}

fn check_text(what: &'static str, text: &str) -> Result<(), Refusal> {
    if !(1..=TEXT_BYTES_MAX).contains(&text.len()) {
        let bytes = text.len();
        return Err(Refusal::Text { what, bytes });
    }
    if text.chars().any(char::is_control) {
        return Err(Refusal::Control { what });
    }
    Ok(())
}
