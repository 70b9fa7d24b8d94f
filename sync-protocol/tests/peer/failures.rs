//! What goes wrong between honest nodes: failing stores, dead links, pruned logs.

use sync_protocol::changeset::{RunError, SiteRole};
use sync_protocol::id::{NodeId, SiteId};
use sync_protocol::peer::{Input, Output, Refusal};
use sync_protocol::wire::Frame;

use crate::journal::{Journal, Writer};
use crate::network::{Faults, HUB, Network, code};
use crate::solo::{Solo, ingests, needs};

const GATE: NodeId = NodeId(1);
const SITE: SiteId = SiteId([5; 16]);

#[test]
fn a_changeset_whose_ingest_failed_is_asked_for_and_delivered_again() {
    for (faults, within_ms) in [
        (
            Faults {
                refuse: 1_000,
                ..Faults::default()
            },
            4_000,
        ),
        (
            Faults {
                forget: 1_000,
                ..Faults::default()
            },
            14_000,
        ),
    ] {
        let mut network = Network::terminal(1, 2);
        network.run_for(2_000);
        network.faults = faults;
        network.commit(GATE, 50);
        network.run_for(500);
        assert!(!network.is_level());
        network.faults = Faults::default();
        let end_ms = network.now_ms + within_ms;
        assert!(network.run_until(end_ms, Network::is_level), "{faults:?}");
        network.assert_exactly_once();
    }
}

#[test]
fn a_run_that_arrives_again_after_a_refusal_is_handed_over_again() {
    let mut solo = Solo::new(GATE);
    solo.connect(NodeId(2));
    let run = Writer::new(NodeId(2), SiteRole::Gate(code("A")), 1).write(&[10]);
    let push = Frame::Changesets(vec![run.clone()]);
    assert_eq!(ingests(&solo.frame(NodeId(2), push.clone())), [(1, 1)]);
    assert!(
        ingests(&solo.frame(NodeId(2), push.clone())).is_empty(),
        "it is with the store"
    );
    solo.input(Input::IngestRefused {
        peer: NodeId(2),
        site: run.site,
        reason: Refusal::NotNow,
        have: None,
    });
    assert_eq!(ingests(&solo.frame(NodeId(2), push)), [(1, 1)]);
    assert_eq!(solo.stats(NodeId(2)).duplicate_runs, 1);
}

#[test]
fn an_unanswered_request_goes_to_another_holder() {
    let mut solo = Solo::new(GATE);
    solo.connect(NodeId(2));
    solo.connect(NodeId(3));
    let asked = needs(&solo.offer(NodeId(2), SITE, 9));
    assert_eq!(
        (asked[0].0, asked[0].1.first.0, asked[0].1.last.0),
        (NodeId(2), 1, 9)
    );
    assert!(needs(&solo.offer(NodeId(3), SITE, 9)).is_empty(), "one at a time");
    let again = needs(&solo.wait(2_300));
    assert_eq!(again[0].0, NodeId(3));
    assert_eq!(solo.stats(NodeId(2)).requests_expired, 1);
}

#[test]
fn the_hub_asks_one_gate_for_what_all_have() {
    let mut solo = Solo::new(HUB);
    let gates: Vec<NodeId> = (1..=20).map(NodeId).collect();
    gates.iter().for_each(|gate| solo.connect(*gate));
    let asked: usize = gates
        .iter()
        .map(|gate| needs(&solo.offer(*gate, SITE, 9)).len())
        .sum();
    assert_eq!(asked, 1);
}

#[test]
fn a_silent_peer_is_not_asked() {
    let mut solo = Solo::new(GATE);
    solo.connect(NodeId(2));
    solo.offer(NodeId(2), SITE, 9);
    assert_eq!(
        needs(&solo.wait(5_000)).len(),
        1,
        "asked again while it may be there"
    );
    assert_eq!(solo.peer.live_peers().count(), 1);
    assert!(needs(&solo.wait(20_000)).is_empty(), "not any more");
    assert_eq!(solo.peer.live_peers().count(), 0);
    solo.frame(NodeId(2), Frame::Heartbeats(Vec::new()));
    assert_eq!(needs(&solo.wait(500)).len(), 1, "heard again, asked again");
}

