//! The settler's part: requests become facts of the term's decisions site.

use std::collections::BTreeSet;

use sqlx::postgres::PgConnection;
use sqlx::types::Uuid;
use sync_protocol::changeset::{Change, Content, Run, Signer, Trust};
use sync_protocol::have::SiteHave;
use sync_protocol::id::{CardId, FactId, Seq, SiteId};
use sync_protocol::money::Money;

use super::super::columns::{
    self, FactColumns, SiteColumns, card_id, corrupt, fact_id, fact_row, site_record, stored_count, uuid,
};
use super::super::execute::{self, FactIds};
use super::super::lease::{Writers, fence, save_writer};
use super::super::snapshot::DecisionRecords;
use super::super::{Lease, LedgerError, PostgresLedger, ingest, sql};
use super::{RequestId, RequestOutcome, outcome_json};
use crate::decisions::{DecideError, Decision, DecisionPlan, Terms, TopUpRecord, plan_decisions};
use crate::ingest::plan_merge;
use crate::own_site::{Sealed, Writer};

/// What taking requests did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// What to publish, in order.
    pub runs: Vec<Run>,
    /// Where the decisions site stands now, unless nothing was written.
    pub have: Option<(SiteId, SiteHave)>,
    /// What became of each request, in the order they were taken.
    pub outcomes: Vec<(RequestId, RequestOutcome)>,
}

/// A request that waits. Its decisions may be unreadable: then it is refused.
struct Waiting {
    id: RequestId,
    decisions: Result<Vec<Decision>, String>,
    override_lead_time: bool,
}

impl PostgresLedger {
    /// Takes at most `requests_max` of the requests that wait, oldest first, in one transaction.
    ///
    /// # Errors
    /// [`LedgerError::LeaseLost`] when another process settles by now. See [`LedgerError`] for the rest. A refused
    /// request is none: its refusal is its outcome.
    pub async fn take_requests(
        &self,
        lease: &Lease,
        requests_max: usize,
        now_ms: i64,
        signer: &(impl Signer + Sync),
        trust: &(impl Trust + Sync),
    ) -> Result<Taken, LedgerError> {
        if !self.is_pending().await? {
            return Ok(Taken::default());
        }
        let mut transaction = self.pool.begin().await?;
        let Writers { mut decisions, .. } = fence(&mut transaction, lease).await?;
        let waiting = read_waiting(&mut transaction, requests_max).await?;
        let records = read_records(&mut transaction, &waiting).await?;
        let terms = Terms {
            now_ms,
            lead_time_ms: self.lead_time_ms,
            override_lead_time: false,
        };
        let mut desk = Desk {
            records,
            terms,
            runs: Vec::new(),
        };
        let mut outcomes = Vec::with_capacity(waiting.len());
        for request in waiting {
            outcomes.push((request.id, desk.take(&request, &mut decisions, signer)));
        }
        let runs = desk.runs;
        if !runs.is_empty() {
            write(&mut transaction, &runs, trust).await?;
            save_writer(&mut transaction, lease.term(), &decisions).await?;
        }
        settle_requests(&mut transaction, &outcomes).await?;
        transaction.commit().await?;
        let have = SiteHave {
            role: decisions.open().role,
            floor: Seq::NONE,
            head: decisions.head(),
        };
        Ok(Taken {
            have: (!runs.is_empty()).then_some((decisions.site(), have)),
            runs,
            outcomes,
        })
    }
}

/// Requests are planned one after the other, each on what those before it wrote.
struct Desk {
    records: DecisionRecords,
    terms: Terms,
    runs: Vec<Run>,
}

impl Desk {
    fn take(&mut self, request: &Waiting, writer: &mut Writer, signer: &impl Signer) -> RequestOutcome {
        let refused = |refusal: String, index| RequestOutcome::Refused { refusal, index };
        let decisions = match &request.decisions {
            Ok(decisions) => decisions,
            Err(error) => return refused(error.clone(), 0),
        };
        let terms = Terms {
            override_lead_time: request.override_lead_time,
            ..self.terms
        };
        let plan = match plan_decisions(&self.records, decisions, &terms) {
            Ok(plan) => plan,
            Err(DecideError::Refused { index, refusal }) => return refused(refusal.to_string(), index),
        };
        // Sealed on a copy: a request that cannot be written leaves no number behind.
        let mut next = writer.clone();
        let sealed = match next.seal(self.terms.now_ms, plan.changesets.clone(), signer) {
            Ok(sealed) => sealed,
            Err(error) => return refused(error.to_string(), 0),
        };
        *writer = next;
        self.note(writer.site(), &plan, &sealed);
        let facts = plan.facts(writer.site(), &sealed);
        self.runs.extend(sealed.runs);
        RequestOutcome::Taken(facts)
    }

