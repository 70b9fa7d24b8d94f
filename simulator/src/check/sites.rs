//! No site is reused: every start of a process writes a site of its own, one process writes it, and its numbers go
//! on by one (D-14, T-35).
//!
//! Would fail if a restart, a restored or a cloned disk went on in an old site: the same number would then name two
//! different changesets, and one of them would be lost. Nothing is excused. What lies in the journals is compared by
//! the check of chains, against everything that was seen here.

use std::collections::BTreeMap;

use sync_protocol::changeset::{Head, Run};
use sync_protocol::id::{NodeId, SiteId};

use super::logs::Logs;
use super::{Check, Violations, second};

/// Who writes which sites.
#[derive(Debug, Default)]
pub struct Sites {
    /// Everything that was seen.
    pub(super) logs: Logs,
    /// Who wrote each site, and where its log stands.
    writers: BTreeMap<SiteId, (NodeId, Head)>,
    /// The site that each gate's process writes at present.
    present: BTreeMap<NodeId, SiteId>,
    starts: u64,
    violations: Violations,
}

impl Sites {
    /// Looks at a gate's process that has just started.
    pub fn started(&mut self, node: NodeId, site: SiteId, now_ms: i64) {
        self.starts += 1;
        let known_writer = self.writers.get(&site).map(|(writer, _)| *writer);
        let begun = self.present.iter().find(|(_, present)| **present == site);
        if let Some(writer) = known_writer.or(begun.map(|(node, _)| *node)) {
            self.violations.note(format!(
                "{node} started at {} with site {site}, which {writer} has begun before",
                second(now_ms)
            ));
        }
        self.present.insert(node, site);
    }

    /// Looks at what a node's writer committed and signed.
    pub fn committed(&mut self, node: NodeId, run: &Run, now_ms: i64) {
        let known = self.writers.get(&run.site).copied();
        let (writer, mut head) = known.unwrap_or((node, Head::empty(run.site)));
        let strange = if writer != node {
            Some(format!("which belongs to {writer}"))
        } else if self
            .present
            .get(&node)
            .is_some_and(|present| *present != run.site)
        {
            Some("which an earlier process began".to_owned())
        } else if run.first != head.seq.next() {
            Some(format!("where changeset {} comes next", head.seq.next()))
        } else {
            None
        };
        if let Some(strange) = strange {
            self.violations.note(format!(
                "{node} wrote changeset {} of site {} at {}, {strange}",
                run.first,
                run.site,
                second(now_ms)
            ));
        }
        if run.first != head.seq.next() {
            return;
        }
        for body in &run.bodies {
            head = head.then(body);
            if !self.logs.meet(run.site, &head) {
                self.violations.note(format!(
                    "{node} wrote changeset {} of site {} at {}, and there is another one of that number",
                    head.seq,
                    run.site,
                    second(now_ms)
                ));
            }
        }
        self.writers.insert(run.site, (writer, head));
    }
}

/// The check at the end of a run.
#[must_use]
pub fn check(sites: &Sites) -> Check {
    let detail = format!(
        "{} sites of {} starts of gates and of the hub, {} changesets numbered on by one",
        sites.logs.sites(),
        sites.starts,
        sites.logs.changesets()
    );
    sites.violations.clone().into_check("no site reused", detail)
}

#[cfg(test)]
mod tests {
    use sync_protocol::changeset::Signature;
    use sync_protocol::id::Seq;

    use super::super::sample::GATES;
    use super::*;

    fn run(site: SiteId, first: u64, body: &'static [u8]) -> Run {
        Run {
            site,
            first: Seq(first),
            bodies: vec![body.into()],
            signature: Signature([0; 64]),
        }
    }

    fn after(events: impl Fn(&mut Sites)) -> Check {
        let mut sites = Sites::default();
        sites.started(NodeId(1), GATES[0], 0);
        sites.committed(NodeId(1), &run(GATES[0], 1, b"one"), 0);
        sites.committed(NodeId(1), &run(GATES[0], 2, b"two"), 0);
        events(&mut sites);
        check(&sites)
    }

    #[test]
    fn a_new_site_for_every_start_passes() {
        let check = after(|sites| {
            sites.started(NodeId(1), GATES[1], 5_000);
            sites.committed(NodeId(1), &run(GATES[1], 1, b"one"), 6_000);
        });
        assert!(check.passed, "{}", check.detail);
        assert!(
            check.detail.starts_with("2 sites of 2 starts"),
            "{}",
            check.detail
        );
    }

    #[test]
    fn a_start_in_an_old_site_is_noticed() {
        let check = after(|sites| sites.started(NodeId(1), GATES[0], 5_000));
        assert!(
            !check.passed && check.detail.contains("gate 1 started at second 5"),
            "{}",
            check.detail
        );
    }

    #[test]
    fn a_number_used_twice_is_noticed() {
        let check = after(|sites| sites.committed(NodeId(1), &run(GATES[0], 2, b"other"), 7_000));
        assert!(
            !check.passed && check.detail.contains("changeset 3 comes next"),
            "{}",
            check.detail
        );
    }

    #[test]
    fn a_clone_that_writes_anothers_site_is_noticed() {
        let check = after(|sites| sites.committed(NodeId(2), &run(GATES[0], 3, b"clone"), 7_000));
        assert!(
            !check.passed && check.detail.contains("belongs to gate 1"),
            "{}",
            check.detail
        );
    }
}
