//! Every changeset that was ever seen, by a fingerprint of its log up to it: what tells that two nodes hold
//! different changesets under one name.

use std::collections::BTreeMap;

use sync_protocol::changeset::Head;
use sync_protocol::id::SiteId;

/// Stands for a changeset that was not seen.
const UNSEEN: u64 = 0;

/// Per site, for each changeset from the first on, eight bytes of its chain hash: two different logs share them once
/// in 2^64. Large networks have millions of changesets.
#[derive(Debug, Default)]
pub(super) struct Logs(BTreeMap<SiteId, Vec<u64>>);

impl Logs {
    /// Meets a changeset. Returns whether it is the one known by this name, or the first one.
    pub(super) fn meet(&mut self, site: SiteId, head: &Head) -> bool {
        let Some(place) = head
            .seq
            .0
            .checked_sub(1)
            .and_then(|place| usize::try_from(place).ok())
        else {
            return false;
        };
        let mut first = [0; 8];
        first.copy_from_slice(&head.chain.0[..8]);
        let fingerprint = u64::from_le_bytes(first).max(UNSEEN + 1);
        let log = self.0.entry(site).or_default();
        if log.len() <= place {
            log.resize(place + 1, UNSEEN);
        }
        let known = &mut log[place];
        if *known == UNSEEN {
            *known = fingerprint;
        }
        *known == fingerprint
    }

    /// How many sites there are.
    #[must_use]
    pub(super) fn sites(&self) -> usize {
        self.0.len()
    }

    /// How many changesets there are.
    #[must_use]
    pub(super) fn changesets(&self) -> usize {
        let logs = self.0.values();
        logs.map(|log| log.iter().filter(|seen| **seen != UNSEEN).count())
            .sum()
    }
}
