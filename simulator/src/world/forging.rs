//! Hand-made runs: written when a fault begins, sent in their node's frames again and again while it lasts.
//!
//! What nobody takes is no fact. So a run counts in the oracle from the moment on at which somebody's store has
//! taken it, as far as it has, and as far as its writer may say so.

use sync_protocol::changeset::{BODY_BYTES_MAX, Head, ROWS_MAX, Run, SiteRole};
use sync_protocol::codec;
use sync_protocol::fact::Direction;
use sync_protocol::id::{NodeId, Seq, SiteId};
use sync_protocol::journey::CardState;
use sync_protocol::money::Money;
use sync_protocol::snapshot::{Page, Part};
use sync_protocol::time::SECOND_MS;
use sync_protocol::wire::Frame;

use super::reach::node_of;
use super::{Event, World};
use crate::forge::{Forger, content};
use crate::oracle::Forged;
use crate::scenario::{ByzantineKind, FaultKind, PoisonKind};

/// Hand-made runs are sent again this often.
const AGAIN_MS: i64 = 10 * SECOND_MS;
/// What a card in a forged snapshot is richer by, and how often it was settled since.
const FORGED_MONEY: Money = Money::rupiah(1_000_000);
const FORGED_REVISIONS: u64 = 1_000;
/// Number of a fare version that no honest hub publishes here.
const POISON_VERSION: u32 = 1_000_000;
/// Sizes of changesets: from this power of two to the largest that a changeset may have.
const EDGE_POWERS: std::ops::RangeInclusive<u32> = 8..=18;

/// A hand-made run.
#[derive(Clone, Debug)]
pub(super) struct HandMade {
    fault: usize,
    node: NodeId,
    /// What an honest node makes of its site; `None` when it has to refuse the run.
    role: Option<SiteRole>,
    run: Run,
}

/// One log that a gate's key signed in two ways. What the hub is shown first counts; nobody takes the other for a fact.
#[derive(Clone, Debug)]
pub(crate) struct TwoBranches {
    fault: usize,
    node: NodeId,
    role: SiteRole,
    /// What the hub is shown, and every other neighbour.
    pub(crate) run: Run,
    /// What the rest is shown, longer by one.
    other: Run,
    /// Whether somebody took the other one.
    pub(crate) other_is_taken: bool,
}

impl World {
    /// Writes what a fault has to send, and sends it for the first time.
    pub(super) fn begin_forging(&mut self, index: usize) -> anyhow::Result<()> {
        match self.scenario.faults[index].kind {
            FaultKind::NewerGate { gate } => {
                let node = node_of(&self.topology, gate)?;
                let mut forger = self.forger(node);
                for _ in 0..3 {
                    forger.push(content::unknown_kinds(&mut self.stream));
                }
                self.hand_over(
                    index,
                    node,
                    "changes of unknown kinds",
                    forger.run(),
                    Some(forger.role()),
                );
            }
            FaultKind::Byzantine { gate, what } => {
                let node = node_of(&self.topology, gate)?;
                self.forge_as_gate(index, node, what);
            }
            FaultKind::Poison { what } => self.forge_as_hub(index, what)?,
            FaultKind::Equivocation { gate } => {
                let node = node_of(&self.topology, gate)?;
                self.sign_twice(index, node);
            }
            _ => return Ok(()),
        }
        self.send_hand_made(index);
        Ok(())
    }

    fn forge_as_gate(&mut self, index: usize, node: NodeId, what: ByzantineKind) {
        let gate = self.machines[&node].gate;
        let mut forger = self.forger(node);
        match what {
            ByzantineKind::HostileRows => {
                forger.push(content::hostile_rows(gate));
                self.hand_over(index, node, "hostile rows", forger.run(), Some(forger.role()));
            }
            ByzantineKind::FarFuture => {
                // No fare exceeds it: what is charged above a hold has no bound (domain 4.5).
                let hold: Money = (0..10).map(|_| self.topology.highest_fare()).sum();
                for (number, direction) in
                    [(0, Direction::Entry), (1, Direction::Entry), (0, Direction::Exit)]
                {
                    let card = self.traffic.cards.id(number);
                    let hold = if direction == Direction::Entry {
                        hold
                    } else {
                        Money::ZERO
                    };
                    let at_ms = content::FAR_FUTURE_MS + i64::from(number) * SECOND_MS;
                    forger.push_at(at_ms, vec![content::tap(gate, card, direction, hold)]);
                }
                self.hand_over(
                    index,
                    node,
                    "taps of the year 2200",
                    forger.run(),
                    Some(forger.role()),
                );
            }
            ByzantineKind::BrokenChain => {
                let card = self.traffic.cards.id(0);
                forger.push(vec![content::tap(gate, card, Direction::Exit, Money::ZERO)]);
                self.hand_over(
                    index,
                    node,
                    "a chain that does not hash",
                    forger.broken_run(),
                    None,
                );
            }
            ByzantineKind::ForgedSnapshot => {}
            ByzantineKind::OtherSite => {
                let card = self.traffic.cards.id(0);
                forger.push(vec![content::tap(gate, card, Direction::Exit, Money::ZERO)]);
                for (site, head) in self.sites_known_to(node) {
                    let run = forger.continue_site(site, &head);
                    self.hand_over(index, node, "another node's site", run, None);
                }
            }
        }
    }

