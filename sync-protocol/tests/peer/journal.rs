//! A node's store in memory: journals appended in order, after verification.

use std::collections::BTreeMap;

use bytes::Bytes;
use sync_protocol::changeset::{
    Body, Change, Compared, Content, Head, PublicKey, Run, RunError, Signature, Signer, SiteOpen, SiteRole,
    Trust,
};
use sync_protocol::fact::Fact;
use sync_protocol::have::{Have, Range, SiteHave};
use sync_protocol::id::{NodeId, Seq, SiteId};
use sync_protocol::time::Stamp;

/// Signs with a keyed hash, which is enough where nobody forges.
#[derive(Clone)]
pub(crate) struct HashSigner(pub(crate) [u8; 32]);

fn keyed_signature(key: &[u8; 32], message: &[u8; 32]) -> Signature {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(blake3::keyed_hash(key, message).as_bytes());
    Signature(bytes)
}

impl Signer for HashSigner {
    fn public_key(&self) -> PublicKey {
        PublicKey(self.0)
    }
    fn sign(&self, message: &[u8; 32]) -> Signature {
        keyed_signature(&self.0, message)
    }
}

pub(crate) struct HashTrust;

impl Trust for HashTrust {
    fn verifies(&self, key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool {
        keyed_signature(&key.0, message) == *signature
    }
    fn admits(&self, open: &SiteOpen) -> bool {
        open.certificate == b"admitted"
    }
}

struct Log {
    role: SiteRole,
    key: PublicKey,
    floor: Seq,
    head: Head,
    bodies: BTreeMap<Seq, Bytes>,
    signatures: BTreeMap<Seq, Signature>,
}

impl Log {
    fn have(&self) -> SiteHave {
        SiteHave {
            role: self.role,
            floor: self.floor,
            head: self.head,
        }
    }
}

impl Log {
    fn compare(&self, run: &Run) -> Option<Compared> {
        let before = Seq(run.first.0 - 1);
        if !(self.floor..self.head.seq).contains(&before) {
            return None;
        }
        let mut head = Head::empty(run.site);
        let mut heads = BTreeMap::from([(Seq::NONE, head)]);
        for body in self.bodies.values() {
            head = head.then(body);
            heads.insert(head.seq, head);
        }
        let held = |seq| heads.get(&seq).map(|head| head.chain);
        Some(run.compare(&heads[&before], held, &self.key, &HashTrust))
    }
}

#[derive(Default)]
pub(crate) struct Journal {
    logs: BTreeMap<SiteId, Log>,
    /// Every changeset as it was appended.
    pub(crate) appended: Vec<(SiteId, Seq)>,
}

impl Journal {
    pub(crate) fn have(&self) -> Have {
        let mut have = Have::default();
        for (site, log) in &self.logs {
            have.advance(*site, log.have());
        }
        have
    }

    pub(crate) fn site_have(&self, site: SiteId) -> Option<SiteHave> {
        self.logs.get(&site).map(Log::have)
    }

    /// Verifies and appends.
    pub(crate) fn ingest(&mut self, run: &Run) -> Result<SiteHave, RunError> {
        let log = self.logs.get(&run.site);
        let head = log.map_or_else(|| Head::empty(run.site), |log| log.head);
        let extension = match run.extend(&head, log.map(|log| &log.key), &HashTrust) {
            Err(error @ (RunError::Duplicate | RunError::Signature)) => {
                return Err(match log.and_then(|log| log.compare(run)) {
                    Some(Compared::Fork { .. }) => RunError::Fork,
                    Some(Compared::Unproven) => RunError::Signature,
                    Some(Compared::Alike) | None => error,
                });
            }
            other => other?,
        };
        let new = &run.bodies[extension.skipped..];
        if log.is_none() {
            let open = run.opening(&HashTrust)?;
            self.open(&open);
        }
        let log = self.logs.get_mut(&run.site).expect("opened above");
        for (head, body) in extension.heads.iter().zip(new) {
            log.bodies.insert(head.seq, body.clone());
            log.head = *head;
            self.appended.push((run.site, head.seq));
        }
        log.signatures.insert(log.head.seq, run.signature);
        Ok(log.have())
    }

    fn open(&mut self, open: &SiteOpen) {
        let site = open.site();
        let log = Log {
            role: open.role,
            key: open.public_key,
            floor: Seq::NONE,
            head: Head::empty(site),
            bodies: BTreeMap::new(),
            signatures: BTreeMap::new(),
        };
        self.logs.insert(site, log);
    }

    /// The longest signed run within the range and budget, at least up to the first signature.
    pub(crate) fn read(&self, range: &Range, bytes_max: usize) -> Option<Run> {
        let log = self.logs.get(&range.site)?;
        let mut run = None;
        for (last, signature) in log.signatures.range(range.first..) {
            let bodies: Vec<Bytes> = log
                .bodies
                .range(range.first..=*last)
                .map(|(_, body)| body.clone())
                .collect();
            let candidate = Run {
                site: range.site,
                first: range.first,
                bodies,
                signature: *signature,
            };
            if run.is_some() && (*last > range.last || candidate.body_bytes() > bytes_max) {
                break;
            }
            run = Some(candidate);
        }
        run
    }

    /// Forgets what lies up to `floor`.
    pub(crate) fn prune(&mut self, site: SiteId, floor: Seq) -> SiteHave {
        let log = self.logs.get_mut(&site).expect("a site that is held");
        log.bodies = log.bodies.split_off(&floor.next());
        log.signatures = log.signatures.split_off(&floor.next());
        log.floor = floor;
        log.have()
    }
}

/// Writes one site.
#[derive(Clone)]
pub(crate) struct Writer {
    pub(crate) signer: HashSigner,
    pub(crate) site: SiteId,
    open: Option<SiteOpen>,
    head: Head,
}

impl Writer {
    pub(crate) fn new(node: NodeId, role: SiteRole, random: u8) -> Writer {
        let mut key = [7; 32];
        key[..4].copy_from_slice(&node.0.to_le_bytes());
        let signer = HashSigner(key);
        let open = SiteOpen {
            node,
            role,
            public_key: signer.public_key(),
            random: [random; 16],
            certificate: b"admitted".to_vec(),
            previous: None,
        };
        let site = open.site();
        Writer {
            signer,
            site,
            open: Some(open),
            head: Head::empty(site),
        }
    }

    /// The next run, of as many changesets as there are sizes, each with a reason of that many bytes. The very
    /// first changeset opens the site besides.
    pub(crate) fn write(&mut self, sizes: &[usize]) -> Run {
        let first = self.head.seq.next();
        let bodies: Vec<Bytes> = sizes.iter().map(|bytes| self.body(*bytes)).collect();
        for body in &bodies {
            self.head = self.head.then(body);
        }
        Run {
            site: self.site,
            first,
            bodies,
            signature: self.signer.sign(&self.head.signed_message(self.site)),
        }
    }

    fn body(&mut self, bytes: usize) -> Bytes {
        let fact = Fact::Adjust {
            card: "CARD0001".parse().expect("a card"),
            amount: Default::default(),
            reason: "x".repeat(bytes),
        };
        let open = self.open.take().map(|open| Content::SiteOpen(Box::new(open)));
        let contents = open.into_iter().chain([Content::Fact(fact)]);
        let body = Body {
            at: Stamp::at_ms(1),
            changes: contents.map(|content| Change::new(&content)).collect(),
        };
        body.encode().expect("within the limits")
    }
}
