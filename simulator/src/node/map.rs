//! Things by node: found by the node's number at once, and walked through in the order of the numbers.
//!
//! A network numbers its nodes from 0, the hub, without large gaps, so a list with a place for each is small.

use std::ops::{Bound, Index, RangeBounds};

use sync_protocol::id::NodeId;

/// At most one thing per node.
#[derive(Clone, Debug)]
pub struct NodeMap<T> {
    places: Vec<Option<(NodeId, T)>>,
    count: usize,
}

impl<T> Default for NodeMap<T> {
    fn default() -> NodeMap<T> {
        NodeMap {
            places: Vec::new(),
            count: 0,
        }
    }
}

impl<T> NodeMap<T> {
    /// How many nodes have one.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether no node has one.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// A node's.
    #[must_use]
    pub fn get(&self, node: &NodeId) -> Option<&T> {
        let (_, thing) = self.places.get(node.0 as usize)?.as_ref()?;
        Some(thing)
    }

    /// A node's, to be changed.
    pub fn get_mut(&mut self, node: &NodeId) -> Option<&mut T> {
        let (_, thing) = self.places.get_mut(node.0 as usize)?.as_mut()?;
        Some(thing)
    }

    /// Whether a node has one.
    #[must_use]
    pub fn contains_key(&self, node: &NodeId) -> bool {
        self.get(node).is_some()
    }

    /// Gives a node one. Returns what it had.
    pub fn insert(&mut self, node: NodeId, thing: T) -> Option<T> {
        let place = node.0 as usize;
        if self.places.len() <= place {
            self.places.resize_with(place + 1, || None);
        }
        let before = self.places[place].replace((node, thing));
        self.count += usize::from(before.is_none());
        before.map(|(_, thing)| thing)
    }

    /// Takes a node's away.
    pub fn remove(&mut self, node: &NodeId) -> Option<T> {
        let (_, thing) = self.places.get_mut(node.0 as usize)?.take()?;
        self.count -= 1;
        Some(thing)
    }

    /// All, by the nodes' numbers.
    pub fn iter(&self) -> impl Iterator<Item = (&NodeId, &T)> + Clone {
        self.places.iter().flatten().map(|(node, thing)| (node, thing))
    }

    /// All, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&NodeId, &mut T)> {
        self.places
            .iter_mut()
            .flatten()
            .map(|(node, thing)| (&*node, thing))
    }

    /// The nodes that have one.
    pub fn keys(&self) -> impl Iterator<Item = &NodeId> + Clone {
        self.iter().map(|(node, _)| node)
    }

    /// What they have.
    pub fn values(&self) -> impl Iterator<Item = &T> + Clone {
        self.iter().map(|(_, thing)| thing)
    }

    /// What they have, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.iter_mut().map(|(_, thing)| thing)
    }

    /// What nodes with numbers in a range have.
    pub fn range(&self, nodes: impl RangeBounds<NodeId>) -> impl Iterator<Item = (&NodeId, &T)> + Clone {
        let place = |bound: Bound<&NodeId>, if_included: usize, if_excluded: usize, if_unbounded: usize| {
            let place = match bound {
                Bound::Included(node) => node.0 as usize + if_included,
                Bound::Excluded(node) => node.0 as usize + if_excluded,
                Bound::Unbounded => if_unbounded,
            };
            place.min(self.places.len())
        };
        let first = place(nodes.start_bound(), 0, 1, 0);
        let end = place(nodes.end_bound(), 1, 0, usize::MAX);
        let range = &self.places[first..end.max(first)];
        range.iter().flatten().map(|(node, thing)| (node, thing))
    }
}

impl<T> Index<&NodeId> for NodeMap<T> {
    type Output = T;

    fn index(&self, node: &NodeId) -> &T {
        self.get(node).expect("BUG: only nodes that have one are asked")
    }
}

impl<T> FromIterator<(NodeId, T)> for NodeMap<T> {
    fn from_iter<I: IntoIterator<Item = (NodeId, T)>>(things: I) -> NodeMap<T> {
        let mut map = NodeMap::default();
        for (node, thing) in things {
            map.insert(node, thing);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::random::Stream;

    #[test]
    fn it_is_a_map_in_the_order_of_numbers() {
        let mut stream = Stream::new(1, "nodes");
        let (mut map, mut plain) = (NodeMap::default(), BTreeMap::new());
        for step in 0..2_000_u32 {
            let node = NodeId(u32::try_from(stream.below(40)).unwrap());
            if stream.chance(600) {
                assert_eq!(map.insert(node, step), plain.insert(node, step));
            } else {
                assert_eq!(map.remove(&node), plain.remove(&node));
            }
            if let Some(thing) = map.get_mut(&node) {
                *thing += 1;
                *plain.get_mut(&node).unwrap() += 1;
            }
            assert_eq!((map.len(), map.get(&node)), (plain.len(), plain.get(&node)));
            assert!(map.iter().eq(plain.iter()) && map.is_empty() == plain.is_empty());
            assert!(map.range(node..).eq(plain.range(node..)));
            assert!(map.range(..node).eq(plain.range(..node)));
            assert!(
                map.range(NodeId(5)..=node.max(NodeId(5)))
                    .eq(plain.range(NodeId(5)..=node.max(NodeId(5))))
            );
        }
        assert!(map.iter_mut().map(|(node, _)| *node).eq(plain.keys().copied()));
        assert!(map.keys().eq(plain.keys()) && map.values().eq(plain.values()));
    }
}
