use super::*;

fn network() -> Network {
    let terminal = |code: &str| code.parse().unwrap();
    let gates = [
        (NodeId(1), terminal("A")),
        (NodeId(2), terminal("A")),
        (NodeId(3), terminal("B")),
    ];
    Network::new(gates.into_iter(), Stream::new(1, "network"))
}

#[test]
fn gates_hear_their_terminal_and_the_hub() {
    let links: Vec<_> = network().links().map(Link::ends).collect();
    let node = NodeId;
    assert_eq!(
        links,
        [
            [node(0), node(1)],
            [node(0), node(2)],
            [node(0), node(3)],
            [node(1), node(2)]
        ]
    );
}

#[test]
fn a_link_cut_twice_heals_with_the_second_heal() {
    let mut network = network();
    let links = BTreeSet::from([Link::between(NodeId(1), NodeId::HUB)]);
    assert_eq!(network.cut(7, &links).len(), 1);
    assert_eq!(network.cut(9, &links).len(), 0);
    assert_eq!(
        network.cut_since_ms(Link::between(NodeId(1), NodeId::HUB)),
        Some(7)
    );
    assert!(network.arrivals(9, NodeId(1), NodeId::HUB, 100).next().is_none());
    assert_eq!(network.heal(&links).len(), 0);
    assert_eq!(network.heal(&links).len(), 1);
    assert_eq!(network.arrivals(9, NodeId(1), NodeId::HUB, 100).count(), 1);
    assert_eq!(network.counts(&links).lost, 1);
}

#[test]
fn frames_of_one_direction_arrive_in_order() {
    let mut network = network();
    let arrivals: Vec<i64> = (0..500)
        .flat_map(|now_ms| network.arrivals(now_ms, NodeId(1), NodeId::HUB, 100))
        .collect();
    assert!(arrivals.is_sorted());
}

#[test]
fn one_way_loses_the_frames_of_one_direction_only() {
    let mut network = network();
    network.block((NodeId(1), NodeId::HUB));
    assert!(network.arrivals(0, NodeId(1), NodeId::HUB, 100).next().is_none());
    assert_eq!(network.arrivals(0, NodeId::HUB, NodeId(1), 100).count(), 1);
    assert!(!network.is_passable(Link::between(NodeId(1), NodeId::HUB)));
    network.unblock((NodeId(1), NodeId::HUB));
    assert_eq!(network.arrivals(0, NodeId(1), NodeId::HUB, 100).count(), 1);
}

#[test]
fn a_slow_link_takes_its_time_and_drops_what_does_not_fit_its_queue() {
    let mut network = network();
    let link = Link::between(NodeId(1), NodeId(2));
    let bandwidth = Bandwidth {
        bytes_per_s: 1_000,
        queue_bytes: 500,
    };
    network.impair(
        link,
        Impairment {
            bandwidth: Some(bandwidth),
            ..Impairment::default()
        },
    );
    let mut send = |now_ms, bytes| {
        network
            .arrivals(now_ms, NodeId(1), NodeId(2), bytes)
            .collect::<Vec<_>>()
    };
    let alone = send(0, 2_000);
    assert!((2_000..2_010).contains(&alone[0]), "{alone:?}");
    assert!(send(0, 100).is_empty(), "2,000 bytes wait already");
    let queued = send(1_600, 100);
    assert!((2_100..2_110).contains(&queued[0]), "{queued:?}");
    assert_eq!(network.counts(&BTreeSet::from([link])).overflowed, 1);
}
