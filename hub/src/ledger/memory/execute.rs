//! The execution of plans.

use sync_protocol::mutation::{Mutation, is};
use sync_protocol::rows::RowChange;

use super::*;
use crate::ledger::rows::merge_rows;

/// Places made ready for more facts of a card: there are many cards with few facts.
const FACTS_AHEAD: usize = 4;

impl MemoryLedger {
    /// Executes what ingest planned.
    ///
    /// # Errors
    /// The plan is stale.
    pub fn execute_merge(&mut self, plan: MergePlan) -> Result<(), ExecuteError> {
        for moved in &plan.moved {
            let actual = self
                .sites
                .get(&moved.site)
                .map_or(Seq::NONE, |log| log.record.head.seq);
            if actual != moved.from.seq {
                return Err(ExecuteError::Stale {
                    site: moved.site,
                    planned: moved.from.seq,
                    actual,
                });
            }
        }
        for open in &plan.opened {
            let log = SiteLog {
                record: SiteRecord::opened(open),
                bodies: Vec::new(),
                chain: Vec::new(),
                signatures: Vec::new(),
                covered: Seq::NONE,
            };
            self.sites.entry(open.site()).or_insert(log);
        }
        let mut facts = plan.facts.into_iter().map(|taken| taken.row).peekable();
        for stored in plan.changesets {
            let (site, seq) = (stored.site, stored.head.seq);
            let in_changeset = |row: &FactRow| row.key.id.site == site && row.key.id.seq == seq;
            let mut taken = Vec::new();
            while let Some(row) = facts.next_if(in_changeset) {
                self.store_fact(&row);
                taken.push(row);
            }
            self.store_changeset(site, stored.head, stored.body, stored.signature);
            if stored.settles {
                let facts = taken;
                self.arrivals.push_back(Arrival { site, seq, facts });
            }
        }
        self.store_rest(plan.rows, &plan.closed, &plan.reopened);
        let counters = &mut self.counters;
        counters.duplicates += plan.duplicates;
        counters.gaps += plan.gaps.len() as u64;
        counters.opaque += plan.opaque.len() as u64;
        counters.refused += plan.refused.len() as u64;
        counters.quarantined += plan.quarantined.len() as u64;
        keep_evidence(&mut self.refused, plan.refused);
        keep_evidence(&mut self.quarantined, plan.quarantined);
        Ok(())
    }

    fn store_changeset(&mut self, site: SiteId, head: Head, body: Bytes, signature: Option<Signature>) {
        let Some(log) = self.sites.get_mut(&site) else {
            return;
        };
        log.bodies.push(body);
        log.chain.push(head.chain);
        log.record.head = head;
        let have = SiteHave {
            role: log.record.role,
            floor: Seq::NONE,
            head,
        };
        self.have.advance(site, have);
        if let Some(signature) = signature {
            log.signatures.push((head.seq, signature));
        }
        self.counters.changesets += 1;
    }

    fn store_fact(&mut self, row: &FactRow) {
        self.counters.facts += 1;
        if let Fact::FareVersion(fare) = &row.fact {
            self.newest_fares = self.newest_fares.max(fare.version);
        }
        let Some(card) = row.fact.card() else { return };
        let rows = self.cards.entry(card).or_default();
        if let Err(place) = rows.facts.binary_search(&row.key) {
            if rows.facts.len() == rows.facts.capacity() {
                rows.facts.reserve_exact(FACTS_AHEAD.min(place + 1));
            }
            rows.facts.insert(place, row.key);
        }
        match &row.fact {
            Fact::CardIssued { .. } => {
                rows.issued = Some(rows.issued.map_or(row.key, |known| known.min(row.key)));
            }
            Fact::CardStatus { version, .. } => rows.status_version = rows.status_version.max(*version),
            Fact::TopUp {
                amount, reference, ..
            } => {
                let record = TopUpRecord {
                    id: row.key.id,
                    card,
                    amount: *amount,
                };
                self.top_ups.entry(reference.clone()).or_insert(record);
                rows.references.reserve_exact(1);
                rows.references.push((reference.as_str().into(), row.key.id));
            }
            _ => {}
        }
    }

    fn store_rest(&mut self, rows: Vec<(FactId, RowChange)>, closed: &[(SiteId, Seq)], reopened: &[SiteId]) {
        let merged = merge_rows(&mut self.rows, rows);
        self.counters.rows_refused += merged.refused;
        for event in merged.events {
            self.event_keys.insert(event.key());
            self.outbox.push(event);
        }
        for (site, last) in closed {
            if let Some(log) = self.sites.get_mut(site) {
                log.record.closed = (log.record.head.seq <= *last).then_some(*last);
            }
        }
        for site in reopened {
            self.counters.reopened += 1;
            if let Some(log) = self.sites.get_mut(site) {
                log.record.closed = None;
            }
        }
    }

