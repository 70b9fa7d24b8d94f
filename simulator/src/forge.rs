//! Changesets made by hand: of a newer program, of a gate whose key has fallen into wrong hands, of a hub that
//! publishes bad reference data. They travel in the frames of the node whose key signs them, on a site of their own.

pub mod content;

use bytes::Bytes;
use sync_protocol::changeset::{Body, Change, Content, Head, Run, Signer as _, SiteOpen, SiteRole};
use sync_protocol::codec;
use sync_protocol::id::{NodeId, Seq, SiteId};
use sync_protocol::time::Stamp;

use crate::trust::NodeSigner;

/// Writes one site by hand. Nothing keeps it to the limits of an honest writer.
#[derive(Clone)]
pub struct Forger {
    signer: NodeSigner,
    open: SiteOpen,
    at: Stamp,
    bodies: Vec<Bytes>,
}

impl Forger {
    /// A site that is opened as a writer of this node would open it.
    #[must_use]
    pub fn new(
        node: NodeId,
        role: SiteRole,
        signer: NodeSigner,
        certificate: Vec<u8>,
        random: [u8; 16],
        at_ms: i64,
    ) -> Forger {
        let open = SiteOpen {
            node,
            role,
            public_key: signer.public_key(),
            random,
            certificate,
            previous: None,
        };
        let opening = Change::new(&Content::SiteOpen(Box::new(open.clone())));
        let mut forger = Forger {
            signer,
            open,
            at: Stamp::at_ms(at_ms),
            bodies: Vec::new(),
        };
        forger.push(vec![opening]);
        forger
    }

    /// The site.
    #[must_use]
    pub fn site(&self) -> SiteId {
        self.open.site()
    }

    /// What it is for.
    #[must_use]
    pub const fn role(&self) -> SiteRole {
        self.open.role
    }

    /// Adds a changeset right after the last one.
    pub fn push(&mut self, changes: Vec<Change>) {
        self.push_at(self.at.ms + 1, changes);
    }

    /// Adds a changeset of another time, milliseconds since 1970.
    pub fn push_at(&mut self, at_ms: i64, changes: Vec<Change>) {
        self.at = self.at.next(at_ms);
        let body = Body { at: self.at, changes };
        self.bodies.push(codec::encode(&body).into());
    }

    /// Adds a changeset of exactly so many bytes, if there is one: `changes` makes those of about a size.
    pub fn push_sized(&mut self, bytes: usize, changes: impl Fn(usize) -> Vec<Change>) -> bool {
        self.at = self.at.next(self.at.ms + 1);
        let encoded = |padding| {
            let body = Body {
                at: self.at,
                changes: changes(padding),
            };
            codec::encode(&body)
        };
        // What stands around the padding takes a few hundred bytes at most.
        for padding in bytes.saturating_sub(1_024)..=bytes {
            let body = encoded(padding);
            if body.len() == bytes {
                self.bodies.push(body.into());
                return true;
            }
            if body.len() > bytes {
                return false;
            }
        }
        false
    }

    /// The whole log, signed.
    #[must_use]
    pub fn run(&self) -> Run {
        let site = self.site();
        let head = self
            .bodies
            .iter()
            .fold(Head::empty(site), |head, body| head.then(body));
        Run {
            site,
            first: Seq(1),
            bodies: self.bodies.clone(),
            signature: self.signer.sign(&head.signed_message(site)),
        }
    }

    /// The whole log with another last changeset than the one that is signed.
    #[must_use]
    pub fn broken_run(&self) -> Run {
        let mut run = self.run();
        let mut other = self.bodies.last().map(|body| body.to_vec()).unwrap_or_default();
        if let Some(last) = other.last_mut() {
            *last ^= 1;
        }
        if let Some(body) = run.bodies.last_mut() {
            *body = other.into();
        }
        run
    }

    /// A run that claims to continue somebody else's site, signed with this key.
    #[must_use]
    pub fn continue_site(&self, site: SiteId, head: &Head) -> Run {
        let body = self.bodies.last().cloned().unwrap_or_default();
        Run {
            site,
            first: head.seq.next(),
            signature: self.signer.sign(&head.then(&body).signed_message(site)),
            bodies: vec![body],
        }
    }
}
