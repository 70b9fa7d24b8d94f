//! This node's own log: one new site at every start, opened by its first commit.

use bytes::Bytes;
use rusqlite::{Connection, params};
use sync_protocol::changeset::{
    Body, Change, Content, Head, PublicKey, Run, Signature, Signer, SiteOpen, SiteRole,
};
use sync_protocol::id::{FactId, NodeId, Seq, SiteId, TerminalCode};
use sync_protocol::time::Stamp;

use super::error::Fault;
use super::sites::{Ordinal, Site, Sites, integer};
use super::sql;

/// Most bytes of own bodies that wait to be handed out in one run, so that a frame holds it. What waits when more
/// come is left to the peers to ask for.
const UNSENT_BYTES_MAX: usize = 256 << 10;

/// What this start of the node signs with and states about itself.
pub(super) struct Writer {
    pub(super) site: SiteId,
    node: NodeId,
    role: SiteRole,
    pub(super) key: PublicKey,
    signer: Box<dyn Signer + Send>,
    random: [u8; 16],
    certificate: Vec<u8>,
    /// The last stamp given.
    pub(super) last: Stamp,
    unsent: Unsent,
}

/// Own changesets that are durable and were not handed out yet.
#[derive(Default)]
struct Unsent {
    first: Seq,
    bodies: Vec<Bytes>,
    bytes: usize,
}

/// Where the next own changeset stands.
pub(super) struct Place {
    /// The site, as the tables know it or will.
    pub(super) site: Site,
    /// The change that opens it, before the first changeset.
    pub(super) open: Option<Change>,
}

impl Writer {
    pub(super) fn new(
        node: NodeId,
        terminal: TerminalCode,
        signer: Box<dyn Signer + Send>,
        random: [u8; 16],
        certificate: Vec<u8>,
    ) -> Writer {
        let key = signer.public_key();
        Writer {
            site: SiteId::derive(&key.0, &random),
            node,
            role: SiteRole::Gate(terminal),
            key,
            signer,
            random,
            certificate,
            last: Stamp::default(),
            unsent: Unsent::default(),
        }
    }

    /// Where the next changeset stands.
    pub(super) fn place(&self, sites: &Sites) -> Place {
        if let Some(site) = sites.get(self.site) {
            return Place {
                site: *site,
                open: None,
            };
        }
        let open = SiteOpen {
            node: self.node,
            role: self.role,
            public_key: self.key,
            random: self.random,
            certificate: self.certificate.clone(),
            previous: sites
                .own()
                .find(|site| site.head.seq > Seq::NONE)
                .map(|site| (site.id, site.head)),
        };
        let site = Site {
            ordinal: sites.next_ordinal(),
            id: self.site,
            role: self.role,
            node: self.node,
            key: self.key,
            own: true,
            floor: Head::empty(self.site),
            head: Head::empty(self.site),
            journal_bytes: 0,
            stamp: Stamp::default(),
            arrival: 0,
        };
        Place {
            site,
            open: Some(Change::new(&Content::SiteOpen(Box::new(open)))),
        }
    }

    /// Signs a head of a site that this node wrote with this key.
    pub(super) fn sign(&self, site: SiteId, head: &Head) -> Signature {
        self.signer.sign(&head.signed_message(site))
    }

    /// Notes a durable changeset that is to be handed out.
    pub(super) fn keep_for_run(&mut self, seq: Seq, body: Bytes) {
        let unsent = &mut self.unsent;
        if unsent.bytes + body.len() > UNSENT_BYTES_MAX {
            *unsent = Unsent::default();
        }
        if unsent.bodies.is_empty() {
            unsent.first = seq;
        }
        unsent.bytes += body.len();
        unsent.bodies.push(body);
    }

    /// All that was not handed out yet, up to a signed head.
    pub(super) fn take_run(&mut self, signature: Signature) -> Option<Run> {
        let unsent = std::mem::take(&mut self.unsent);
        (!unsent.bodies.is_empty()).then_some(Run {
            site: self.site,
            first: unsent.first,
            bodies: unsent.bodies,
            signature,
        })
    }
}

impl Place {
    /// The id of the change that will stand at `offset` among the given ones.
    pub(super) fn fact_id(&self, offset: usize) -> FactId {
        let index = offset + usize::from(self.open.is_some());
        FactId {
            site: self.site.id,
            seq: self.site.head.seq.next(),
            index: u16::try_from(index).expect("BUG: a changeset has few changes"),
        }
    }

    /// The encoded changeset that stands here.
    pub(super) fn body(&self, at: Stamp, changes: impl IntoIterator<Item = Change>) -> Result<Bytes, Fault> {
        let body = Body {
            at,
            changes: self.open.iter().cloned().chain(changes).collect(),
        };
        Ok(body.encode()?)
    }
}

/// Appends an own body to the journal.
pub(super) fn append_body(
    connection: &Connection,
    site: Ordinal,
    seq: Seq,
    body: &Bytes,
    signature: Option<&Signature>,
) -> Result<(), Fault> {
    connection.prepare_cached(sql::JOURNAL_INSERT)?.execute(params![
        site,
        integer(seq),
        body.as_ref(),
        signature.map(|signature| signature.0.as_slice())
    ])?;
    Ok(())
}
