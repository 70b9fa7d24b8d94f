//! What a log takes and what it refuses, with real signatures.

use bytes::Bytes;
use sync_protocol::changeset::{
    BODY_BYTES_MAX, Body, BodyError, Change, Content, FACTS_MAX, Head, PublicKey, ROWS_MAX, Run, RunError,
    Signature, Signer, SiteOpen, SiteRole, Trust,
};
use sync_protocol::ed25519::{self, Ed25519Signer};
use sync_protocol::fact::Fact;
use sync_protocol::id::{FactId, NodeId, Seq, SiteId};
use sync_protocol::rows::{RowChange, Value};
use sync_protocol::time::{Stamp, WALL_MS_MAX};

struct Admitted(bool);

impl Trust for Admitted {
    fn verifies(&self, key: &PublicKey, message: &[u8; 32], signature: &Signature) -> bool {
        ed25519::verifies(key, message, signature)
    }
    fn admits(&self, _: &SiteOpen) -> bool {
        self.0
    }
}

fn signer(secret: u8) -> Ed25519Signer {
    Ed25519Signer::from_secret(&[secret; 32])
}

fn open(secret: u8) -> SiteOpen {
    SiteOpen {
        node: NodeId(1),
        role: SiteRole::Gate("A".parse().expect("a terminal code")),
        public_key: signer(secret).public_key(),
        random: [4; 16],
        certificate: Vec::new(),
        previous: None,
    }
}

fn issued() -> Content {
    Content::Fact(Fact::CardIssued {
        card: "CARD0001".parse().expect("a card"),
    })
}

fn body(at_ms: i64, content: &Content) -> Bytes {
    let body = Body {
        at: Stamp::at_ms(at_ms),
        changes: vec![Change::new(content)],
    };
    body.encode().expect("within the limits")
}

/// The first five changesets of the site of this key.
fn bodies(secret: u8) -> Vec<Bytes> {
    let first = body(0, &Content::SiteOpen(Box::new(open(secret))));
    let rest = (1..5).map(|at_ms| body(at_ms, &issued()));
    std::iter::once(first).chain(rest).collect()
}

fn head_after(site: SiteId, bodies: &[Bytes]) -> Head {
    bodies
        .iter()
        .fold(Head::empty(site), |head, body| head.then(body))
}

/// Changesets `first` to `last` of the site of this key, signed.
fn run(secret: u8, first: usize, last: usize) -> Run {
    let (site, all) = (open(secret).site(), bodies(secret));
    let head = head_after(site, &all[..last]);
    Run {
        site,
        first: Seq(first as u64),
        bodies: all[first - 1..last].to_vec(),
        signature: signer(secret).sign(&head.signed_message(site)),
    }
}

/// What becomes of a run on a log of key 1 that ends at `length`.
fn extend(run: &Run, length: usize) -> Result<usize, RunError> {
    let site = open(1).site();
    let head = head_after(site, &bodies(1)[..length]);
    let key = signer(1).public_key();
    let extension = run.extend(&head, (length > 0).then_some(&key), &Admitted(true))?;
    let all = bodies(1);
    assert_eq!(
        extension.heads.last(),
        Some(&head_after(site, &all[..run.last().0 as usize]))
    );
    assert_eq!(extension.skipped + extension.heads.len(), run.bodies.len());
    Ok(extension.heads.len())
}

#[test]
fn a_run_extends_the_log_it_continues() {
    assert_eq!(extend(&run(1, 1, 5), 0), Ok(5));
    assert_eq!(extend(&run(1, 3, 5), 2), Ok(3));
    assert_eq!(extend(&run(1, 3, 3), 2), Ok(1));
}

#[test]
fn an_overlap_is_skipped_and_a_duplicate_is_told() {
    assert_eq!(extend(&run(1, 1, 5), 3), Ok(2));
    assert_eq!(extend(&run(1, 2, 3), 3), Err(RunError::Duplicate));
    assert_eq!(extend(&run(1, 1, 3), 5), Err(RunError::Duplicate));
}

#[test]
fn a_gap_is_told_with_its_borders() {
    let gap = |first, head| RunError::Gap {
        first: Seq(first),
        head: Seq(head),
    };
    assert_eq!(extend(&run(1, 4, 5), 2), Err(gap(4, 2)));
    assert_eq!(extend(&run(1, 2, 5), 0), Err(gap(2, 0)));
}

#[test]
fn impossible_runs_are_malformed() {
    let malformed = |change: fn(&mut Run)| {
        let mut run = run(1, 1, 3);
        change(&mut run);
        assert_eq!(extend(&run, 0), Err(RunError::Malformed));
    };
    malformed(|run| run.bodies.clear());
    malformed(|run| run.first = Seq(0));
    malformed(|run| run.first = Seq(u64::MAX - 1));
    malformed(|run| run.bodies[1] = Bytes::new());
    malformed(|run| run.bodies[1] = Bytes::from(vec![0; BODY_BYTES_MAX + 1]));
}

