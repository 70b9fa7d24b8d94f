//! What hand-made changesets state.

use sync_protocol::changeset::{Change, Content};
use sync_protocol::codec;
use sync_protocol::decide::Gate;
use sync_protocol::fact::{Direction, Fact, Knowledge, Reason, Tap};
use sync_protocol::fare::FareVersion;
use sync_protocol::id::CardId;
use sync_protocol::money::Money;
use sync_protocol::rows::{RowChange, VALUE_BYTES_MAX, Value, key};

use crate::random::Stream;

/// The year 2200, milliseconds since 1970.
pub const FAR_FUTURE_MS: i64 = 7_258_118_400_000;
/// A kind of change, and a kind of fact, that this version does not know.
const UNKNOWN_KIND: u8 = 0xC8;
const FACT_KIND: u8 = 2;

/// Changes of kinds that nobody knows.
#[must_use]
pub fn unknown_kinds(stream: &mut Stream) -> Vec<Change> {
    let mut opaque = |head: &[u8]| {
        let mut content = head.to_vec();
        content.extend(stream.bytes::<24>());
        Change {
            at: None,
            content: content.into(),
        }
    };
    vec![opaque(&[UNKNOWN_KIND]), opaque(&[FACT_KIND, UNKNOWN_KIND])]
}

/// Row changes that would do harm if they were merged: see `sync_protocol::rows`.
#[must_use]
pub fn hostile_rows(gate: Gate) -> Vec<Change> {
    let base = RowChange {
        table: "gates".to_owned(),
        key: packed(&[Value::Integer(i64::from(gate.id.0))]),
        column: "status".to_owned(),
        value: Value::Text("error".to_owned()),
        col_version: 2,
        causal_length: 1,
        seq: 0,
    };
    let somebody = packed(&[
        Value::Text("CARD0001".to_owned()),
        Value::Integer(i64::from(gate.id.0) + 1),
        Value::Integer(i64::from(gate.id.0) + 1),
    ]);
    let rows = [
        RowChange {
            col_version: 1 << 62,
            ..base.clone()
        },
        RowChange {
            col_version: i64::MAX,
            ..base.clone()
        },
        RowChange {
            col_version: i64::MIN,
            ..base.clone()
        },
        RowChange {
            causal_length: (1 << 62) + 1,
            ..base.clone()
        },
        RowChange {
            causal_length: i64::MAX,
            ..base.clone()
        },
        RowChange {
            seq: i64::MAX,
            ..base.clone()
        },
        RowChange {
            seq: -1,
            ..base.clone()
        },
        RowChange {
            column: "-1".to_owned(),
            col_version: 1 << 41,
            causal_length: 1 << 41,
            ..base.clone()
        },
        RowChange {
            value: Value::Integer(i64::MAX),
            ..base.clone()
        },
        RowChange {
            value: Value::Real(f64::NAN.to_bits()),
            ..base.clone()
        },
        RowChange {
            value: Value::Text("x".repeat(VALUE_BYTES_MAX + 1)),
            ..base.clone()
        },
        RowChange {
            table: "crsql_master".to_owned(),
            ..base.clone()
        },
        RowChange {
            table: "journal".to_owned(),
            ..base.clone()
        },
        RowChange {
            table: String::new(),
            ..base.clone()
        },
        RowChange {
            column: "db_version".to_owned(),
            ..base.clone()
        },
        RowChange {
            column: "db_version".to_owned(),
            causal_length: 3,
            ..base.clone()
        },
        RowChange {
            key: vec![0xFF; 8],
            ..base.clone()
        },
        RowChange {
            table: "deny_list".to_owned(),
            key: somebody,
            column: "denial".to_owned(),
            value: Value::Integer(1),
            ..base
        },
    ];
    rows.into_iter()
        .map(|row| Change::new(&Content::Row(row)))
        .collect()
}

/// A tap as this gate states taps.
#[must_use]
pub fn tap(gate: Gate, card: CardId, direction: Direction, hold: Money) -> Change {
    let tap = Tap {
        card,
        direction,
        terminal: gate.terminal,
        gate: gate.id,
        uncertainty_ms: gate.uncertainty_ms,
        accepted: true,
        reason: match direction {
            Direction::Entry => Reason::Accepted,
            Direction::Exit => Reason::ExitOpen,
        },
        fare_version: 1,
        hold,
        quoted: None,
        knowledge: Knowledge {
            revision: 0,
            age_s: 0,
        },
    };
    Change::new(&Content::Fact(Fact::Tap(tap)))
}

/// A tap that this gate denied.
#[must_use]
pub fn denied_tap(gate: Gate, card: CardId) -> Change {
    let tap = Tap {
        card,
        direction: Direction::Entry,
        terminal: gate.terminal,
        gate: gate.id,
        uncertainty_ms: gate.uncertainty_ms,
        accepted: false,
        reason: Reason::GateClosed,
        fare_version: 1,
        hold: Money::ZERO,
        quoted: None,
        knowledge: Knowledge::default(),
    };
    Change::new(&Content::Fact(Fact::Tap(tap)))
}

/// A fare version that is cut short.
#[must_use]
pub fn truncated(fares: &FareVersion, bytes: usize) -> Change {
    let content = codec::encode(&Content::Fact(Fact::FareVersion(fares.clone())));
    Change {
        at: None,
        content: content[..content.len().saturating_sub(bytes)].to_vec().into(),
    }
}

/// A fare version that is not what its hash says.
#[must_use]
pub fn wrong_hash(fares: &FareVersion) -> Change {
    let mut content = codec::encode(&Content::Fact(Fact::FareVersion(fares.clone())));
    if let Some(last) = content.last_mut() {
        *last ^= 1;
    }
    Change {
        at: None,
        content: content.into(),
    }
}

/// More row changes than a changeset may have.
#[must_use]
pub fn too_many_rows(count: usize) -> Vec<Change> {
    (0..count)
        .map(|number| denial(&format!("MANY{number:06}"), 0))
        .collect()
}

/// Rows of the deny list with so many bytes of reasons together.
#[must_use]
pub fn denials(name: &str, bytes: usize) -> Vec<Change> {
    let full = (0..bytes / VALUE_BYTES_MAX).map(|number| (number, VALUE_BYTES_MAX));
    let rest = (bytes / VALUE_BYTES_MAX, bytes % VALUE_BYTES_MAX);
    full.chain([rest])
        .map(|(number, bytes)| denial(&format!("{name}{number:02}"), bytes))
        .collect()
}

/// The hub's own row of the deny list for a card, which denies nothing.
fn denial(card: &str, reason_bytes: usize) -> Change {
    let hub = Value::Integer(0);
    let row = RowChange {
        table: "deny_list".to_owned(),
        key: packed(&[Value::Text(card.to_owned()), hub.clone(), hub]),
        column: "reason".to_owned(),
        value: Value::Text("r".repeat(reason_bytes)),
        col_version: 1,
        causal_length: 1,
        seq: 0,
    };
    Change::new(&Content::Row(row))
}

fn packed(values: &[Value]) -> Vec<u8> {
    key::pack(values).expect("BUG: short values are a key")
}