#[test]
fn fresh_changes_do_not_wait_behind_a_backlog() {
    let mut solo = Solo::new(GATE);
    solo.connect(NodeId(2));
    let backlog = needs(&solo.offer(NodeId(2), SITE, 1_000_000));
    assert!(backlog[0].2 <= 256 << 10);
    let fresh = needs(&solo.offer(NodeId(2), SiteId([6; 16]), 1));
    assert_eq!(fresh.len(), 1, "asked for at once");
}

#[test]
fn runs_that_overtake_each_other_wait_for_the_gap_to_close() {
    let mut solo = Solo::new(GATE);
    solo.connect(NodeId(2));
    let mut writer = Writer::new(NodeId(2), SiteRole::Gate(code("A")), 1);
    let mut journal = Journal::default();
    let runs = [writer.write(&[1]), writer.write(&[1]), writer.write(&[1, 1])];
    let early = solo.frame(
        NodeId(2),
        Frame::Changesets(vec![runs[2].clone(), runs[1].clone()]),
    );
    assert!(ingests(&early).is_empty());
    let asked = needs(&early);
    assert_eq!(
        (asked[0].1.first.0, asked[0].1.last.0),
        (1, 1),
        "only what is missing"
    );
    let mut due = ingests(&solo.frame(NodeId(2), Frame::Changesets(vec![runs[0].clone()])));
    for (run, expected) in runs.iter().zip([(1, 1), (2, 2), (3, 4)]) {
        assert_eq!(due, [expected]);
        let have = journal.ingest(run).unwrap();
        let outputs = solo.input(Input::Ingested { site: run.site, have });
        assert!(needs(&outputs).is_empty());
        due = ingests(&outputs);
    }
    assert!(due.is_empty());
}

#[test]
fn a_gap_is_asked_for_from_the_durable_head() {
    let mut solo = Solo::new(GATE);
    solo.connect(NodeId(2));
    let mut writer = Writer::new(NodeId(2), SiteRole::Gate(code("A")), 1);
    let mut journal = Journal::default();
    let have = journal.ingest(&writer.write(&[1])).unwrap();
    let run = writer.write(&[1, 1]);
    solo.input(Input::Ingested { site: run.site, have });
    let mut gapped = run.clone();
    gapped.bodies.remove(0);
    gapped.first = gapped.first.next();
    let asked = needs(&solo.frame(NodeId(2), Frame::Changesets(vec![gapped])));
    assert_eq!((asked[0].1.first.0, asked[0].1.last.0), (2, 2));
    assert_eq!(
        ingests(&solo.frame(NodeId(2), Frame::Changesets(vec![run.clone()]))),
        [(2, 3)]
    );
    let reason = Refusal::Run(RunError::Signature);
    let (peer, site, have) = (NodeId(2), run.site, Some(have));
    let refused = solo.input(Input::IngestRefused {
        peer,
        site,
        reason,
        have,
    });
    assert_eq!(
        ingests(&refused),
        [(3, 3)].into_iter().filter(|_| false).collect::<Vec<_>>()
    );
    assert!(
        needs(&solo.wait(5_000)).is_empty(),
        "not asked of the same peer for a while"
    );
}

#[test]
fn the_designated_gate_is_replaced() {
    let mut network = Network::terminal(1, 3);
    network.run_for(2_000);
    network.disconnect(HUB, GATE);
    network.commit(HUB, 10);
    let end_ms = network.now_ms + 10;
    assert!(
        network.run_until(end_ms, Network::is_level),
        "gate 2 after a disconnect of gate 1"
    );

    let mut network = Network::terminal(1, 3);
    network.run_for(2_000);
    network.cut(HUB, GATE);
    network.run_for(6_000);
    network.commit(HUB, 10);
    let end_ms = network.now_ms + 10;
    assert!(
        network.run_until(end_ms, Network::is_level),
        "gate 2 after gate 1 fell silent"
    );
}