    /// What the next requests are to know of this one.
    fn note(&mut self, site: SiteId, plan: &DecisionPlan, sealed: &Sealed) {
        let heads = sealed.heads.iter().skip(sealed.openings);
        for (changes, head) in plan.changesets.iter().zip(heads) {
            for (index, change) in (0_u16..).zip(changes) {
                let id = FactId {
                    site,
                    seq: head.seq,
                    index,
                };
                if let Some(fact) = fact_of(change) {
                    self.records.add(id, &fact);
                }
            }
        }
    }
}

fn fact_of(change: &Change) -> Option<sync_protocol::fact::Fact> {
    match change.read() {
        Ok(Some(Content::Fact(fact))) => Some(fact),
        _ => None,
    }
}

/// The hub's own decisions are taken in like any other site's changesets.
async fn write(
    connection: &mut PgConnection,
    runs: &[Run],
    trust: &(impl Trust + Sync),
) -> Result<(), LedgerError> {
    let logs = ingest::read_logs(connection, runs).await?;
    let Ok(plan) = plan_merge(&logs, runs, trust);
    if let Some(refused) = plan.refused.first() {
        return Err(LedgerError::OwnRefused(refused.reason));
    }
    execute::merge(connection, plan).await
}

async fn read_waiting(
    connection: &mut PgConnection,
    requests_max: usize,
) -> Result<Vec<Waiting>, LedgerError> {
    let rows: Vec<(i64, String, bool)> = sqlx::query_as(sql::REQUESTS_PENDING)
        .bind(columns::count(requests_max as u64))
        .fetch_all(connection)
        .await?;
    let waiting = |(id, decisions, override_lead_time): (i64, String, bool)| Waiting {
        id: RequestId(id),
        decisions: serde_json::from_str(&decisions)
            .map_err(|error| format!("the stored decisions cannot be read: {error}")),
        override_lead_time,
    };
    Ok(rows.into_iter().map(waiting).collect())
}

/// What the decisions ask about.
#[derive(Default)]
struct Asked<'a> {
    cards: BTreeSet<CardId>,
    references: BTreeSet<&'a str>,
    taps: BTreeSet<FactId>,
    sites: BTreeSet<SiteId>,
    fares: bool,
}

impl<'a> Asked<'a> {
    fn add(&mut self, decision: &'a Decision) {
        match decision {
            Decision::TopUp { card, reference, .. } => {
                self.cards.insert(*card);
                self.references.insert(reference);
            }
            Decision::Issue { card }
            | Decision::Status { card, .. }
            | Decision::Adjust { card, .. }
            | Decision::Refund { card, .. }
            | Decision::WriteOff { card, .. } => {
                self.cards.insert(*card);
            }
            Decision::Close { tap, .. } => {
                self.taps.insert(*tap);
            }
            Decision::SiteClosed { site, .. } | Decision::SiteFork { site, .. } => {
                self.sites.insert(*site);
            }
            Decision::Fares(_) => self.fares = true,
            Decision::Row(_) => {}
        }
    }
}

