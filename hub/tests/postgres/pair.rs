//! Two ledgers, one in memory and one in PostgreSQL, that are told the same and have to say the same.

use std::collections::BTreeMap;

use hub::decisions::{DecideError, Decision};
use hub::ledger::memory::{DecisionError, MemoryLedger};
use hub::ledger::postgres::{Evidence, Lease, PostgresLedger, Request, RequestOutcome};
use sqlx::types::Uuid;
use sync_protocol::changeset::Run;
use sync_protocol::codec;
use sync_protocol::have::{Range, Scope};
use sync_protocol::id::Seq;
use sync_protocol::ledger::Account;
use sync_protocol::money::Money;

use crate::network::*;

/// The settler's time in all tests.
pub(crate) const NOW_MS: i64 = 1_700_000_600_000;
/// Most bytes of a run that is served.
const SERVED_BYTES: [usize; 3] = [1, 300, 1 << 20];

pub(crate) struct Pair {
    pub(crate) memory: MemoryLedger,
    pub(crate) postgres: PostgresLedger,
    pub(crate) lease: Lease,
    terms: u8,
}

impl Pair {
    /// Two empty ledgers with an open term.
    pub(crate) async fn new(postgres: PostgresLedger) -> Pair {
        let mut memory = MemoryLedger::default();
        let lease = open_term(&mut memory, &postgres, 1).await;
        let terms = 1;
        Pair {
            memory,
            postgres,
            lease,
            terms,
        }
    }

    pub(crate) async fn open_term(&mut self) {
        self.terms += 1;
        self.lease = open_term(&mut self.memory, &self.postgres, self.terms).await;
    }

    pub(crate) async fn ingest(&mut self, runs: &[Run]) {
        let expected = self.memory.ingest(runs, &Roster).unwrap();
        let ingested = self.postgres.ingest(runs, &Roster).await.unwrap();
        assert_eq!(ingested, expected);
    }

    /// Settles, and checks that the same is published.
    pub(crate) async fn settle(&mut self, most: usize) {
        let expected = self.memory.settle(most, NOW_MS, &HUB_KEY).unwrap();
        let settled = self
            .postgres
            .settle(&self.lease, most, NOW_MS, &HUB_KEY)
            .await
            .unwrap();
        assert_eq!(settled.runs, expected);
        if let Some((site, have)) = settled.have {
            assert_eq!(self.memory.have().get(site), Some(&have));
        }
    }

    pub(crate) async fn settle_all(&mut self) {
        while self.memory.waiting_count() > 0 {
            self.settle(1_000).await;
        }
        assert!(!self.postgres.is_waiting().await.unwrap());
    }

    /// Asks for decisions, one request each, and lets the settler take them all at once.
    pub(crate) async fn decide(&mut self, requests: Vec<Vec<Decision>>) {
        let (mut expected, mut runs, mut ids) = (Vec::new(), Vec::new(), Vec::new());
        for decisions in requests {
            expected.push(
                match self.memory.decide(&decisions, &terms(NOW_MS), &HUB_KEY, &Roster) {
                    Ok(decided) => {
                        runs.extend(decided.runs);
                        RequestOutcome::Taken(decided.facts)
                    }
                    Err(DecisionError::Decide(DecideError::Refused { index, refusal })) => {
                        let refusal = refusal.to_string();
                        RequestOutcome::Refused { refusal, index }
                    }
                    Err(error) => panic!("{error}"),
                },
            );
            let request = Request {
                idempotency_key: None,
                decisions,
                override_lead_time: false,
                requested_by: "the test".into(),
            };
            ids.push(self.postgres.submit(&request).await.unwrap().id);
        }
        let taken = self
            .postgres
            .take_requests(&self.lease, 100, NOW_MS, &HUB_KEY, &Roster)
            .await
            .unwrap();
        assert_eq!(taken.runs, runs);
        for (id, expected) in ids.into_iter().zip(expected) {
            assert_eq!(self.postgres.outcome(id).await.unwrap(), Some(expected));
        }
    }

    /// Compares everything there is, and audits both.
    pub(crate) async fn compare(&self) {
        let Pair { memory, postgres, .. } = self;
        assert_eq!(postgres.have().await.unwrap(), *memory.have());
        assert_eq!(postgres.waiting().await.unwrap(), memory.waiting_count() as u64);
        assert_eq!(postgres.rows().await.unwrap().digest(), memory.rows().digest());
        assert_eq!(&postgres.rows().await.unwrap(), memory.rows());
        let newest = memory.fare_book().newest();
        assert_eq!(postgres.fare_book().await.unwrap().newest(), newest);
        self.compare_cards().await;
        self.compare_accounts().await;
        self.compare_outbox().await;
        self.compare_evidence().await;
        self.compare_served().await;
        memory.audit().unwrap();
        postgres.audit().await.unwrap();
    }

