//! A run of changesets from anybody, signed or not: read, verified as the start of a log and as a piece in its midst,
//! and each body decoded down to the facts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sync_protocol::changeset::{
    BODIES_MAX, BODY_BYTES_MAX, Body, Head, PublicKey, Run, RunError, Signature, SiteOpen, Trust, site_open,
};
use sync_protocol::codec;
use sync_protocol::id::Seq;

/// Believes everything, so that nothing behind the signature is out of reach.
struct Everybody;

impl Trust for Everybody {
    fn verifies(&self, _: &PublicKey, _: &[u8; 32], _: &Signature) -> bool {
        true
    }

    fn admits(&self, _: &SiteOpen) -> bool {
        true
    }
}

fuzz_target!(|bytes: &[u8]| {
    read_body(bytes);
    let Ok(run) = codec::decode::<Run>(bytes) else {
        return;
    };
    assert_eq!(codec::decode::<Run>(&codec::encode(&run)).as_ref(), Ok(&run));
    assert!(
        codec::encode(&run).len() <= run.wire_bytes(),
        "more bytes than were budgeted"
    );
    let empty = Head::empty(run.site);
    extend(&run, &empty, None);
    let key = PublicKey([0; 32]);
    extend(&run, &empty, Some(&key));
    for seq in [run.first.0.wrapping_sub(1), run.first.0, run.last().0] {
        let head = Head {
            seq: Seq(seq),
            ..empty
        };
        extend(&run, &head, Some(&key));
    }
    for body in run.bodies.iter().take(8) {
        read_body(body);
    }
});

/// Whatever a run claims, what it adds follows the head without a gap.
fn extend(run: &Run, head: &Head, key: Option<&PublicKey>) {
    match run.extend(head, key, &Everybody) {
        Ok(extension) => {
            assert!(run.is_well_formed() && run.bodies.len() <= BODIES_MAX);
            assert_eq!(extension.skipped + extension.heads.len(), run.bodies.len());
            let expected = (head.seq.0 + 1..).zip(&extension.heads);
            expected.for_each(|(seq, head)| assert_eq!(seq, head.seq.0));
            assert_eq!(extension.heads.last().map(|head| head.seq), Some(run.last()));
        }
        Err(RunError::Gap { first, head }) => assert!(first > head.next()),
        Err(_) => {}
    }
}

fn read_body(bytes: &[u8]) {
    let _opening = site_open(bytes);
    let Ok(body) = Body::decode(bytes) else {
        return;
    };
    let encoded = body
        .encode()
        .expect("what was read within the limits can be written");
    assert!(encoded.len() <= BODY_BYTES_MAX.min(bytes.len()));
    assert_eq!(Body::decode(&encoded).as_ref(), Ok(&body));
    for (index, change) in body.changes.iter().enumerate() {
        if let Ok(Some(content)) = change.read() {
            let again = codec::encode(&content);
            assert_eq!(codec::decode(&again).as_ref(), Ok(&content));
        }
        let _key = body.order_key(Default::default(), Seq(1), index);
    }
}
