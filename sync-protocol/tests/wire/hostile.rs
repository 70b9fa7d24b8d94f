//! Bytes that are not frames: an error, never a panic.

use bytes::Bytes;
use proptest::prelude::*;
use sync_protocol::changeset::{BODIES_MAX, Body, Run, Signature};
use sync_protocol::have::{Range, SITES_MAX};
use sync_protocol::id::Seq;
use sync_protocol::wire::{
    FRAME_BYTES_MAX, Frame, HEARTBEAT_SITES_MAX, HEARTBEATS_MAX, RANGES_MAX, RUNS_MAX, WireError,
};

use crate::{golden, sample};

#[test]
fn every_truncated_frame_is_refused() {
    for frame in golden::frames() {
        for length in 0..frame.len() {
            assert!(
                Frame::decode(&frame[..length]).is_err(),
                "{length} of {} bytes",
                frame.len()
            );
        }
        let mut longer = frame.clone();
        longer.push(0);
        assert!(Frame::decode(&longer).is_err(), "a byte too many");
    }
}

#[test]
fn every_flipped_bit_is_another_frame_or_an_error() {
    for (name, original) in sample::frames() {
        let bytes = original.encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(Frame::decode(&flipped), Ok(original.clone()), "{name}, bit {bit}");
        }
    }
}

#[test]
fn envelopes_of_others_are_told_apart() {
    assert_eq!(Frame::decode(&[]), Err(WireError::Empty));
    assert_eq!(Frame::decode(&[2, 0]), Err(WireError::Version(2)));
    assert_eq!(Frame::decode(&[1, 8]), Err(WireError::UnknownKind(8)));
    assert_eq!(Frame::decode(&[1, 255, 255]), Err(WireError::UnknownKind(255)));
    let large = vec![1; FRAME_BYTES_MAX + 1];
    assert_eq!(
        Frame::decode(&large),
        Err(WireError::TooLarge(FRAME_BYTES_MAX + 1))
    );
}

#[test]
fn counts_above_the_limits_are_refused() {
    let [have, need, beat] = [3, 4, 6].map(|index| sample::frames()[index].1.clone());
    let (Frame::Have { reply, sites }, Frame::Need { ranges, bytes_max }, Frame::Heartbeats(beats)) =
        (have, need, beat)
    else {
        panic!("the samples are in another order");
    };
    let tiny_run = Run {
        bodies: vec![Bytes::from_static(b"x")],
        ..sample::run()
    };
    let mut talkative = beats[0].clone();
    talkative.sites = vec![talkative.sites[0]; HEARTBEAT_SITES_MAX + 1];
    let frames = |extra: usize| {
        [
            Frame::Have {
                reply,
                sites: vec![sites[0]; SITES_MAX + extra],
            },
            Frame::Need {
                ranges: vec![ranges[0]; RANGES_MAX + extra],
                bytes_max,
            },
            Frame::Changesets(vec![tiny_run.clone(); RUNS_MAX + extra]),
            Frame::Heartbeats(vec![beats[0].clone(); HEARTBEATS_MAX + extra]),
        ]
    };
    for frame in frames(0) {
        assert!(
            frame.encode().len() <= FRAME_BYTES_MAX,
            "the limits fit into a frame"
        );
        assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
    }
    for frame in frames(1).into_iter().chain([Frame::Heartbeats(vec![talkative])]) {
        assert!(matches!(
            Frame::decode(&frame.encode()),
            Err(WireError::TooMany { .. })
        ));
    }
}

#[test]
fn a_frame_full_of_tiny_or_no_bodies_is_refused() {
    for body in ["", "x"] {
        let run = Run {
            bodies: vec![Bytes::from_static(body.as_bytes()); BODIES_MAX + 1],
            ..sample::run()
        };
        assert!(matches!(
            Frame::decode(&Frame::Changesets(vec![run]).encode()),
            Err(WireError::Codec(_))
        ));
    }
}

#[test]
fn a_full_have_of_the_largest_numbers_fits_a_frame() {
    let Frame::Have { sites, .. } = sample::frames()[3].1.clone() else {
        panic!("the samples are in another order");
    };
    let (site, mut have) = sites[0];
    have.floor = Seq(u64::MAX);
    have.head.seq = Seq(u64::MAX);
    let frame = Frame::Have {
        reply: true,
        sites: vec![(site, have); SITES_MAX],
    };
    assert!(frame.encode().len() <= FRAME_BYTES_MAX);
    let ranges = vec![
        Range {
            site,
            first: Seq(u64::MAX),
            last: Seq(u64::MAX)
        };
        RANGES_MAX
    ];
    assert!(
        Frame::Need {
            ranges,
            bytes_max: u32::MAX
        }
        .encode()
        .len()
            <= FRAME_BYTES_MAX
    );
}

#[test]
fn the_reckoned_size_of_a_run_is_never_too_small() {
    for bodies in [1, 3, 300, 9_000] {
        let mut run = sample::run();
        run.first = Seq(u64::MAX - 10_000);
        run.bodies = vec![Bytes::from(vec![1; 100]); bodies];
        run.signature = Signature([255; 64]);
        let bytes = Frame::Changesets(vec![run.clone()]).encode().len();
        assert!(bytes <= run.wire_bytes() + 3 && bytes + 5 * bodies + 32 > run.wire_bytes());
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = Frame::decode(&bytes);
        let _ = Body::decode(&bytes).map(|body| body.changes.iter().for_each(|change| drop(change.read())));
    }

    #[test]
    fn random_content_behind_a_valid_kind_never_panics(
        kind in 0u8..6,
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let mut frame = vec![1, kind];
        frame.extend(bytes);
        if let Ok(frame) = Frame::decode(&frame) {
            prop_assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
        }
    }

    #[test]
    fn a_length_that_lies_is_refused(kind in 2u8..6, length in any::<u64>(), rest in 0usize..64) {
        let mut frame = vec![1, kind, 253];
        frame.extend(length.to_le_bytes());
        frame.extend(vec![0; rest]);
        let _ = Frame::decode(&frame);
    }
}
