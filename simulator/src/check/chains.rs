//! Chains without gaps, and no number used twice: every node's journal is read back as it would be served, and every
//! site's changesets follow each other from the floor to the head, their hashes lead to the head that the node
//! tells, the signatures verify, and no two nodes hold different changesets under one (site, number) (D-14, T-35).
//!
//! Would fail if a node skipped or damaged what it received, moved a head without its journal, stored a signature
//! that nobody would believe, or if a restarted, restored or cloned writer numbered on where another had begun. Runs
//! that a hostile gate signs with its own key on another branch are refused by honest nodes, so they are in no
//! journal. Of large networks some logs are read, spread evenly.

use std::collections::BTreeMap;

use sync_protocol::changeset::{Head, PublicKey, Run, Trust, site_open};
use sync_protocol::have::{Range, SiteHave};
use sync_protocol::id::{Seq, SiteId};

use super::logs::Logs;
use super::{Check, Violations};
use crate::world::World;

/// Changesets read back at most, over all nodes.
const CHANGESETS_MAX: u64 = 40_000;
/// Bytes of bodies asked for at a time of a gate.
const PIECE_BYTES_MAX: usize = 1 << 20;
/// Changesets of the hub up to which it is asked for the smallest pieces, so that every stored signature is looked at.
const EVERY_SIGNATURE_MAX: u64 = 5_000;

/// A log as one node holds it, with a way to read it.
pub(super) struct Held<'a> {
    /// Whose journal.
    pub(super) holder: String,
    pub(super) site: SiteId,
    pub(super) have: SiteHave,
    /// The last changeset that its holder has cut off, with the chain there.
    pub(super) floor: Head,
    pub(super) serve: &'a dyn Fn(Range, usize) -> Option<Run>,
}

/// What reading back showed.
#[derive(Debug, Default)]
pub(super) struct Read {
    keys: BTreeMap<SiteId, PublicKey>,
    logs: u64,
    changesets: u64,
    signatures: u64,
    /// Changesets that were cut off.
    cut: u64,
    violations: Violations,
}

/// Reads the journals of all nodes back.
#[must_use]
pub fn check(world: &mut World) -> Check {
    let total: u64 = world
        .gates
        .values()
        .flat_map(|gate| gate.have().wanted_by(None))
        .chain(world.hub.held().wanted_by(None))
        .map(|(_, have)| have.head.seq.0 - have.floor.0)
        .sum();
    let stride = usize::try_from(total.div_ceil(CHANGESETS_MAX).max(1)).unwrap_or(usize::MAX);
    let mut read = Read::default();
    let authority = world.authority();
    let seen = &mut world.steps.sites.logs;
    // The hub first: it has every site's opening, and so its key.
    let at_hub: u64 = world
        .hub
        .held()
        .wanted_by(None)
        .map(|(_, have)| have.head.seq.0)
        .sum();
    let piece_bytes = if at_hub <= EVERY_SIGNATURE_MAX {
        1
    } else {
        PIECE_BYTES_MAX
    };
    let serve = |range, _| world.hub.read(range, piece_bytes);
    for (site, have) in world.hub.held().wanted_by(None) {
        let (holder, have) = ("the hub".to_owned(), *have);
        let serve = &serve;
        let held = Held {
            holder,
            site,
            have,
            floor: Head::empty(site),
            serve,
        };
        read.log(&held, seen, authority.as_ref());
    }
    let logs = world.gates.values().flat_map(|gate| {
        let sites = gate.have().wanted_by(None);
        sites.map(move |(site, have)| (gate, site, *have))
    });
    for (gate, site, have) in logs.step_by(stride) {
        let serve = |range, bytes| gate.read(range, bytes);
        let (holder, serve) = (format!("gate {}", gate.code()), &serve);
        let held = Held {
            holder,
            site,
            have,
            floor: gate.floor(site),
            serve,
        };
        read.log(&held, seen, authority.as_ref());
    }
    read.into_check(stride)
}

impl Read {
    /// Reads one log from its floor to its head.
    pub(super) fn log(&mut self, held: &Held<'_>, seen: &mut Logs, trust: &impl Trust) {
        self.logs += 1;
        if let Err(broken) = self.try_log(held, seen, trust) {
            let (holder, site) = (&held.holder, held.site);
            self.violations.note(format!("{holder}, site {site}: {broken}"));
        }
    }

    fn try_log(&mut self, held: &Held<'_>, seen: &mut Logs, trust: &impl Trust) -> Result<(), String> {
        let (site, told) = (held.site, held.have.head);
        let mut head = held.floor;
        if head.seq != held.have.floor {
            return Err(format!(
                "it tells of floor {}, it is cut at {}",
                held.have.floor, head.seq
            ));
        }
        if head.seq > Seq::NONE {
            self.cut += head.seq.0;
            if !seen.meet(site, &head) {
                return Err(format!(
                    "it is cut at changeset {} of another log than elsewhere",
                    head.seq
                ));
            }
        }
        let mut at = held.have.floor;
        while at < told.seq {
            let (first, last) = (at.next(), told.seq);
            let run = (held.serve)(Range { site, first, last }, PIECE_BYTES_MAX);
            let run = run.ok_or_else(|| format!("changeset {first} of {last} cannot be read"))?;
            if run.site != site || run.first != first || run.bodies.is_empty() {
                return Err(format!("changeset {first} was asked for, {} came", run.first));
            }
            for body in &run.bodies {
                at = at.next();
                self.changesets += 1;
                head = head.then(body);
                if !seen.meet(site, &head) {
                    return Err(format!("changeset {at} is another one than elsewhere"));
                }
            }
            self.verify(&run, &head, trust)?;
        }
        if head == told {
            return Ok(());
        }
        Err(format!(
            "its journal leads to changeset {} ({:?}), it tells of {} ({:?})",
            head.seq, head.chain, told.seq, told.chain
        ))
    }

