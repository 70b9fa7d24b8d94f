//! The links of a network with something for each, found at once: a gate has few links to nodes with lower numbers.

use sync_protocol::id::NodeId;

use super::Link;

/// Links that stay the same, with something for each.
#[derive(Clone, Debug)]
pub(super) struct LinkTable<T> {
    /// By link.
    links: Vec<(Link, T)>,
    /// For each node, by number: the nodes with lower numbers that it has links to, and where they stand.
    lower: Vec<Vec<(NodeId, usize)>>,
}

impl<T: Default> LinkTable<T> {
    pub(super) fn new(links: impl Iterator<Item = Link>) -> LinkTable<T> {
        let mut links: Vec<_> = links.map(|link| (link, T::default())).collect();
        links.sort_by_key(|(link, _)| *link);
        links.dedup_by_key(|(link, _)| *link);
        let nodes = links.iter().map(|(link, _)| link.1.0 as usize + 1).max();
        let mut lower = vec![Vec::new(); nodes.unwrap_or(0)];
        for (place, (link, _)) in links.iter().enumerate() {
            lower[link.1.0 as usize].push((link.0, place));
        }
        LinkTable { links, lower }
    }

    fn place(&self, link: Link) -> Option<usize> {
        let lower = self.lower.get(link.1.0 as usize)?.iter();
        let (_, place) = lower.copied().find(|(node, _)| *node == link.0)?;
        Some(place)
    }

    pub(super) fn get(&self, link: Link) -> Option<&T> {
        Some(&self.links[self.place(link)?].1)
    }

    pub(super) fn get_mut(&mut self, link: Link) -> Option<&mut T> {
        let place = self.place(link)?;
        Some(&mut self.links[place].1)
    }

    /// All, by link.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Link, &T)> {
        self.links.iter().map(|(link, thing)| (*link, thing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_its_links_are_found() {
        let link = |a, b| Link::between(NodeId(a), NodeId(b));
        let links = [link(3, 1), link(0, 2), link(1, 0), link(2, 3), link(0, 2)];
        let mut table = LinkTable::<u32>::new(links.into_iter());
        for (number, (a, b)) in (1..).zip([(0, 1), (0, 2), (1, 3), (2, 3)]) {
            *table.get_mut(link(a, b)).unwrap() = number;
        }
        let all: Vec<_> = table.iter().map(|(link, number)| (link, *number)).collect();
        assert_eq!(
            all,
            [(link(0, 1), 1), (link(0, 2), 2), (link(1, 3), 3), (link(2, 3), 4)]
        );
        assert_eq!(table.get(link(3, 2)), Some(&4));
        assert_eq!(table.get(link(1, 2)), None);
        assert_eq!(table.get(link(0, 9)), None);
    }
}
