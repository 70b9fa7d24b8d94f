//! This node's own log: one new site at every start, opened by its first commit.

use bytes::Bytes;
use rusqlite::{Connection, params};
use sync_protocol::changeset::{Body, Change, Content, Head, PublicKey, Run, Signer, SiteOpen, SiteRole};
use sync_protocol::id::{FactId, NodeId, Seq, SiteId, TerminalCode};
use sync_protocol::time::Stamp;

use super::error::Fault;
use super::sites::{Site, Sites, integer};
use super::sql;

/// What this start of the node signs with and states about itself.
pub(super) struct Writer {
    pub(super) site: SiteId,
    node: NodeId,
    role: SiteRole,
    key: PublicKey,
    signer: Box<dyn Signer + Send>,
    random: [u8; 16],
    certificate: Vec<u8>,
    /// The last stamp given.
    pub(super) last: Stamp,
}

/// A changeset appended in a transaction that is not committed yet.
pub(super) struct Appended {
    /// The site as it is once committed.
    pub(super) site: Site,
    /// For the peers, once committed.
    pub(super) run: Run,
}

/// Where the next own changeset stands.
pub(super) struct Place {
    /// The site, as the tables know it or will.
    pub(super) site: Site,
    /// The change that opens it, before the first changeset.
    open: Option<Change>,
}

impl Writer {
    pub(super) fn new(
        node: NodeId,
        terminal: TerminalCode,
        signer: Box<dyn Signer + Send>,
        random: [u8; 16],
        certificate: Vec<u8>,
        sites: &Sites,
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
            last: sites.own().map(|site| site.stamp).max().unwrap_or_default(),
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
            previous: sites.own().next().map(|site| (site.id, site.head)),
        };
        let site = Site {
            ordinal: sites.next_ordinal(),
            id: self.site,
            role: self.role,
            node: self.node,
            key: self.key,
            own: true,
            floor: Seq::NONE,
            head: Head::empty(self.site),
            stamp: Stamp::default(),
            arrival: 0,
        };
        Place {
            site,
            open: Some(Change::new(&Content::SiteOpen(Box::new(open)))),
        }
    }

    /// Signs one changeset at `place` and appends it: journal and head. `last` is the time of its last change,
    /// `arrival` the highest arrival number so far.
    pub(super) fn append(
        &self,
        transaction: &Connection,
        place: Place,
        at: Stamp,
        changes: Vec<Change>,
        last: Stamp,
        arrival: i64,
    ) -> Result<Appended, Fault> {
        let opens = place.open.is_some();
        let body = Body {
            at,
            changes: place.open.into_iter().chain(changes).collect(),
        };
        let body = body.encode()?;
        let head = place.site.head.then(&body);
        let signature = self.signer.sign(&head.signed_message(self.site));
        let site = Site {
            head,
            stamp: last,
            arrival,
            ..place.site
        };
        if opens {
            site.insert(transaction)?;
        } else {
            site.advance(transaction)?;
        }
        insert_body(transaction, &site, head.seq, &body, Some(&signature.0))?;
        let run = Run {
            site: self.site,
            first: head.seq,
            bodies: vec![body],
            signature,
        };
        Ok(Appended { site, run })
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
}

/// Appends one body to the journal.
pub(super) fn insert_body(
    transaction: &Connection,
    site: &Site,
    seq: Seq,
    body: &Bytes,
    signature: Option<&[u8; 64]>,
) -> Result<(), Fault> {
    transaction.prepare_cached(sql::JOURNAL_INSERT)?.execute(params![
        site.ordinal,
        integer(seq),
        body.as_ref(),
        signature.map(|bytes| bytes.as_slice())
    ])?;
    Ok(())
}