    fn verify(&mut self, run: &Run, head: &Head, trust: &impl Trust) -> Result<(), String> {
        if run.first == Seq(1)
            && let Some(open) = run.bodies.first().and_then(|body| site_open(body))
        {
            self.keys.insert(run.site, open.public_key);
        }
        let Some(key) = self.keys.get(&run.site) else {
            return Err("nothing opens it".to_owned());
        };
        self.signatures += 1;
        if trust.verifies(key, &head.signed_message(run.site), &run.signature) {
            Ok(())
        } else {
            Err(format!("the signature at changeset {} does not verify", head.seq))
        }
    }

    pub(super) fn into_check(self, stride: usize) -> Check {
        let share = if stride == 1 {
            String::new()
        } else {
            format!(" (of the gates' logs one in {stride})")
        };
        let cut = match self.cut {
            0 => String::new(),
            cut => format!("; {cut} more were cut off at gates"),
        };
        let detail = format!(
            "{} logs read back{share}: {} changesets without a gap, {} signatures verify{cut}",
            self.logs, self.changesets, self.signatures
        );
        self.violations.into_check("chains without gaps", detail)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sync_protocol::changeset::{Body, Change, Content, Signature, Signer, SiteOpen, SiteRole};
    use sync_protocol::ed25519::{self, Ed25519Signer};
    use sync_protocol::id::NodeId;
    use sync_protocol::time::Stamp;

    use super::super::sample;
    use super::*;

    struct Believe;

    impl Trust for Believe {
        fn verifies(&self, key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool {
            ed25519::verifies(key, message, signature)
        }

        fn admits(&self, _: &SiteOpen) -> bool {
            true
        }
    }

    /// A log of three changesets, each signed, as runs of one.
    fn log() -> (SiteId, Vec<Run>, SiteHave) {
        let signer = Ed25519Signer::from_secret(&[5; 32]);
        let role = SiteRole::Gate(sample::terminal("A"));
        let open = SiteOpen {
            node: NodeId(1),
            role,
            public_key: signer.public_key(),
            random: [1; 16],
            certificate: Vec::new(),
            previous: None,
        };
        let (site, mut head) = (open.site(), Head::empty(open.site()));
        let facts = sample::facts_of(sample::card(1), 1);
        let first = Content::SiteOpen(Box::new(open));
        let others = facts
            .into_iter()
            .skip(2)
            .take(2)
            .map(|fact| Content::Fact(fact.fact));
        let mut runs = Vec::new();
        for content in std::iter::once(first).chain(others) {
            let changes = vec![Change::new(&content)];
            let at = Stamp::at_ms(1);
            let body: Bytes = Body { at, changes }.encode().unwrap();
            head = head.then(&body);
            runs.push(Run {
                site,
                first: head.seq,
                bodies: vec![body],
                signature: signer.sign(&head.signed_message(site)),
            });
        }
        let floor = Seq::NONE;
        (site, runs, SiteHave { role, floor, head })
    }

    fn read(runs: &[Run], site: SiteId, have: SiteHave) -> Check {
        let serve = |range: Range, _| runs.iter().find(|run| run.first == range.first).cloned();
        let (holder, serve) = ("gate T".to_owned(), &serve);
        let mut read = Read::default();
        read.log(
            &Held {
                holder,
                site,
                have,
                floor: Head::empty(site),
                serve,
            },
            &mut Logs::default(),
            &Believe,
        );
        read.into_check(1)
    }

    #[test]
    fn a_whole_log_passes() {
        let (site, runs, have) = log();
        let check = read(&runs, site, have);
        assert!(check.passed, "{}", check.detail);
        assert!(check.detail.contains("3 changesets"), "{}", check.detail);
    }

    #[test]
    fn a_gap_a_strange_body_a_wrong_signature_and_a_wrong_head_are_noticed() {
        let (site, runs, have) = log();
        let broken = |change: &dyn Fn(&mut Vec<Run>, &mut SiteHave)| {
            let (mut runs, mut have) = (runs.clone(), have);
            change(&mut runs, &mut have);
            let check = read(&runs, site, have);
            assert!(
                !check.passed && check.detail.contains("gate T"),
                "{}",
                check.detail
            );
            check.detail
        };
        let gap = broken(&|runs, _| drop(runs.remove(1)));
        assert!(gap.contains("changeset 2 of 3 cannot be read"), "{gap}");
        let body = broken(&|runs, _| runs[2].bodies = runs[1].bodies.clone());
        assert!(body.contains("signature at changeset 3"), "{body}");
        let signature = broken(&|runs, _| runs[0].signature = Signature([0; 64]));
        assert!(signature.contains("signature at changeset 1"), "{signature}");
        let head = broken(&|_, have| have.head.chain.0 = [0; 32]);
        assert!(head.contains("it tells of 3"), "{head}");
    }

    #[test]
    fn another_changeset_of_the_same_number_is_noticed() {
        let (site, runs, have) = log();
        let mut seen = Logs::default();
        let mut other = have.head;
        other.chain.0 = [7; 32];
        assert!(seen.meet(site, &other));
        let serve = |range: Range, _| runs.iter().find(|run| run.first == range.first).cloned();
        let (holder, serve) = ("gate T".to_owned(), &serve);
        let mut read = Read::default();
        read.log(
            &Held {
                holder,
                site,
                have,
                floor: Head::empty(site),
                serve,
            },
            &mut seen,
            &Believe,
        );
        let check = read.into_check(1);
        assert!(
            check.detail.contains("changeset 3 is another one"),
            "{}",
            check.detail
        );
    }
}
