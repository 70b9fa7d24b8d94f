//! What is known beforehand: connections, signs of life, trips, decisions, faults.

use sync_protocol::id::NodeId;
use sync_protocol::time::SECOND_MS;

use super::{Event, WARM_UP_MS, World};
use crate::network::RECONNECT_MS;
use crate::scenario::FaultKind;

/// First signs of life come this late at most, milliseconds.
const FIRST_BEAT_MS_MAX: i64 = 5 * SECOND_MS;

impl World {
    /// Plans everything that is known beforehand.
    pub(super) fn plan(&mut self) {
        let links: Vec<_> = self.network.links().collect();
        for link in links {
            let delay_ms = self.stream.between(0, RECONNECT_MS);
            self.schedule.at(delay_ms, Event::Connect(link));
        }
        let nodes: Vec<NodeId> = self.gates.keys().copied().chain([NodeId::HUB]).collect();
        for node in nodes {
            let latest_ms = self.beat_period_ms(node).min(FIRST_BEAT_MS_MAX);
            let first_ms = self.stream.between(1_000, latest_ms);
            self.schedule.at(first_ms, Event::Beat { node, generation: 0 });
        }
        self.plan_trip(0);
        for (index, (at_ms, _)) in self.traffic.decisions.iter().enumerate() {
            self.schedule.at(WARM_UP_MS + at_ms, Event::Decide(index));
        }
        for (index, fault) in self.scenario.faults.iter().enumerate() {
            let begins_ms = WARM_UP_MS + fault.at_s * SECOND_MS;
            if let FaultKind::RestoredDisk { age_s, .. } | FaultKind::HubRestored { age_s } = fault.kind {
                let copied_ms = begins_ms - age_s.get() * SECOND_MS;
                self.schedule.at(copied_ms, Event::TakeImage(index));
            }
            self.schedule.at(begins_ms, Event::FaultBegins(index));
            self.schedule
                .at(begins_ms + fault.for_s * SECOND_MS, Event::FaultEnds(index));
        }
    }
}
