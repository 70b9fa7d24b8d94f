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
use sync_protocol::have::{Range, Scope, SiteHave};
use sync_protocol::id::{NodeId, SiteId};
use sync_protocol::peer::{PageTaken, Peer, Refusal};
use sync_protocol::snapshot::{Need, Page};
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

    /// Of whom to gather a snapshot, and where to go on. The hub gathers none.
    fn begin_snapshot(&mut self, _servers: &[NodeId]) -> Option<(NodeId, Need)> {
        None
    }

    /// Writes a page of a snapshot, and takes over one that is complete. Returns what is to be told of it, and which
    /// sites begin elsewhere then.
    fn take_page(&mut self, _peer: NodeId, _page: Page) -> (PageTaken, Vec<(SiteId, SiteHave)>) {
        (PageTaken::NotNow, Vec::new())
    }

    /// Takes over what is left of a snapshot that is proven: a crash came in between.
    fn finish_snapshot(&mut self) -> Vec<(SiteId, SiteHave)> {
        Vec::new()
    }

    /// Reads a page of a snapshot for a peer. The hub serves the logs themselves.
    fn serve_page(&mut self, _scope: Scope, _need: &Need) -> Option<Page> {
        None
    }

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
