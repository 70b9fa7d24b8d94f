//! Which nodes to keep links to: the configured ones, and the gates of the terminal that the `gates` table names with
//! an address. One seed address is enough to join. And which keys to keep links to no more, by the hub's word in
//! `system_config`, whatever way that came.

use std::collections::BTreeSet;

use sync_protocol::changeset::{PublicKey, Trust};
use sync_protocol::judge::REVOKED_PREFIX;
use sync_shell::identity::hexadecimal;

use super::{Effect, Node};
use crate::clock::Moment;
use crate::config::is_address;
use crate::store::{Store, StoreError};

/// Most addresses taken from the `gates` table.
pub(super) const ROSTER_MAX: usize = 256;

/// Most revoked keys taken from the `system_config` table.
const REVOKED_MAX: usize = 65_536;

/// The keys that the hub has revoked, as far as this gate knows.
///
/// # Errors
/// The database failed.
pub fn revoked_keys(store: &Store) -> Result<BTreeSet<PublicKey>, StoreError> {
    let named = store.revocations(REVOKED_MAX)?;
    let key = |name: &String| hexadecimal(name.strip_prefix(REVOKED_PREFIX)?).map(PublicKey);
    Ok(named.iter().filter_map(key).collect())
}

/// Where other nodes are.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    configured: BTreeSet<String>,
    /// Where other gates reach this one, to be told to them.
    advertised: Option<String>,
    targets: Option<BTreeSet<String>>,
    /// Keys that link no more.
    revoked: BTreeSet<PublicKey>,
    stale: bool,
}

impl Roster {
    /// The roster as configured: the hub and neighbours, and where other gates reach this one.
    #[must_use]
    pub fn new(mut configured: BTreeSet<String>, advertised: Option<String>) -> Roster {
        // One list of neighbours may serve all gates of a terminal.
        configured.retain(|address| Some(address) != advertised.as_ref());
        Roster {
            configured,
            advertised,
            targets: None,
            revoked: BTreeSet::new(),
            stale: true,
        }
    }

    /// Rows of replicated tables may have changed.
    pub(super) const fn rows_changed(&mut self) {
        self.stale = true;
    }
}

impl<T: Trust> Node<T> {
    /// Reads the table after it changed, and tells whom to keep links to when that is others than before.
    pub(super) fn look_at_roster(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        if !self.roster.stale {
            return;
        }
        self.advertise(now, effects);
        let gate = self.store.gate();
        let named = match self.store.gate_addresses(gate.terminal, ROSTER_MAX) {
            Ok(named) => named,
            Err(error) => return self.store_failed(now, "reading the gates table", &error),
        };
        let revoked = match revoked_keys(&self.store) {
            Ok(revoked) => revoked,
            Err(error) => return self.store_failed(now, "reading the revoked keys", &error),
        };
        self.roster.stale = false;
        if self.roster.revoked != revoked {
            effects.push(Effect::Revoked(revoked.clone()));
            self.roster.revoked = revoked;
        }
        let mut targets = self.roster.configured.clone();
        targets.extend(named.into_iter().filter(|address| is_address(address)));
        if self.roster.targets.as_ref() != Some(&targets) {
            effects.push(Effect::Targets(targets.clone()));
            self.roster.targets = Some(targets);
        }
    }

    /// Tells others where this gate is, once the hub has given it a row.
    fn advertise(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let Some(address) = self.roster.advertised.clone() else {
            return;
        };
        let gate = self.store.gate().id;
        let wall_ms = now.wall_ms.max(self.stated().ms.saturating_add(1));
        match self.store.set_gate_address(gate, &address, wall_ms) {
            Ok(run) => self.give(now, run, effects),
            Err(error) => self.store_failed(now, "telling this gate's address in the gates table", &error),
        }
    }
}