#[test]
fn a_wrong_signature_or_a_broken_chain_is_refused() {
    let refused = |length: usize, change: fn(&mut Run)| {
        let mut run = run(1, 2, 4);
        change(&mut run);
        assert_eq!(extend(&run, length), Err(RunError::Signature));
    };
    refused(1, |run| run.signature.0[5] ^= 1);
    refused(1, |run| run.signature = self::run(1, 2, 5).signature);
    refused(1, |run| run.bodies[0] = body(9, &issued()));
    refused(1, |run| run.bodies.swap(0, 1));
    refused(1, |run| _ = run.bodies.pop());
    refused(2, |run| run.bodies[2] = body(9, &issued()));
    refused(1, |run| {
        run.signature = signer(2).sign(&head_after(run.site, &bodies(1)[..4]).signed_message(run.site))
    });
    let mut moved = run(1, 3, 4);
    moved.first = Seq(2);
    assert_eq!(extend(&moved, 1), Err(RunError::Signature));
}

#[test]
fn another_branch_of_the_log_is_refused() {
    let site = open(1).site();
    let mut branch = bodies(1);
    branch[2] = body(77, &issued());
    let head = head_after(site, &branch[..4]);
    let forked = Run {
        site,
        first: Seq(4),
        bodies: branch[3..4].to_vec(),
        signature: signer(1).sign(&head.signed_message(site)),
    };
    assert_eq!(extend(&forked, 3), Err(RunError::Signature));
}

#[test]
fn a_log_starts_with_the_opening_of_that_site_by_an_admitted_node() {
    let empty = Head::empty(open(1).site());
    let start = |run: &Run, admitted| run.extend(&empty, None, &Admitted(admitted)).map(|_| ());
    assert_eq!(start(&run(1, 1, 3), true), Ok(()));
    assert_eq!(start(&run(1, 1, 3), false), Err(RunError::NotAdmitted));

    let mut other_site = run(2, 1, 3);
    other_site.site = open(1).site();
    assert_eq!(
        start(&other_site, true),
        Err(RunError::SiteOpen),
        "the log of another key"
    );
    let mut no_opening = run(1, 1, 3);
    no_opening.bodies[0] = body(0, &issued());
    assert_eq!(start(&no_opening, true), Err(RunError::SiteOpen));
    let mut garbage = run(1, 1, 3);
    garbage.bodies[0] = Bytes::from_static(b"garbage");
    assert_eq!(start(&garbage, true), Err(RunError::SiteOpen));
    let mut other_key = run(1, 1, 3);
    let head = head_after(other_key.site, &other_key.bodies);
    other_key.signature = signer(2).sign(&head.signed_message(other_key.site));
    assert_eq!(start(&other_key, true), Err(RunError::Signature));
}

#[test]
fn a_site_named_after_another_cannot_borrow_its_chain() {
    let mut elsewhere = run(1, 2, 3);
    elsewhere.site = SiteId([9; 16]);
    let head = head_after(open(1).site(), &bodies(1)[..1]);
    let key = signer(1).public_key();
    assert_eq!(
        elsewhere.extend(&head, Some(&key), &Admitted(true)),
        Err(RunError::Signature)
    );
}

#[test]
fn weak_keys_are_refused() {
    let zero = PublicKey([0; 32]);
    assert!(!ed25519::verifies(&zero, &[1; 32], &Signature([0; 64])));
}

#[test]
fn no_changeset_is_too_large_to_replicate() {
    let row = |bytes: usize| {
        Change::new(&Content::Row(RowChange {
            table: "gates".to_owned(),
            key: Vec::new(),
            column: "status".to_owned(),
            value: Value::Blob(vec![0; bytes]),
            col_version: 1,
            causal_length: 1,
            seq: 0,
        }))
    };
    let encode = |at_ms, changes: Vec<Change>| {
        let at = Stamp::at_ms(at_ms);
        Body { at, changes }.encode().map(|_| ())
    };
    let fact = Change::new(&issued());
    assert_eq!(encode(0, vec![]), Err(BodyError::Empty));
    assert_eq!(encode(0, vec![row(0); ROWS_MAX]), Ok(()));
    assert_eq!(
        encode(0, vec![row(0); ROWS_MAX + 1]),
        Err(BodyError::TooMany(ROWS_MAX + 1))
    );
    assert_eq!(encode(0, vec![fact.clone(); FACTS_MAX]), Ok(()));
    assert_eq!(
        encode(0, vec![fact.clone(); FACTS_MAX + 2]),
        Err(BodyError::TooMany(FACTS_MAX + 2))
    );
    assert!(matches!(
        encode(0, vec![row(BODY_BYTES_MAX)]),
        Err(BodyError::TooLarge(_))
    ));
    assert!(matches!(
        encode(WALL_MS_MAX + 1, vec![fact]),
        Err(BodyError::Time(_))
    ));
}

#[test]
fn one_change_is_read_as_with_all_others() {
    let stamp = |ms| Stamp { ms, counter: 3 };
    let changes = (0..5_i64).map(|number| Change {
        at: (number % 2 == 0).then(|| stamp(100 + number)),
        content: vec![u8::try_from(number).unwrap(); 300 * usize::try_from(number).unwrap()].into(),
    });
    let body = Body {
        at: stamp(7),
        changes: changes.collect(),
    };
    let bytes = body.encode().unwrap();
    let site = SiteId([9; 16]);
    for (index, change) in (0..).zip(&body.changes) {
        let id = FactId {
            site,
            seq: Seq(4),
            index,
        };
        let key = body.order_key(site, Seq(4), usize::from(index));
        assert_eq!(Body::read_one(&bytes, id), Ok(Some((key, change.clone()))));
        let beyond = FactId { index: 5, ..id };
        assert_eq!(Body::read_one(&bytes, beyond), Ok(None));
        assert!(Body::read_one(&bytes[..bytes.len() / 4], FactId { index: 4, ..id }).is_err());
    }
}
