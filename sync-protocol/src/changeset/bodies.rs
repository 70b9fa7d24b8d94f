//! How the bodies of a run travel: their lengths, then all of them in one piece. A received run is one allocation
//! with a view per body, and a frame of tiny bodies cannot make a node allocate many times its size.

use bytes::Bytes;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::BODIES_MAX;

#[derive(Serialize, Deserialize)]
struct Packed {
    lengths: Vec<u32>,
    #[serde(with = "serde_bytes")]
    content: Vec<u8>,
}

pub(super) fn serialize<S: Serializer>(bodies: &[Bytes], serializer: S) -> Result<S::Ok, S::Error> {
    let length = |body: &Bytes| u32::try_from(body.len()).expect("BUG: a body larger than any limit");
    let packed = Packed {
        lengths: bodies.iter().map(length).collect(),
        content: bodies.concat(),
    };
    packed.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Bytes>, D::Error> {
    let packed = Packed::deserialize(deserializer)?;
    if packed.lengths.len() > BODIES_MAX {
        return Err(D::Error::custom("more bodies in a run than allowed"));
    }
    let mut rest = Bytes::from(packed.content);
    let mut bodies = Vec::with_capacity(packed.lengths.len());
    for length in packed.lengths {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length == 0 || length > rest.len() {
            return Err(D::Error::custom(
                "lengths of bodies that do not fit their content",
            ));
        }
        bodies.push(rest.split_to(length));
    }
    if !rest.is_empty() {
        return Err(D::Error::custom("content beyond the last body"));
    }
    Ok(bodies)
}
