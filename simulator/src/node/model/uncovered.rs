//! The taps of a gate's terminal that no settled state covers, by card, in the order of their arrival.

use std::collections::BTreeMap;
use std::rc::Rc;

use sync_protocol::fact::Tap;
use sync_protocol::id::{CardId, OrderKey, Seq};

/// Taps that are kept at least before the covered ones are looked for.
const KEPT_MIN: usize = 256;

/// The taps of one changeset.
pub(super) type Taps = Rc<[(OrderKey, Tap)]>;

/// The taps of one terminal.
#[derive(Clone, Debug, Default)]
pub(super) struct Uncovered {
    by_card: BTreeMap<CardId, Vec<Waiting>>,
    count: usize,
    sweep_at: usize,
}

#[derive(Clone, Debug)]
struct Waiting {
    /// The site's place in the log.
    site: u32,
    taps: Taps,
    place: usize,
}

impl Uncovered {
    /// Notes the taps of a changeset that arrived.
    pub(super) fn push(&mut self, site: u32, taps: &Taps) {
        for (place, (_, tap)) in taps.iter().enumerate() {
            let waiting = Waiting {
                site,
                taps: Rc::clone(taps),
                place,
            };
            self.by_card.entry(tap.card).or_default().push(waiting);
            self.count += 1;
        }
    }

    /// A card's taps that are not covered, in the order of arrival.
    pub(super) fn of(
        &self,
        card: CardId,
        covered: impl Fn(u32) -> Seq,
    ) -> impl Iterator<Item = &(OrderKey, Tap)> {
        let taps = self.by_card.get(&card).into_iter().flatten();
        taps.filter_map(move |waiting| {
            let tap = &waiting.taps[waiting.place];
            (tap.0.id.seq > covered(waiting.site)).then_some(tap)
        })
    }

    /// Forgets the covered ones, once enough has come for it to be worth while.
    pub(super) fn sweep(&mut self, covered: impl Fn(u32) -> Seq) {
        if self.count < self.sweep_at.max(KEPT_MIN) {
            return;
        }
        self.by_card.retain(|_, taps| {
            taps.retain(|waiting| waiting.taps[waiting.place].0.id.seq > covered(waiting.site));
            !taps.is_empty()
        });
        self.count = self.by_card.values().map(Vec::len).sum();
        self.sweep_at = 2 * self.count;
    }
}