async fn read_records(
    connection: &mut PgConnection,
    waiting: &[Waiting],
) -> Result<DecisionRecords, LedgerError> {
    let mut asked = Asked::default();
    let decisions = waiting
        .iter()
        .filter_map(|request| request.decisions.as_ref().ok());
    decisions.flatten().for_each(|decision| asked.add(decision));
    let mut records = DecisionRecords::default();
    read_cards(connection, &asked, &mut records).await?;
    read_top_ups(connection, &asked, &mut records).await?;
    read_taps(connection, &asked, &mut records).await?;
    if !asked.sites.is_empty() {
        let sites: Vec<Uuid> = asked.sites.iter().copied().map(uuid).collect();
        let found: Vec<SiteColumns> = sqlx::query_as(sql::SITES_KNOWN)
            .bind(sites)
            .fetch_all(&mut *connection)
            .await?;
        for columns in found {
            let (site, record) = site_record(columns)?;
            records.sites.insert(site, record);
        }
    }
    if asked.fares {
        let newest: i64 = sqlx::query_scalar(sql::FARES_NEWEST)
            .fetch_one(connection)
            .await?;
        records.newest_fares = u32::try_from(newest).map_err(|_| corrupt("a fare version", newest))?;
    }
    Ok(records)
}

async fn read_cards(
    connection: &mut PgConnection,
    asked: &Asked<'_>,
    records: &mut DecisionRecords,
) -> Result<(), LedgerError> {
    type Columns = (String, bool, Option<i64>, Option<Uuid>, Option<i64>, Option<i32>);
    if asked.cards.is_empty() {
        return Ok(());
    }
    let cards: Vec<String> = asked.cards.iter().map(CardId::to_string).collect();
    let found: Vec<Columns> = sqlx::query_as(sql::CARDS_KNOWN)
        .bind(cards)
        .fetch_all(connection)
        .await?;
    for (card, known, status_version, site, seq, index) in found {
        let card = card_id(&card)?;
        if known {
            records.known.insert(card);
        }
        if let Some(version) = status_version {
            let version = stored_count(version, "a status version")?;
            records.status_versions.insert(card, version);
        }
        if let (Some(site), Some(seq), Some(index)) = (site, seq, index) {
            records.issued.insert(card, fact_id(site, seq, index)?);
        }
    }
    Ok(())
}

async fn read_top_ups(
    connection: &mut PgConnection,
    asked: &Asked<'_>,
    records: &mut DecisionRecords,
) -> Result<(), LedgerError> {
    type Columns = (Vec<u8>, Uuid, i64, i32, String, i64);
    if asked.references.is_empty() {
        return Ok(());
    }
    let references: Vec<&[u8]> = asked.references.iter().map(|text| text.as_bytes()).collect();
    let found: Vec<Columns> = sqlx::query_as(sql::TOP_UPS_FIRST)
        .bind(references)
        .fetch_all(connection)
        .await?;
    for (reference, site, seq, index, card, amount) in found {
        let reference = String::from_utf8(reference).map_err(|error| corrupt("a reference", error))?;
        let record = TopUpRecord {
            id: fact_id(site, seq, index)?,
            card: card_id(&card)?,
            amount: Money::hundredths(amount),
        };
        records.top_ups.insert(reference, record);
    }
    Ok(())
}

async fn read_taps(
    connection: &mut PgConnection,
    asked: &Asked<'_>,
    records: &mut DecisionRecords,
) -> Result<(), LedgerError> {
    if asked.taps.is_empty() {
        return Ok(());
    }
    let taps = FactIds::new(asked.taps.iter().copied());
    let found: Vec<FactColumns> = sqlx::query_as(sql::FACTS_BY_ID)
        .bind(taps.sites)
        .bind(taps.seqs)
        .bind(taps.indexes)
        .fetch_all(connection)
        .await?;
    for columns in found {
        let row = fact_row(columns)?;
        records.facts.insert(row.key.id, row.fact);
    }
    Ok(())
}

async fn settle_requests(
    connection: &mut PgConnection,
    outcomes: &[(RequestId, RequestOutcome)],
) -> Result<(), LedgerError> {
    let ids: Vec<i64> = outcomes.iter().map(|(id, _)| id.0).collect();
    let states: Vec<&str> = outcomes
        .iter()
        .map(|(_, outcome)| match outcome {
            RequestOutcome::Refused { .. } => "refused",
            _ => "taken",
        })
        .collect();
    let texts: Vec<String> = outcomes
        .iter()
        .map(|(_, outcome)| outcome_json(outcome).to_string())
        .collect();
    sqlx::query(sql::REQUESTS_SETTLE)
        .bind(ids)
        .bind(states)
        .bind(texts)
        .execute(connection)
        .await?;
    Ok(())
}