    async fn compare_cards(&self) {
        let settled: Vec<_> = self.memory.card_rows().collect();
        let cards = self.postgres.cards(None, 10_000).await.unwrap();
        assert_eq!(cards.len(), settled.len());
        for (card, (expected_card, revision, state)) in cards.into_iter().zip(settled) {
            let found = self.postgres.card_state(card).await.unwrap().unwrap();
            let bytes = (found.card, found.revision, codec::encode(&found.state));
            assert_eq!(bytes, (expected_card, revision, state));
            assert_eq!(Some(&found), self.memory.card_state(card));
            let view = self.postgres.view(card).await.unwrap();
            assert_eq!(view, self.memory.view(card));
            assert_eq!(
                self.postgres.journal(card).await.unwrap(),
                self.memory.journal(card)
            );
            let projection = self.postgres.projection(card).await.unwrap();
            assert_eq!(projection.to_bytes(), self.memory.projection(card).to_bytes());
            let holds = self.postgres.holds(card).await.unwrap();
            let pending: Money = holds
                .iter()
                .filter(|hold| hold.state == "pending")
                .map(|hold| hold.hold)
                .sum();
            assert_eq!(pending, projection.held, "the pending transfer is the hold");
            for hold in holds.iter().filter(|hold| hold.state == "posted") {
                assert!(hold.posted.unwrap() > Money::ZERO);
            }
        }
    }

    async fn compare_accounts(&self) {
        let expected: BTreeMap<Account, Money> = self.memory.accounts().collect();
        let found = self.postgres.accounts().await.unwrap();
        assert_eq!(found.into_iter().collect::<BTreeMap<_, _>>(), expected);
        self.postgres.check_sum().await.unwrap();
    }

    async fn compare_outbox(&self) {
        let expected = self.memory.outbox(0);
        let found = self.postgres.outbox(0, 10_000).await.unwrap();
        assert_eq!(found.len(), expected.len());
        for ((position, found), expected) in (1..).zip(found).zip(expected) {
            assert_eq!(found.position, position, "no gaps");
            assert_eq!(found.event_key, expected.key().to_string());
            assert_eq!(found.name, expected.name());
            assert_eq!(found.card, expected.card().map(|card| card.to_string()));
            assert_eq!(found.revision, expected.revision());
            assert_eq!(found.payload, expected.payload(NOW_MS));
        }
    }

    async fn compare_evidence(&self) {
        let counters = self.memory.counters();
        let expected = Evidence {
            quarantined: counters.quarantined,
            refused: counters.refused,
            reopened: counters.reopened,
        };
        assert_eq!(self.postgres.evidence().await.unwrap(), expected);
        let changesets: i64 = sqlx::query_scalar("SELECT count(*) FROM changesets")
            .fetch_one(self.postgres.pool())
            .await
            .unwrap();
        assert_eq!(changesets as u64, counters.changesets);
        let mut kept: Vec<(Uuid, i64, i32, String, Vec<u8>)> =
            sqlx::query_as("SELECT site, seq, index, reason, content FROM quarantine")
                .fetch_all(self.postgres.pool())
                .await
                .unwrap();
        kept.sort();
        let mut expected: Vec<_> = self
            .memory
            .quarantined()
            .iter()
            .map(|kept| {
                (
                    Uuid::from_bytes(kept.id.site.0),
                    kept.id.seq.0 as i64,
                    i32::from(kept.id.index),
                    kept.reason.to_string(),
                    kept.content.to_vec(),
                )
            })
            .collect();
        expected.sort();
        assert_eq!(kept, expected);
        let closed = |(site, record): (_, &hub::ledger::SiteRecord)| (site, *record);
        let mut expected: Vec<_> = self.memory.sites().map(closed).collect();
        let mut found = self.postgres.sites().await.unwrap();
        expected.sort_by_key(|(site, _)| *site);
        found.sort_by_key(|(site, _)| *site);
        assert_eq!(found, expected);
    }

    async fn compare_served(&self) {
        for (site, have) in self.memory.have().wanted_by(Scope::All) {
            let head = have.head.seq.0;
            for bytes_max in SERVED_BYTES {
                for (first, last) in [(1, head), (head / 2 + 1, head / 2 + 2), (head + 1, head + 9)] {
                    let (first, last) = (Seq(first), Seq(last));
                    let range = Range { site, first, last };
                    let served = self.postgres.serve(range, bytes_max).await.unwrap();
                    assert_eq!(served, self.memory.serve(&range, bytes_max));
                }
            }
        }
    }
}

async fn open_term(memory: &mut MemoryLedger, postgres: &PostgresLedger, term: u8) -> Lease {
    let random = [[term; 16], [100 + term; 16]];
    memory.open_term(HUB_KEY.0, &HUB_KEY.0.0, random);
    let lease = postgres
        .acquire_lease("the test", HUB_KEY.0, &HUB_KEY.0.0, random)
        .await
        .unwrap();
    lease.expect("the test's own lease is taken over")
}
