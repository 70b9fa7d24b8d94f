//! Events as JSON. Amounts are decimal strings, facts `site:seq:index`, `timestamp` RFC 3339 in UTC: when it was
//! booked.

use serde_json::{Value, json};
use sync_protocol::id::FactId;
use sync_protocol::journey::Endpoint;
use sync_protocol::rows;

use super::{Event, first_tap};
use crate::reference;

impl Event {
    /// What consumers get. `booked_ms` is the time of booking, milliseconds since 1970.
    ///
    /// * `user.card.issued`: `{card, revision, fact, timestamp}`.
    /// * `user.status.changed`: `{card, revision, status, version, timestamp}`.
    /// * `user.balance.updated`: `{fact, exit, card, amount, kind, reversal, revision, line, transaction_reference,
    ///   timestamp}`. The amount is what is added to the balance, the kind the rule of the posting (`CAPTURE`,
    ///   `TOPUP`, …); never an old and a new balance (R-40, D-31). The reference is the human one of the fact (D-14).
    /// * `journey.*`: `{journey, card, revision, transition, status, entry, exit, fare, hold, closed, timestamp}` with
    ///   `journey` the first tap and each end `{fact, terminal, at_ms}` or null: the journey as of that revision. A
    ///   later correction of its fare is a `user.balance.updated`.
    /// * `fare.version.published`: `{version, effective_from_ms, timestamp}`.
    /// * `terminal.row.merged`: `{table, key, packed, change}` with the key's values and, in hex, its packed form.
    ///   Ingest has no clock, so there is no timestamp.
    #[must_use]
    pub fn payload(&self, booked_ms: i64) -> Value {
        let timestamp = timestamp(booked_ms);
        match self {
            Event::CardIssued { card, revision, fact } => json!({
                "card": card, "revision": revision, "fact": fact.to_string(), "timestamp": timestamp,
            }),
            Event::StatusChanged {
                card,
                revision,
                status,
                version,
            } => json!({
                "card": card, "revision": revision, "status": status, "version": version,
                "timestamp": timestamp,
            }),
            Event::BalanceUpdated {
                entry,
                amount,
                rule,
                fact,
                exit,
                reversal,
            } => json!({
                "fact": fact.to_string(),
                "exit": exit.as_ref().map(FactId::to_string),
                "card": entry.card,
                "amount": amount,
                "kind": rule.name(),
                "reversal": reversal,
                "revision": entry.revision,
                "line": entry.line,
                "transaction_reference": reference::of(*fact),
                "timestamp": timestamp,
            }),
            Event::Journey {
                card,
                revision,
                transition,
                journey,
            } => json!({
                "journey": first_tap(journey).to_string(),
                "card": card,
                "revision": revision,
                "transition": transition.word(),
                "status": journey.status.name(),
                "entry": end(journey.entry),
                "exit": end(journey.exit),
                "fare": journey.fare,
                "hold": journey.hold,
                "closed": journey.closed,
                "timestamp": timestamp,
            }),
            Event::FaresPublished {
                version,
                effective_from_ms,
            } => json!({
                "version": version, "effective_from_ms": effective_from_ms, "timestamp": timestamp,
            }),
            Event::RowMerged { change, table, key } => json!({
                "table": table, "key": key_values(key), "packed": hex(key), "change": change.to_string(),
            }),
        }
    }
}

fn timestamp(ms: i64) -> Option<String> {
    let timestamp = jiff::Timestamp::from_millisecond(ms).ok()?;
    Some(format!("{timestamp:.3}"))
}

fn end(endpoint: Option<Endpoint>) -> Value {
    endpoint.map_or(Value::Null, |Endpoint { tap, terminal, at_ms }| {
        json!({ "fact": tap.to_string(), "terminal": terminal, "at_ms": at_ms })
    })
}

/// A key's values. Text loses what JSON in PostgreSQL cannot hold; the packed form has it all.
fn key_values(key: &[u8]) -> Vec<Value> {
    let values = rows::key::unpack(key).unwrap_or_default();
    let value = |value| match value {
        rows::Value::Integer(integer) => json!(integer),
        rows::Value::Text(text) => json!(text.replace('\0', "\u{FFFD}")),
        rows::Value::Blob(blob) => json!(hex(&blob)),
        rows::Value::Null | rows::Value::Real(_) => Value::Null,
    };
    values.into_iter().map(value).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use sync_protocol::id::{Seq, SiteId};
    use sync_protocol::journey::{Journey, JourneyStatus};
    use sync_protocol::ledger::Rule;
    use sync_protocol::money::Money;

    use super::*;
    use crate::ledger::EntryId;
    use crate::outbox::Transition;

    const BOOKED_MS: i64 = 1_700_000_000_123;

    fn fact(seq: u64) -> FactId {
        FactId {
            site: SiteId([1; 16]),
            seq: Seq(seq),
            index: 0,
        }
    }

    #[test]
    fn a_balance_event_is_a_difference_with_a_reference() {
        let card = "CARD0001".parse().unwrap();
        let event = Event::BalanceUpdated {
            entry: EntryId {
                card,
                revision: 3,
                line: 1,
            },
            amount: Money::rupiah(-5_000),
            rule: Rule::Capture,
            fact: fact(2),
            exit: Some(fact(7)),
            reversal: false,
        };
        let expected = json!({
            "fact": "01010101010101010101010101010101:2:0",
            "exit": "01010101010101010101010101010101:7:0",
            "card": "CARD0001",
            "amount": "-5000.00",
            "kind": "CAPTURE",
            "reversal": false,
            "revision": 3,
            "line": 1,
            "transaction_reference": reference::of(fact(2)),
            "timestamp": "2023-11-14T22:13:20.123Z",
        });
        assert_eq!(event.payload(BOOKED_MS), expected);
        assert_eq!(event.key().to_string(), "balance:CARD0001:3:1");
    }

    #[test]
    fn a_journey_event_shows_the_journey() {
        let entry = Endpoint {
            tap: fact(2),
            terminal: "A".parse().unwrap(),
            at_ms: BOOKED_MS,
        };
        let event = Event::Journey {
            card: "CARD0001".parse().unwrap(),
            revision: 1,
            transition: Transition::Started,
            journey: Journey {
                entry: Some(entry),
                exit: None,
                status: JourneyStatus::Active,
                fare: Money::ZERO,
                hold: Money::rupiah(12_000),
                closed: false,
            },
        };
        let payload = event.payload(BOOKED_MS);
        assert_eq!(payload["journey"], "01010101010101010101010101010101:2:0");
        assert_eq!(payload["entry"]["terminal"], "A");
        assert_eq!(payload["exit"], Value::Null);
        assert_eq!(
            (&payload["status"], &payload["hold"]),
            (&json!("active"), &json!("12000.00"))
        );
    }

    #[test]
    fn a_row_event_names_its_row() {
        let key = rows::key::pack(&[rows::Value::Integer(3), rows::Value::Text("a\0".into())]).unwrap();
        let event = Event::RowMerged {
            change: fact(2),
            table: "gates".into(),
            key: key.clone(),
        };
        let payload = event.payload(0);
        assert_eq!(payload["key"], json!([3, "a\u{FFFD}"]));
        assert_eq!(payload["packed"], json!(hex(&key)));
    }
}
