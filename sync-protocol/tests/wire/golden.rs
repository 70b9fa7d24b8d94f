//! Golden bytes. Whoever makes this fail has changed the wire: a new version, or a mistake.

use sync_protocol::changeset::Body;
use sync_protocol::wire::Frame;

use crate::sample;

const GOLDEN: &str = include_str!("golden.txt");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex");
    digits.map(byte).collect()
}

/// The golden bytes of all frames.
pub(crate) fn frames() -> Vec<Vec<u8>> {
    let lines = GOLDEN.lines().filter(|line| line.starts_with("frame "));
    lines
        .filter_map(|line| line.split_once(": "))
        .map(|(_, hex)| bytes(hex))
        .collect()
}

#[test]
fn every_byte_is_where_it_was() {
    let mut actual = String::new();
    let bodies = ["body site-open", "body row", "body taps"]
        .into_iter()
        .zip(sample::bodies());
    for (name, body) in bodies {
        actual += &format!("{name}: {}\n", hex(&body.encode().unwrap()));
    }
    for (name, frame) in sample::frames() {
        actual += &format!("{name}: {}\n", hex(&frame.encode()));
    }
    for (name, hash) in sample::hashes() {
        actual += &format!("{name}: {}\n", hex(&hash));
    }
    assert!(actual == GOLDEN, "the wire changed; now it is:\n{actual}");
}

#[test]
fn golden_bytes_decode_to_what_they_encode() {
    for ((name, frame), bytes) in sample::frames().into_iter().zip(frames()) {
        assert_eq!(Frame::decode(&bytes), Ok(frame), "{name}");
    }
    for body in sample::bodies() {
        assert_eq!(Body::decode(&body.encode().unwrap()), Ok(body));
    }
}

#[test]
fn unknown_changes_travel_as_they_are() {
    let mut body = sample::bodies()[2].clone();
    body.changes[0].content = vec![200, 1, 2, 3].into();
    body.changes[1].content = vec![2, 99, 4].into();
    let read = Body::decode(&body.encode().unwrap()).unwrap();
    assert_eq!(read, body);
    assert!(read.changes.iter().all(|change| change.read() == Ok(None)));
}
