//! Reading the shared log at a gate's heads.

use std::rc::Rc;

use edge_node::store::{Card, StoreDigest};
use sync_protocol::decide::{Circumstances, Gate};
use sync_protocol::id::CardId;

use super::ModelStore;

impl ModelStore {
    /// A card as the next decision sees it.
    pub(super) fn read_card(&self, id: CardId) -> Card {
        let log = self.log.borrow();
        let disk = self.disk.borrow();
        let settled = log.settled(id, &self.have);
        let settled = settled.map(|settled| (settled.revision, settled.state));
        let mut card = Card::settled(settled, &disk.fares);
        // Statuses carry version numbers: where they stand among the taps makes no difference.
        for (ordinal, key, fact) in log.cards.get(&id).into_iter().flat_map(|line| &line.statuses) {
            if self.have.seq(log.site(*ordinal).id) >= key.id.seq {
                card.take_fact(id, key, fact, &disk.fares);
            }
        }
        let covered = |ordinal| log.covered_at(ordinal, &self.have);
        for (key, tap) in disk.uncovered.of(id, covered) {
            card.take(tap, key, &disk.fares);
        }
        card.set_denied(disk.rows().is_denied(id));
        card
    }

    /// The gate, in the mode that the `gates` table gives it.
    fn gate_now(&self) -> Gate {
        let mode = self.disk.borrow().rows().mode(self.gate.id);
        Gate {
            mode: mode.unwrap_or(self.gate.mode),
            ..self.gate
        }
    }

    pub(super) fn with_circumstances<T>(
        &self,
        age_ms: i64,
        decide: impl FnOnce(&Circumstances<'_>) -> T,
    ) -> T {
        let fares = Rc::clone(&self.disk.borrow().fares);
        let gate = self.gate_now();
        decide(&Circumstances {
            gate: &gate,
            policy: &self.policy,
            fares: &fares,
            age_ms,
        })
    }

    pub(super) fn digests(&self) -> StoreDigest {
        let disk = self.disk.borrow();
        let mut fares = blake3::Hasher::new_derive_key("gate sync 2026 model store fares");
        for table in disk.fares.iter() {
            fares.update(table.fact().hash());
        }
        StoreDigest {
            cards: self.log.borrow_mut().settled_digest(&self.have),
            fares: *fares.finalize().as_bytes(),
            rows: disk.rows().digest(),
        }
    }
}
