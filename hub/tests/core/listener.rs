//! A gate that hears the hub's settled site.

use std::collections::BTreeMap;

use hub::settle::CARDS_MAX;
use sync_protocol::changeset::{Body, Content, Head, Run, Trust};
use sync_protocol::codec;
use sync_protocol::digest::SettledDigest;
use sync_protocol::fact::{CardSettled, Fact};
use sync_protocol::id::{CardId, Seq, SiteId};

use crate::network::*;

/// Revisions that are times of day, milliseconds since 1970: of 2020 and later.
const COUNTS_ANEW_FROM: u64 = 1_577_836_800_000;

/// What it has applied.
#[derive(Default)]
pub(crate) struct Listener {
    head: Option<Head>,
    states: BTreeMap<CardId, CardSettled>,
    covered: BTreeMap<SiteId, Seq>,
    /// Worked out from what it has applied.
    digest: SettledDigest,
}

impl Listener {
    /// Applies a published run, changeset by changeset, and after each checks its promise: every card's settled
    /// state holds exactly the facts that are covered, so settled and uncovered taps together are all taps, once.
    pub(crate) fn hear(&mut self, run: &Run, sites: &[Site]) {
        let mut head = self.head.unwrap_or(Head::empty(run.site));
        assert_eq!(run.first, head.seq.next());
        for bytes in &run.bodies {
            head = head.then(bytes);
            let body = Body::decode(bytes).unwrap();
            let mut cards = 0;
            for change in &body.changes {
                match change.read().unwrap().unwrap() {
                    Content::Fact(Fact::CardSettled(settled)) => {
                        cards += 1;
                        self.settle(*settled);
                    }
                    Content::Fact(Fact::SettledUpTo { covered }) => self.cover(covered),
                    Content::Fact(Fact::SettledDigest {
                        fare_version,
                        cards: stated,
                        hash,
                    }) => {
                        assert_eq!(stated, self.states.len() as u64);
                        // Fare versions are in it and not heard here.
                        assert!(fare_version > 0 || hash == self.digest.hash(), "another digest");
                    }
                    Content::SiteOpen(open) => assert!(Roster.admits(&open)),
                    other => panic!("{other:?} in the settled site"),
                }
            }
            assert!(cards <= CARDS_MAX);
            self.check(sites);
        }
        let message = head.signed_message(run.site);
        assert!(Roster.verifies(&HUB_KEY.0, &message, &run.signature));
        self.head = Some(head);
    }

    fn settle(&mut self, settled: CardSettled) {
        let before = self.states.insert(settled.card, settled.clone());
        self.digest.settle(before.as_ref(), Some(&settled));
        let revision = before.map_or(0, |before| before.revision);
        // Decisions of the hub that it hears from others make it count anew from the time of day: see `hub::recovery`.
        let counts_anew = settled.revision > revision && settled.revision >= COUNTS_ANEW_FROM;
        assert!(settled.revision == revision + 1 || counts_anew, "revisions count");
    }

    fn cover(&mut self, covered: Vec<(SiteId, Seq)>) {
        for (site, seq) in covered {
            let before = self.covered.insert(site, seq).unwrap_or_default();
            self.digest.cover(site, before, seq);
            assert!(seq > before, "only sites that advanced are named");
        }
    }

    fn check(&self, sites: &[Site]) {
        let mut expected: BTreeMap<CardId, (u64, u128)> = BTreeMap::new();
        for (fact, hash) in sites.iter().flat_map(|site| &site.facts) {
            let id = fact.key.id;
            let covered = self.covered.get(&id.site).copied().unwrap_or_default();
            if let Some(card) = fact.fact.card().filter(|_| id.seq <= covered) {
                let (facts, sum) = expected.entry(card).or_default();
                *facts += 1;
                *sum = sum.wrapping_add(*hash);
            }
        }
        let held = self.states.values();
        let held: BTreeMap<_, _> = held
            .map(|settled| (settled.card, (settled.facts, settled.facts_hash)))
            .collect();
        assert_eq!(held, expected, "settled states and coverage differ");
    }

    /// Its `cards` table.
    pub(crate) fn card_rows(&self) -> Vec<(CardId, u64, Vec<u8>)> {
        let rows = self.states.values();
        rows.map(|settled| (settled.card, settled.revision, codec::encode(&settled.state)))
            .collect()
    }
}