    /// Taps that were denied, of one card in the one branch and of another in the other: they move no money, and their
    /// facts tell the branches apart.
    fn sign_twice(&mut self, fault: usize, node: NodeId) {
        let gate = self.machines[&node].gate;
        let mut forger = self.forger(node);
        let [one_card, other_card] = [0, 1].map(|number| self.traffic.cards.id(number));
        forger.push(vec![content::denied_tap(gate, one_card)]);
        let mut second = forger.clone();
        for _ in 0..2 {
            forger.push(vec![content::denied_tap(gate, one_card)]);
        }
        for _ in 0..3 {
            second.push(vec![content::denied_tap(gate, other_card)]);
        }
        self.two_branches.push(TwoBranches {
            fault,
            node,
            role: forger.role(),
            run: forger.run(),
            other: second.run(),
            other_is_taken: false,
        });
    }

    /// Shows the branches, each to its half of the peers; the one that the hub is shown only until it has it.
    fn show_branches(&mut self, fault: usize) {
        let shown: Vec<TwoBranches> = self
            .two_branches
            .iter()
            .filter(|branches| branches.fault == fault && self.runs(branches.node))
            .cloned()
            .collect();
        for branches in shown {
            let peers = self.connections_of(branches.node);
            let peers: Vec<NodeId> = peers.iter().map(|(peer, _)| *peer).collect();
            let (ones, others): (Vec<_>, Vec<_>) = peers
                .into_iter()
                .partition(|peer| peer.is_hub() || peer.0 % 2 == branches.node.0 % 2);
            self.touched[fault].forged += others.len() as u64;
            self.send(branches.node, &ones, Frame::Changesets(vec![branches.run]));
            self.send(branches.node, &others, Frame::Changesets(vec![branches.other]));
        }
    }

    /// An operator looks at the evidence and says that the branch which the hub holds counts.
    pub(super) fn decide_fork(&mut self, fault: usize) -> anyhow::Result<()> {
        let proven: Vec<SiteId> = self.hub.forks().collect();
        let decided: Vec<(SiteId, Head)> = self
            .two_branches
            .iter()
            .filter(|branches| branches.fault == fault && proven.contains(&branches.run.site))
            .map(|branches| {
                // The third changeset is the first that exists twice.
                let bodies = branches.run.bodies.iter().take(3);
                let site = branches.run.site;
                (site, bodies.fold(Head::empty(site), |head, body| head.then(body)))
            })
            .collect();
        for (site, head) in decided {
            let now_ms = self.schedule.now_ms();
            let runs = self.hub.decide_fork(now_ms, site, head)?;
            self.publish(runs);
            self.settle_soon();
        }
        Ok(())
    }

    /// Makes cards richer in a page of a snapshot that a hostile gate serves.
    pub(super) fn forge_page(&mut self, node: NodeId, mut page: Page) -> Page {
        let hostile = self.under_way.iter().copied().find(|index| {
            let FaultKind::Byzantine { gate, what } = self.scenario.faults[*index].kind else {
                return false;
            };
            what == ByzantineKind::ForgedSnapshot
                && node_of(&self.topology, gate).is_ok_and(|forging| forging == node)
        });
        let (Some(index), Part::Cards(cards)) = (hostile, &mut page.part) else {
            return page;
        };
        for card in cards {
            let Ok(mut state) = codec::decode::<CardState>(&card.state) else {
                continue;
            };
            state.posted += FORGED_MONEY;
            card.state = codec::encode(&state);
            // So that what the hub settles does not replace it soon.
            card.revision += FORGED_REVISIONS;
            self.touched[index].forged += 1;
        }
        page
    }

    fn forge_as_hub(&mut self, index: usize, what: PoisonKind) -> anyhow::Result<()> {
        let hub = NodeId::HUB;
        let policy = self.scenario.policy.orphan_policy;
        let fares = self.topology.fare_version(POISON_VERSION, 0, policy)?;
        let mut forger = self.forger(hub);
        match what {
            PoisonKind::Truncated => {
                for bytes in [1, 7, 40] {
                    forger.push(vec![content::truncated(&fares, bytes)]);
                }
                self.hand_over(index, hub, "fares cut short", forger.run(), Some(forger.role()));
            }
            PoisonKind::WrongHash => {
                forger.push(vec![content::wrong_hash(&fares)]);
                self.hand_over(
                    index,
                    hub,
                    "fares with another hash",
                    forger.run(),
                    Some(forger.role()),
                );
            }
            PoisonKind::Oversized => {
                forger.push(content::too_many_rows(ROWS_MAX + 44));
                self.hand_over(index, hub, "too many rows", forger.run(), Some(forger.role()));
                let mut larger = self.forger(hub);
                larger.push(content::denials("LARGE", BODY_BYTES_MAX + 1));
                self.hand_over(index, hub, "a changeset too large", larger.run(), None);
            }
            PoisonKind::EdgeSizes => {
                for power in EDGE_POWERS {
                    self.forge_edges(index, 1 << power);
                }
            }
        }
        Ok(())
    }

