//! The hub's own two sites: numbering, stamping, chaining and signing what the hub itself writes.
//!
//! A [`Writer`] is one row of the ledger. The executor of a plan locks it, seals what the plan says, and writes it
//! back in the same transaction, so numbers have no gaps whatever fails.

use bytes::Bytes;
use sync_protocol::changeset::{
    Body, BodyError, Change, Content, Head, PublicKey, Run, Signer, SiteOpen, SiteRole,
};
use sync_protocol::id::{NodeId, SiteId};
use sync_protocol::time::Stamp;

/// Most bytes of one sealed run, unless a single changeset is larger: it must fit a frame beside others.
pub const RUN_BYTES_MAX: usize = 64 << 10;

/// Where one of the hub's sites stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    open: SiteOpen,
    head: Head,
    last: Stamp,
}

/// What was sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Signed runs, in order, ready to be published.
    pub runs: Vec<Run>,
    /// The head after each changeset. A site's own opening comes first and is counted here too.
    pub heads: Vec<Head>,
    /// How many of them open the site: 1 the first time, else 0.
    pub openings: usize,
}

impl Writer {
    /// A site of the hub that is opened with its first commit. `random` is drawn by the caller, anew for every term.
    #[must_use]
    pub fn new(
        role: SiteRole,
        public_key: PublicKey,
        random: [u8; 16],
        certificate: Vec<u8>,
        previous: Option<&Writer>,
    ) -> Writer {
        let open = SiteOpen {
            node: NodeId::HUB,
            role,
            public_key,
            random,
            certificate,
            previous: previous.and_then(Writer::as_previous),
        };
        Writer {
            head: Head::empty(open.site()),
            last: previous.map_or(Stamp::default(), |writer| writer.last),
            open,
        }
    }

    /// A writer as it was stored: what opens its site, its head and its last stamp.
    #[must_use]
    pub const fn restored(open: SiteOpen, head: Head, last: Stamp) -> Writer {
        Writer { open, head, last }
    }

    /// The hub's database was behind, and more of the site than it knew of came back from gates: the next site names
    /// that.
    pub fn catch_up(&mut self, held: Head) {
        if held.seq > self.head.seq {
            self.head = held;
        }
    }

    /// What the next site names as the one before it. A term that committed nothing opened no site: the one before it
    /// is then still the last, and whoever waits for its end must not be let off.
    fn as_previous(&self) -> Option<(SiteId, Head)> {
        if self.head == Head::empty(self.site()) {
            self.open.previous
        } else {
            Some((self.site(), self.head))
        }
    }

    /// The site.
    #[must_use]
    pub fn site(&self) -> SiteId {
        self.open.site()
    }

    /// What opens it.
    #[must_use]
    pub const fn open(&self) -> &SiteOpen {
        &self.open
    }

    /// The last changeset sealed.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// The last stamp given.
    #[must_use]
    pub const fn last(&self) -> Stamp {
        self.last
    }

    /// Seals changesets, in order.
    ///
    /// # Errors
    /// One is outside the limits of a changeset. The writer is then to be thrown away with its transaction.
    pub fn seal(
        &mut self,
        now_ms: i64,
        changesets: Vec<Vec<Change>>,
        signer: &impl Signer,
    ) -> Result<Sealed, BodyError> {
        let mut sealed = Sealed::default();
        if changesets.is_empty() {
            return Ok(sealed);
        }
        let mut waiting: Vec<Bytes> = Vec::new();
        let mut first = self.head.seq.next();
        sealed.openings = usize::from(self.head == Head::empty(self.site()));
        let opening = Change::new(&Content::SiteOpen(Box::new(self.open.clone())));
        let openings = (sealed.openings == 1).then(|| vec![opening]);
        for changes in openings.into_iter().chain(changesets) {
            self.last = self.last.next(now_ms);
            let at = self.last;
            let body = Body { at, changes }.encode()?;
            let bytes: usize = waiting.iter().map(Bytes::len).sum();
            if !waiting.is_empty() && bytes + body.len() > RUN_BYTES_MAX {
                sealed.runs.push(self.sign(first, &mut waiting, signer));
                first = self.head.seq.next();
            }
            self.head = self.head.then(&body);
            sealed.heads.push(self.head);
            waiting.push(body);
        }
        sealed.runs.push(self.sign(first, &mut waiting, signer));
        Ok(sealed)
    }

    fn sign(&self, first: sync_protocol::id::Seq, bodies: &mut Vec<Bytes>, signer: &impl Signer) -> Run {
        let site = self.site();
        Run {
            site,
            first,
            bodies: std::mem::take(bodies),
            signature: signer.sign(&self.head.signed_message(site)),
        }
    }
}

#[cfg(test)]
mod tests {
    use sync_protocol::ed25519::Ed25519Signer;
    use sync_protocol::fact::Fact;

    use super::*;

    #[test]
    fn a_term_that_wrote_nothing_is_passed_over_by_the_next() {
        let signer = Ed25519Signer::from_secret(&[7; 32]);
        let term = |random: u8, previous: Option<&Writer>| {
            let key = signer.public_key();
            Writer::new(SiteRole::Settled, key, [random; 16], Vec::new(), previous)
        };
        let mut first = term(1, None);
        let covered = Vec::new();
        let change = Change::new(&Content::Fact(Fact::SettledUpTo { covered }));
        first.seal(1_000, vec![vec![change]], &signer).unwrap();
        let second = term(2, Some(&first));
        let third = term(3, Some(&second));
        assert_eq!(second.open().previous, Some((first.site(), first.head())));
        assert_eq!(third.open().previous, second.open().previous);
        assert_eq!(term(4, Some(&term(5, None))).open().previous, None);
    }
}
