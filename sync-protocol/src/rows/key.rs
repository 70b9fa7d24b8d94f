//! Primary keys as cr-sqlite packs them (`crsql_pack_columns`).
//!
//! A count of columns (one byte), then per column one byte holding SQLite's type number (low 3 bits) and the
//! number of bytes of the integer that follows (high 5 bits). That integer is the value itself, or the length
//! of the text or blob behind it; big-endian, without leading zero bytes, negative values in 8 bytes.
//!
//! Invariant: [`unpack`] takes the canonical form only, so equal keys are equal bytes. cr-sqlite's own reader
//! aborts the process on an empty key or a 9-byte integer and takes text for UTF-8 unseen; nothing reaches it
//! that did not pass here.

use thiserror::Error;

use super::{KEY_BYTES_MAX, Value};

const INTEGER: u8 = 1;
const TEXT: u8 = 3;
const BLOB: u8 = 4;

/// Why a packed key cannot be read or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Too long.
    #[error("a key has {bytes} bytes, more than {KEY_BYTES_MAX}")]
    Size {
        /// Length found.
        bytes: usize,
    },
    /// Truncated, with bytes left over, or not in the canonical form.
    #[error("a key is not in the form of crsql_pack_columns")]
    Malformed,
    /// NULL or a real: neither can identify a row (1 and 1.0 are equal keys in SQLite, but different bytes).
    #[error("a key holds NULL or a real number")]
    Kind,
}

/// Packs key values, which must be integers, text or blobs.
pub fn pack(values: &[Value]) -> Result<Vec<u8>, KeyError> {
    let count = u8::try_from(values.len()).map_err(|_| KeyError::Malformed)?;
    let mut packed = vec![count];
    for value in values {
        match value {
            Value::Integer(integer) => push_integer(&mut packed, INTEGER, *integer),
            Value::Text(text) => push_bytes(&mut packed, TEXT, text.as_bytes()),
            Value::Blob(blob) => push_bytes(&mut packed, BLOB, blob),
            Value::Null | Value::Real(_) => return Err(KeyError::Kind),
        }
    }
    match packed.len() {
        bytes if bytes > KEY_BYTES_MAX => Err(KeyError::Size { bytes }),
        _ => Ok(packed),
    }
}

/// Reads a packed key of one column or more.
pub fn unpack(key: &[u8]) -> Result<Vec<Value>, KeyError> {
    if key.len() > KEY_BYTES_MAX {
        return Err(KeyError::Size { bytes: key.len() });
    }
    let (&count, mut rest) = key.split_first().ok_or(KeyError::Malformed)?;
    if count == 0 {
        return Err(KeyError::Malformed);
    }
    let values = (0..count)
        .map(|_| take_value(&mut rest))
        .collect::<Result<Vec<_>, _>>()?;
    // Packing again is the shortest complete test for left-over bytes and integers with leading zeros.
    match pack(&values)? == key {
        true => Ok(values),
        false => Err(KeyError::Malformed),
    }
}

fn push_bytes(packed: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    push_integer(packed, kind, bytes.len() as i64);
    packed.extend_from_slice(bytes);
}

fn push_integer(packed: &mut Vec<u8>, kind: u8, integer: i64) {
    let bytes = integer.to_be_bytes();
    let skipped = bytes.iter().take_while(|byte| **byte == 0).count();
    packed.push(((bytes.len() - skipped) as u8) << 3 | kind);
    packed.extend_from_slice(&bytes[skipped..]);
}

fn take_value(rest: &mut &[u8]) -> Result<Value, KeyError> {
    let head = take(rest, 1)?[0];
    let kind = head & 0x07;
    if !matches!(kind, INTEGER | TEXT | BLOB) {
        return Err(KeyError::Kind);
    }
    let integer = take_integer(rest, usize::from(head >> 3))?;
    if kind == INTEGER {
        return Ok(Value::Integer(integer));
    }
    let bytes = take(rest, usize::try_from(integer).map_err(|_| KeyError::Malformed)?)?.to_vec();
    match kind {
        BLOB => Ok(Value::Blob(bytes)),
        _ => Ok(Value::Text(
            String::from_utf8(bytes).map_err(|_| KeyError::Malformed)?,
        )),
    }
}

fn take_integer(rest: &mut &[u8], count: usize) -> Result<i64, KeyError> {
    let bytes = take(rest, count)?;
    let mut integer = [0; 8];
    let start = integer.len().checked_sub(count).ok_or(KeyError::Malformed)?;
    integer[start..].copy_from_slice(bytes);
    Ok(i64::from_be_bytes(integer))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], KeyError> {
    let (taken, left) = rest.split_at_checked(count).ok_or(KeyError::Malformed)?;
    *rest = left;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_would_abort_cr_sqlite() {
        let broken: [&[u8]; 9] = [
            b"",                                         // no count
            b"\x00",                                     // no columns
            b"\x01",                                     // column missing
            b"\x01\x49123456789",                        // integer of 9 bytes
            b"\x01\x0b\x02a",                            // text longer than the key
            b"\x01\x0b\x01\xff",                         // text that is not UTF-8
            b"\x01\x11\x00\x05",                         // integer with a leading zero byte
            b"\x01\x09\x05\x00",                         // a byte left over
            b"\x01\x43\xff\xff\xff\xff\xff\xff\xff\xff", // negative length
        ];
        for key in broken {
            assert_eq!(unpack(key), Err(KeyError::Malformed), "{key:?}");
        }
        assert_eq!(unpack(b"\x01\x05"), Err(KeyError::Kind), "NULL");
        assert_eq!(
            unpack(b"\x01\x02\x3f\xf0\0\0\0\0\0\0"),
            Err(KeyError::Kind),
            "real"
        );
        assert_eq!(unpack(&[4; 1025]), Err(KeyError::Size { bytes: 1025 }));
    }

    fn key_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<i64>().prop_map(Value::Integer),
            (-300_i64..300).prop_map(Value::Integer),
            ".{0,20}".prop_map(Value::Text),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::Blob),
        ]
    }

    proptest! {
        #[test]
        fn packs_and_unpacks(values in prop::collection::vec(key_value(), 1..4)) {
            let packed = pack(&values).unwrap();
            prop_assert_eq!(unpack(&packed), Ok(values));
        }

        #[test]
        fn never_panics_and_takes_one_form_only(key in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(values) = unpack(&key) {
                prop_assert_eq!(pack(&values), Ok(key));
            }
        }
    }
}