    /// Reference data of exactly so many bytes, one less and one more.
    fn forge_edges(&mut self, index: usize, bytes: usize) {
        let mut forger = self.forger(NodeId::HUB);
        for bytes in [bytes - 1, bytes, bytes + 1] {
            if bytes <= BODY_BYTES_MAX {
                let name = format!("EDGE{bytes:08}");
                forger.push_sized(bytes, |padding| content::denials(&name, padding));
            }
        }
        let what = format!("rows of {bytes} bytes, give or take one");
        self.hand_over(index, NodeId::HUB, &what, forger.run(), Some(forger.role()));
    }

    /// A hand that writes with a node's key.
    fn forger(&mut self, node: NodeId) -> Forger {
        let now_ms = self.schedule.now_ms();
        let random = self.stream.bytes();
        if node.is_hub() {
            let (signer, certificate) = self.hub.identity();
            let at_ms = self.hub.wall_ms(now_ms);
            return Forger::new(node, SiteRole::Decisions, signer, certificate, random, at_ms);
        }
        let machine = &self.machines[&node];
        let role = SiteRole::Gate(machine.gate.terminal);
        let (signer, certificate) = (machine.signer(), machine.certificate().to_vec());
        Forger::new(
            node,
            role,
            signer,
            certificate,
            random,
            machine.clock.read(now_ms),
        )
    }

    /// The sites of others that a gate could claim to continue.
    fn sites_known_to(&self, node: NodeId) -> Vec<(SiteId, Head)> {
        let Some(gate) = self.gates.get(&node) else {
            return Vec::new();
        };
        let sites = gate.have().wanted_by(Some(gate.terminal()));
        let others = sites.filter(|(site, _)| self.oracle.writer(*site).is_some_and(|writer| writer != node));
        others.map(|(site, have)| (site, have.head)).collect()
    }

    fn hand_over(&mut self, fault: usize, node: NodeId, what: &str, run: Run, role: Option<SiteRole>) {
        let poisons = matches!(self.scenario.faults[fault].kind, FaultKind::Poison { .. });
        self.oracle.forged.push(Forged {
            node,
            what: what.to_owned(),
            site: run.site,
            seqs: (run.first, run.last()),
            fits_log: role.is_some(),
            fare_versions: if poisons { vec![POISON_VERSION] } else { Vec::new() },
            at_ms: self.schedule.now_ms(),
            refused_by: Default::default(),
        });
        self.hand_made.push(HandMade {
            fault,
            node,
            role,
            run,
        });
    }

    /// Sends a fault's hand-made runs to everybody whom their node is connected with, as far as nobody has them yet.
    pub(super) fn send_hand_made(&mut self, fault: usize) {
        self.show_branches(fault);
        let runs: Vec<HandMade> = self
            .hand_made
            .iter()
            .filter(|made| made.fault == fault && self.oracle.head(made.run.site) < made.run.last())
            .cloned()
            .collect();
        for made in runs {
            if !self.runs(made.node) {
                continue;
            }
            let peers: Vec<NodeId> = self
                .connections_of(made.node)
                .iter()
                .map(|(peer, _)| *peer)
                .collect();
            self.touched[fault].forged += peers.len() as u64;
            self.send(made.node, &peers, Frame::Changesets(vec![made.run]));
        }
        self.schedule.after(AGAIN_MS, Event::FaultGoesOn(fault));
    }

    /// Some store took a site up to `head`: hand-made changesets among it count from now on.
    pub(super) fn note_taken(&mut self, site: SiteId, head: Seq) {
        self.note_branch_taken(site, head);
        let Some(made) = self
            .hand_made
            .iter()
            .find(|made| made.run.site == site && made.role.is_some())
        else {
            return;
        };
        let now_ms = self.schedule.now_ms();
        let from = self.oracle.head(site).0;
        for (body, seq) in made.run.bodies.iter().zip(1..=head.0).skip(from as usize) {
            if let Some(role) = made.role {
                self.oracle
                    .note_hand_made(made.node, role, (site, Seq(seq)), body, now_ms);
            }
        }
    }

    /// The branch that the hub is shown counts as soon as anybody has taken either: the hub has it in a moment.
    fn note_branch_taken(&mut self, site: SiteId, head: Seq) {
        let found = self
            .two_branches
            .iter_mut()
            .find(|branches| branches.run.site == site);
        let Some(branches) = found else { return };
        branches.other_is_taken |= head == branches.other.last();
        let (node, role, run) = (branches.node, branches.role, branches.run.clone());
        let now_ms = self.schedule.now_ms();
        let from = self.oracle.head(site).0;
        for (body, seq) in run.bodies.iter().zip(1..).skip(from as usize) {
            self.oracle
                .note_hand_made(node, role, (site, Seq(seq)), body, now_ms);
        }
    }
}
