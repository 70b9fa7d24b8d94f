//! The only user of bincode: bytes of what travels and of what is stored.
//!
//! Format: bincode 2 "standard" (little-endian, variable-length integers, enum variants by number in order of
//! declaration). Adding a variant at the end or a new change kind keeps old bytes readable; anything else is a new
//! wire version. Golden bytes in the tests hold it still.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Most bytes decoded at once: no single thing is larger than a frame.
pub const DECODE_BYTES_MAX: usize = 1 << 20;

/// Why bytes were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// More than [`DECODE_BYTES_MAX`].
    #[error("{0} bytes in one piece: at most {DECODE_BYTES_MAX} are allowed")]
    TooLarge(usize),
    /// Not the encoding of the expected thing.
    #[error("malformed bytes: {0}")]
    Malformed(String),
    /// The thing ended before the bytes did.
    #[error("{0} bytes left over after the value")]
    Trailing(usize),
}

/// Encodes a value.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, bincode::config::standard())
        .expect("BUG: our own types always encode: no maps without length, no unsized sequences")
}

/// Decodes the value that `bytes` begin with. Returns it and what follows it.
///
/// # Errors
/// The bytes are malformed or cut short. Never panics.
pub fn decode_first<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, &'a [u8]), CodecError> {
    let config = bincode::config::standard().with_limit::<{ 4 * DECODE_BYTES_MAX }>();
    let (value, used) = bincode::serde::borrow_decode_from_slice(bytes, config)
        .map_err(|error| CodecError::Malformed(error.to_string()))?;
    Ok((value, bytes.get(used..).unwrap_or_default()))
}

/// Decodes a value that takes up all of `bytes`.
///
/// # Errors
/// The bytes are too many, malformed, cut short, or more than the value needs. Never panics, and never allocates
/// more than a small multiple of [`DECODE_BYTES_MAX`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > DECODE_BYTES_MAX {
        return Err(CodecError::TooLarge(bytes.len()));
    }
    let config = bincode::config::standard().with_limit::<{ 4 * DECODE_BYTES_MAX }>();
    let (value, used) = bincode::serde::decode_from_slice(bytes, config)
        .map_err(|error| CodecError::Malformed(error.to_string()))?;
    match bytes.len() - used {
        0 => Ok(value),
        left => Err(CodecError::Trailing(left)),
    }
}