#[test]
fn a_link_that_works_one_way_only_is_cut_and_relayed_around() {
    let mut network = Network::terminal(4, 4);
    network.run_for(2_000);
    network.cut.insert((GATE, HUB));
    network.run_for(6_000);
    let heard: Vec<NodeId> = network.node(HUB).peer.live_peers().collect();
    assert_eq!(heard, [2, 3, 4].map(NodeId));
    network.commit(GATE, 10);
    network.commit(HUB, 10);
    let end_ms = network.now_ms + 3_000;
    assert!(network.run_until(end_ms, Network::is_level));
}

#[test]
fn a_pruned_log_is_served_by_who_still_has_it() {
    let mut network = Network::terminal(2, 3);
    (0..20).for_each(|_| network.commit(GATE, 10));
    network.run_for(3_000);
    let site = network.node(GATE).writer.site;
    for pruned in [GATE, NodeId(2), HUB] {
        let have = network
            .node_mut(pruned)
            .journal
            .prune(site, sync_protocol::id::Seq(15));
        network.input(pruned, Input::Ingested { site, have });
    }
    network.add(NodeId(4), Some(code("A")));
    for other in [GATE, NodeId(2), NodeId(3), HUB] {
        network.connect(other, NodeId(4));
    }
    let end_ms = network.now_ms + 3_000;
    assert!(network.run_until(end_ms, Network::is_level));
    network.assert_exactly_once();
}

#[test]
fn a_restored_disk_takes_its_own_older_log_back() {
    let mut network = Network::terminal(2, 3);
    (0..20).for_each(|_| network.commit(GATE, 10));
    network.run_for(3_000);
    let old_site = network.node(GATE).writer.site;
    network.add(GATE, Some(code("A")));
    network.node_mut(GATE).writer = Writer::new(GATE, SiteRole::Gate(code("A")), 2);
    for other in [NodeId(2), NodeId(3), HUB] {
        network.connect(GATE, other);
    }
    network.commit(GATE, 10);
    network.run_for(3_000);
    assert!(network.is_level());
    assert_eq!(
        network.node(GATE).journal.site_have(old_site).unwrap().head.seq.0,
        20
    );
}

#[test]
fn heartbeats_travel_one_relay_and_only_when_genuine() {
    let mut network = Network::terminal(3, 4);
    network.run_for(2_000);
    network.cut(GATE, HUB);
    network.start_beats();
    network.run_for(30_000);
    let heard_by = |node: NodeId, author: NodeId| {
        let beats = network
            .node(node)
            .heard
            .iter()
            .filter(|(_, beat)| beat.node == author);
        beats.count()
    };
    assert!(
        heard_by(HUB, GATE) > 0,
        "the hub hears gate 1 through a neighbour"
    );
    assert!(
        heard_by(GATE, HUB) > 0,
        "gate 1 hears the hub through a neighbour"
    );

    let mut solo = Solo::new(NodeId(2));
    [HUB, GATE, NodeId(3)]
        .into_iter()
        .for_each(|peer| solo.connect(peer));
    let beat = network.beat_of(GATE);
    let outputs = solo.frame(GATE, Frame::Heartbeats(vec![beat.clone()]));
    assert!(
        matches!(outputs[..], [Output::Heard { .. }]),
        "nothing is relayed before it is verified"
    );
    assert!(solo.input(Input::BeatRefused { peer: GATE }).is_empty());
    let peer = GATE;
    let relayed = solo.input(Input::BeatVerified {
        peer,
        beat: beat.clone(),
    });
    assert!(matches!(&relayed[..], [Output::Send { to, .. }] if to[..] == [HUB]));
    assert!(
        solo.frame(NodeId(3), Frame::Heartbeats(vec![beat])).is_empty(),
        "no news"
    );
    assert_eq!(solo.stats(NodeId(3)).stale_beats, 1);
}
