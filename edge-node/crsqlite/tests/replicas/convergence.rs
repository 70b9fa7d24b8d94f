//! Three real replicas and their shadows without SQLite, under random histories.

use proptest::prelude::*;
use proptest::sample::Index;
use sync_protocol::rows::{RowChange, RowSet};

use crate::support::{Node, TABLES, Write, live_rows, writes};

const NODES: usize = 3;

/// One thing that happens to one node.
#[derive(Clone, Debug)]
enum Event {
    Commit {
        node: usize,
        writes: Vec<Write>,
    },
    RollBack {
        node: usize,
        writes: Vec<Write>,
    },
    /// The node receives the next changeset of another.
    Deliver {
        node: usize,
        from: usize,
    },
    /// The node receives again one that it has.
    Repeat {
        node: usize,
        from: usize,
        which: Index,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let pair = || (0..NODES, 1..NODES).prop_map(|(node, step)| (node, (node + step) % NODES));
    prop_oneof![
        4 => (0..NODES, writes()).prop_map(|(node, writes)| Event::Commit { node, writes }),
        1 => (0..NODES, writes()).prop_map(|(node, writes)| Event::RollBack { node, writes }),
        4 => pair().prop_map(|(node, from)| Event::Deliver { node, from }),
        1 => (pair(), any::<Index>()).prop_map(|((node, from), which)| Event::Repeat { node, from, which }),
    ]
}

/// The nodes, the shadow of each, the journal of each, and how much of whose journal each has.
struct Network {
    nodes: [Node; NODES],
    shadows: [RowSet; NODES],
    journals: [Vec<Vec<RowChange>>; NODES],
    have: [[usize; NODES]; NODES],
}

impl Network {
    fn new() -> Network {
        Network {
            nodes: [1, 2, 3].map(Node::new),
            shadows: Default::default(),
            journals: Default::default(),
            have: Default::default(),
        }
    }

    fn handle(&mut self, event: &Event) {
        match event {
            Event::Commit { node, writes } => {
                let changes = self.nodes[*node].commit(writes);
                for change in &changes {
                    assert!(
                        self.shadows[*node].merge(change).unwrap(),
                        "a local change wins: {change}"
                    );
                }
                self.journals[*node].push(changes);
                self.check(*node);
            }
            Event::RollBack { node, writes } => {
                self.nodes[*node].roll_back(writes);
                self.check(*node);
            }
            Event::Deliver { node, from } => {
                self.deliver(*node, *from);
            }
            Event::Repeat { node, from, which } => {
                let have = self.have[*node][*from];
                if have > 0 {
                    self.apply(*node, *from, which.index(have));
                }
            }
        }
    }

    fn deliver(&mut self, node: usize, from: usize) -> bool {
        let next = self.have[node][from];
        if next == self.journals[from].len() {
            return false;
        }
        self.apply(node, from, next);
        self.have[node][from] += 1;
        true
    }

    fn apply(&mut self, node: usize, from: usize, seq: usize) {
        let changes = &self.journals[from][seq];
        let won = self.nodes[node].apply(self.nodes[from].site, changes).unwrap();
        let shadow = &mut self.shadows[node];
        let shadow_won = changes
            .iter()
            .filter(|change| shadow.merge(change).unwrap())
            .count();
        assert_eq!(
            won, shadow_won,
            "the shadow judges each change like cr-sqlite: {changes:?}"
        );
        self.check(node);
    }

    /// The shadow is what the real replica holds, at every moment.
    fn check(&self, node: usize) {
        assert!(
            self.nodes[node]
                .state()
                .into_iter()
                .eq(self.shadows[node].changes()),
            "{}",
            self.difference(node)
        );
    }

    fn difference(&self, node: usize) -> String {
        let real = self.nodes[node].state();
        let shadow: Vec<_> = self.shadows[node].changes().collect();
        let only = |left: &[RowChange], right: &[RowChange]| -> Vec<String> {
            left.iter()
                .filter(|change| !right.contains(change))
                .map(ToString::to_string)
                .collect()
        };
        format!(
            "only in SQLite: {:?}, only in the set: {:?}",
            only(&real, &shadow),
            only(&shadow, &real)
        )
    }

    /// Delivers all that is missing, in an order chosen by `order`.
    fn settle(&mut self, order: &[Index]) {
        let pairs: Vec<_> = (0..NODES)
            .flat_map(|node| (0..NODES).map(move |from| (node, from)))
            .filter(|(a, b)| a != b)
            .collect();
        for index in order {
            let (node, from) = *index.get(&pairs);
            self.deliver(node, from);
        }
        for (node, from) in pairs {
            while self.deliver(node, from) {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn replicas_and_row_sets_converge(
        events in prop::collection::vec(event(), 1..40),
        order in prop::collection::vec(any::<Index>(), 0..40),
    ) {
        let mut network = Network::new();
        events.iter().for_each(|event| network.handle(event));
        network.settle(&order);

        let expected = network.nodes[0].state();
        let digest = crsqlite::state_digest(&network.nodes[0].replica).unwrap();
        for (node, shadow) in network.nodes.iter().zip(&network.shadows) {
            prop_assert_eq!(&node.state(), &expected);
            prop_assert_eq!(crsqlite::state_digest(&node.replica).unwrap(), digest);
            prop_assert_eq!(shadow.digest(), digest);
            prop_assert_eq!(node.rows(), network.nodes[0].rows());
            for table in &TABLES {
                prop_assert_eq!(&node.rows()[table.name], &live_rows(shadow, table));
            }
        }

        // A state sent as changes makes an equal replica: this is how a new node starts.
        let late = Node::new(9);
        late.apply([1; 16], &expected).unwrap();
        prop_assert_eq!(late.state(), expected);
        prop_assert_eq!(late.rows(), network.nodes[0].rows());
    }
}
