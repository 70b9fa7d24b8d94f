//! The nodes of a simulated network: the production store or ledger, and the production sync engine, with virtual
//! time and wires around them.

pub mod gate;
pub mod hub;
pub(crate) mod keeping;
pub mod machine;
pub mod map;
pub mod model;
pub mod store;
pub mod wall_clock;

use sync_protocol::changeset::{Head, Run, Signature, Signer};
use sync_protocol::have::{Range, SiteHave};
use sync_protocol::id::{NodeId, SiteId};
use sync_protocol::peer::{Peer, Refusal};
use sync_protocol::time::Stamp;
use sync_protocol::wire::Heartbeat;

/// What became of a run: its site and what is durably held of it, or why it was not taken and what is held.
pub type Taken = Result<(SiteId, SiteHave), (Refusal, Option<SiteHave>)>;

/// What the world needs of any node to carry out what its sync engine puts out.
pub trait Shell {
    /// The sync engine.
    fn peer(&mut self) -> &mut Peer;

    /// Verifies and appends a run. Returns the site and what is durably held of it.
    ///
    /// # Errors
    /// Why it was not taken, and what is held of the site.
    fn ingest(&mut self, now_ms: i64, run: &Run) -> Taken;

    /// Reads a piece of a log for a peer.
    fn serve(&mut self, range: Range, bytes_max: usize) -> Option<Run>;

    /// Takes note of a genuine heartbeat.
    fn heard(&mut self, now_ms: i64, beat: &Heartbeat, from: NodeId);

    /// The node's own heartbeat.
    fn beat(&mut self, now_ms: i64) -> Heartbeat;
}

/// A heartbeat in the node's own hand.
fn signed_beat(node: NodeId, sites: Vec<(SiteId, Head)>, t: Stamp, signer: &impl Signer) -> Heartbeat {
    let mut beat = Heartbeat {
        node,
        key: signer.public_key(),
        sites,
        t,
        signature: Signature([0; 64]),
    };
    beat.signature = signer.sign(&beat.signed_message());
    beat
}

/// Hashes settled cards alike on gates and at the hub.
fn settled_hasher() -> blake3::Hasher {
    blake3::Hasher::new_derive_key("gate sync 2026 simulator settled cards")
}