    /// Executes what decisions planned: seals the facts and takes them in like any other site's.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub fn execute_decisions(
        &mut self,
        plan: DecisionPlan,
        now_ms: i64,
        signer: &impl Signer,
        trust: &impl Trust,
    ) -> Result<Decided, ExecuteError> {
        let mut writer = self.decisions.clone().ok_or(ExecuteError::NoTerm)?;
        let sealed = writer.seal(now_ms, plan.changesets.clone(), signer)?;
        let Ok(merge) = plan_merge(self, &sealed.runs, trust);
        if let Some(refused) = merge.refused.first() {
            return Err(ExecuteError::OwnRefused(refused.reason));
        }
        self.execute_merge(merge)?;
        let site = writer.site();
        self.decisions = Some(writer);
        let facts = plan.facts(site, &sealed);
        let runs = sealed.runs;
        Ok(Decided { facts, runs })
    }

    /// Executes what settle planned, and seals what gates are told. Returns it signed.
    ///
    /// # Errors
    /// See [`ExecuteError`].
    pub fn execute_settle(
        &mut self,
        plan: SettlePlan,
        now_ms: i64,
        signer: &impl Signer,
    ) -> Result<Vec<Run>, ExecuteError> {
        let mut writer = self.settled.clone().ok_or(ExecuteError::NoTerm)?;
        self.check_coverage(&plan)?;
        let sealed = writer.seal(now_ms, plan.changesets(), signer)?;
        for card in &plan.restated {
            self.recovery.restate.remove(card);
        }
        self.digest = plan.digest;
        for cut in plan.cuts {
            self.apply_cut(cut);
        }
        while let Some(arrival) = self.arrivals.front()
            && arrival.seq <= self.covered_to(arrival.site)
        {
            self.arrivals.pop_front();
        }
        self.store_own(&writer, &sealed);
        self.settled = Some(writer);
        Ok(sealed.runs)
    }

    fn check_coverage(&self, plan: &SettlePlan) -> Result<(), ExecuteError> {
        let mut expected: BTreeMap<SiteId, Seq> = BTreeMap::new();
        for covered in plan.cuts.iter().flat_map(|cut| &cut.covered) {
            let stored = self.covered_to(covered.site);
            let actual = expected.insert(covered.site, covered.to).unwrap_or(stored);
            if actual != covered.from {
                return Err(ExecuteError::Stale {
                    site: covered.site,
                    planned: covered.from,
                    actual,
                });
            }
        }
        Ok(())
    }

    fn apply_cut(&mut self, cut: Cut) {
        self.counters.cuts += 1;
        self.counters.refolds += cut.refolds;
        for covered in &cut.covered {
            if let Some(log) = self.sites.get_mut(&covered.site) {
                log.covered = covered.to;
            }
        }
        for fare in cut.fares {
            self.fares.insert(fare);
        }
        for entry in &cut.entries {
            self.book(entry);
        }
        for state in cut.states.into_iter().chain(cut.repriced) {
            let rows = self.cards.entry(state.card).or_default();
            let before = rows.settled.as_ref().map_or(0, |settled| settled.facts);
            self.counters.settled += state.facts.saturating_sub(before);
            rows.settled = Some(state);
        }
        for event in cut.events {
            if self.is_news(&event) || is(Mutation::TellTwice) {
                self.outbox.push(event);
            }
        }
    }

    /// Notes that an event is told. Returns whether it was not told before.
    fn is_news(&mut self, event: &Event) -> bool {
        let Some(card) = event.card() else {
            return self.event_keys.insert(event.key());
        };
        let rows = self.cards.entry(card).or_default();
        match event.key() {
            EventKey::Journey(tap, transition) => {
                let told = (tap, transition);
                let place = rows.announced.binary_search(&told);
                if let Err(place) = place {
                    rows.announced.reserve_exact(1);
                    rows.announced.insert(place, told);
                }
                place.is_err()
            }
            EventKey::Issued(_) => !std::mem::replace(&mut rows.issue_told, true),
            // A revision is settled once.
            EventKey::Balance(_) | EventKey::Status(..) => true,
            EventKey::Fares(_) | EventKey::Row(_) => self.event_keys.insert(event.key()),
        }
    }

    fn book(&mut self, entry: &JournalEntry) {
        self.counters.entries += 1;
        let (debit, credit) = entry.accounts();
        let amount = entry.posting.amount;
        if !is(Mutation::OneLegged) {
            *self.accounts.entry(debit).or_default() -= amount;
            self.accounts_sum -= amount;
        }
        *self.accounts.entry(credit).or_default() += amount;
        self.accounts_sum += amount;
        let rows = self.cards.entry(entry.id.card).or_default();
        rows.journal.reserve_exact(1);
        rows.journal.push(*entry);
    }

    /// The hub's settled states are its own: stored as they are, and nothing in them is settled again.
    fn store_own(&mut self, writer: &Writer, sealed: &Sealed) {
        let site = writer.site();
        let log = SiteLog {
            record: SiteRecord::opened(writer.open()),
            bodies: Vec::new(),
            chain: Vec::new(),
            signatures: Vec::new(),
            covered: Seq::NONE,
        };
        if !sealed.heads.is_empty() {
            self.sites.entry(site).or_insert(log);
        }
        let signed = sealed.runs.iter().flat_map(|run| {
            let last = run.bodies.len() - 1;
            let bodies = run.bodies.iter().enumerate();
            bodies.map(move |(place, body)| (body.clone(), (place == last).then_some(run.signature)))
        });
        for (head, (body, signature)) in sealed.heads.iter().zip(signed) {
            self.store_changeset(site, *head, body, signature);
        }
    }
}

fn keep_evidence<T>(kept: &mut Vec<T>, new: Vec<T>) {
    let room = EVIDENCE_MAX.saturating_sub(kept.len());
    kept.extend(new.into_iter().take(room));
}
