//! Edits of the shared tables that are made at the hub: a terminal or gate is entered, a gate's status is set.
//!
//! Pure: the merged rows in, row changes out. An edit counts one above what it replaces, so it wins over everything
//! the hub has seen; of two edits made without knowledge of each other the greater value wins (cr-sqlite's rule).

use std::fmt;
use std::str::FromStr;

use sync_protocol::changeset::PublicKey;
use sync_protocol::id::{GateCode, GateId, NodeId, Seq, SiteId, TerminalCode};
use sync_protocol::judge::REVOKED_PREFIX;
use sync_protocol::rows::{Row, RowChange, RowSet, VERSION_MAX, Value, key};
use sync_protocol::time::SECOND_MS;

/// The table of gates.
pub const GATES: &str = "gates";
/// The table of settings.
pub const SYSTEM_CONFIG: &str = "system_config";
/// The table of terminals.
pub const TERMINALS: &str = "terminals";

/// What a gate's row says about its use. Liveness is not kept there: it follows from heartbeats (D-45).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateStatus {
    /// In use.
    Online,
    /// Being worked on; does not hold the frontier.
    Maintenance,
    /// Out of order.
    Error,
    /// Taken away for good.
    Removed,
}

impl GateStatus {
    /// The word in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            GateStatus::Online => "online",
            GateStatus::Maintenance => "maintenance",
            GateStatus::Error => "error",
            GateStatus::Removed => "removed",
        }
    }
}

impl FromStr for GateStatus {
    type Err = EditError;

    fn from_str(text: &str) -> Result<GateStatus, EditError> {
        let all = [
            GateStatus::Online,
            GateStatus::Maintenance,
            GateStatus::Error,
            GateStatus::Removed,
        ];
        let found = all.into_iter().find(|status| status.name() == text);
        found.ok_or_else(|| EditError::Status(text.chars().take(40).collect()))
    }
}

/// Which directions a gate serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateType {
    /// In only.
    Entry,
    /// Out only.
    Exit,
    /// Both.
    Bidirectional,
}

impl fmt::Display for GateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GateType::Entry => "entry",
            GateType::Exit => "exit",
            GateType::Bidirectional => "bidirectional",
        })
    }
}

impl FromStr for GateType {
    type Err = EditError;

    fn from_str(text: &str) -> Result<GateType, EditError> {
        match text {
            "entry" => Ok(GateType::Entry),
            "exit" => Ok(GateType::Exit),
            "bidirectional" => Ok(GateType::Bidirectional),
            _ => Err(EditError::Type(text.chars().take(40).collect())),
        }
    }
}

/// Why an edit is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Not a status.
    #[error("{0:?} is not a gate's status: online, maintenance, error and removed are")]
    Status(String),
    /// Not a type.
    #[error("{0:?} is not a gate's type: entry, exit and bidirectional are")]
    Type(String),
    /// No gate has the code.
    #[error(
        "gate {0} is not known: enter it with `hub gate add`, or see `GET /v1/network` for those that are"
    )]
    UnknownGate(GateCode),
    /// Gates of several terminals have the code.
    #[error("gate code {0} is used at several terminals: give each gate a code of its own first")]
    Ambiguous(GateCode),
    /// No terminal has the code.
    #[error("terminal {0} is not known: load the network first, for instance with `hub sample load`")]
    UnknownTerminal(TerminalCode),
    /// The number is in use.
    #[error("gate number {0} is in use: take another one")]
    NumberTaken(u32),
    /// The code is in use.
    #[error("gate code {0} is in use: take another one")]
    CodeTaken(GateCode),
    /// The hub is node 0.
    #[error("gate number 0 is not allowed: it stands for the hub")]
    NumberZero,
    /// A cell that was edited 2^40 times.
    #[error("gate {0} cannot be edited any more: enter it anew under another number")]
    Exhausted(GateCode),
    /// Not `host:port`.
    #[error("{0:?} is not an address: write host:port")]
    Address(String),
}

/// A gate as the shared table names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateRow {
    /// Its number, and that of its node.
    pub id: GateId,
    /// Its code.
    pub code: String,
    /// The code of its terminal, when that is known.
    pub terminal: Option<String>,
    /// Which directions it serves.
    pub gate_type: String,
    /// Its status.
    pub status: String,
    /// Its mode.
    pub mode: String,
    /// Where it is reached; may be empty.
    pub address: String,
}

/// A gate to be entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGate {
    /// Its number.
    pub id: GateId,
    /// Its terminal.
    pub terminal: TerminalCode,
    /// Its code.
    pub code: GateCode,
    /// Which directions it serves.
    pub gate_type: GateType,
    /// Where its neighbours reach it, `host:port`; empty when it only dials.
    pub address: String,
}

/// The gates of the shared table, by number.
#[must_use]
pub fn gates(rows: &RowSet) -> Vec<GateRow> {
    let mut gates: Vec<GateRow> = rows
        .live_rows(GATES)
        .filter_map(|(key, row)| {
            let terminal = integer(row, "terminal_id").and_then(|id| terminal_code(rows, id));
            Some(GateRow {
                id: gate_id(key)?,
                code: text(row, "gate_code", ""),
                terminal,
                gate_type: text(row, "type", "bidirectional"),
                status: text(row, "status", "online"),
                mode: text(row, "mode", "normal"),
                address: text(row, "address", ""),
            })
        })
        .collect();
    gates.sort_by_key(|gate| gate.id);
    gates
}

/// The edit that gives a gate another status.
///
/// # Errors
/// No gate, or more than one, has the code.
pub fn set_gate_status(rows: &RowSet, code: GateCode, status: GateStatus) -> Result<RowChange, EditError> {
    let of_code = |(_, row): &(&[u8], &Row)| text(row, "gate_code", "") == code.as_str();
    let mut found = rows.live_rows(GATES).filter(of_code);
    let (key, row) = found.next().ok_or(EditError::UnknownGate(code))?;
    if found.next().is_some() {
        return Err(EditError::Ambiguous(code));
    }
    let edits = row.cells().get("status").map_or(0, |cell| cell.col_version);
    if edits >= VERSION_MAX {
        return Err(EditError::Exhausted(code));
    }
    Ok(RowChange {
        table: GATES.to_owned(),
        key: key.to_vec(),
        column: "status".to_owned(),
        value: Value::Text(status.name().to_owned()),
        col_version: edits + 1,
        causal_length: row.causal_length(),
        seq: 0,
    })
}

/// The edits that enter a gate.
///
/// # Errors
/// Its number or code is in use, or its terminal is not known.
pub fn add_gate(rows: &RowSet, gate: &NewGate) -> Result<Vec<RowChange>, EditError> {
    if gate.id.0 == 0 {
        return Err(EditError::NumberZero);
    }
    if !gate.address.is_empty() && !is_address(&gate.address) {
        return Err(EditError::Address(gate.address.chars().take(80).collect()));
    }
    let terminal = terminal_id(rows, gate.terminal).ok_or(EditError::UnknownTerminal(gate.terminal))?;
    let packed = key::pack(&[Value::Integer(i64::from(gate.id.0))]).expect("BUG: a number is a key");
    let known = rows.row(GATES, &packed);
    if known.is_some_and(Row::is_live) {
        return Err(EditError::NumberTaken(gate.id.0));
    }
    let mut live = rows.live_rows(GATES);
    if live.any(|(_, row)| text(row, "gate_code", "") == gate.code.as_str()) {
        return Err(EditError::CodeTaken(gate.code));
    }
    let columns = [
        ("terminal_id", Value::Integer(terminal)),
        ("gate_code", Value::Text(gate.code.to_string())),
        ("type", Value::Text(gate.gate_type.to_string())),
        ("status", Value::Text(GateStatus::Online.name().to_owned())),
        ("mode", Value::Text("normal".to_owned())),
        ("address", Value::Text(gate.address.clone())),
        ("public_key", Value::Null),
    ];
    let causal_length = known.map_or(0, Row::causal_length) + 1;
    let changes = columns
        .into_iter()
        .zip(0..)
        .map(|((column, value), seq)| RowChange {
            table: GATES.to_owned(),
            key: packed.clone(),
            column: column.to_owned(),
            value,
            col_version: 1,
            causal_length,
            seq,
        });
    Ok(changes.collect())
}

/// What a revocation says to everybody.
#[derive(Clone, Copy, Debug)]
pub struct Revocation<'a> {
    /// The key that links no more.
    pub key: &'a PublicKey,
    /// Whose it is.
    pub node: NodeId,
    /// Of each of its sites the last changeset that counts.
    pub sites: &'a [(SiteId, Seq)],
    /// When, milliseconds since 1970.
    pub at_ms: i64,
}

/// Most sites that a revocation names to everybody, the last ones; the hub's database names all.
const REVOKED_SITES_MAX: usize = 64;

/// The edits that revoke a key: a row of `system_config` that only the hub may write.
#[must_use]
pub fn revoke_key(rows: &RowSet, revocation: &Revocation<'_>) -> Vec<RowChange> {
    let key = revocation.key.0.iter().map(|byte| format!("{byte:02x}"));
    let key = format!("{REVOKED_PREFIX}{}", key.collect::<String>());
    let packed = key::pack(&[Value::Text(key)]).expect("BUG: a text is a key");
    let sites = revocation.sites.iter().rev().take(REVOKED_SITES_MAX);
    let sites: Vec<String> = sites.map(|(site, last)| format!("{site}:{last}")).collect();
    let value = format!("{} {}", revocation.node.0, sites.join(" "));
    let row = rows.row(SYSTEM_CONFIG, &packed);
    let causal_length = match row {
        Some(row) if row.is_live() => row.causal_length(),
        row => row.map_or(0, Row::causal_length) + 1,
    };
    let edits = |column: &str| {
        let cell = row.and_then(|row| row.cells().get(column));
        cell.map_or(0, |cell| cell.col_version).min(VERSION_MAX - 1)
    };
    let columns = [
        ("value", Value::Text(value)),
        (
            "updated_at",
            Value::Integer(revocation.at_ms.div_euclid(SECOND_MS)),
        ),
    ];
    let changes = columns
        .into_iter()
        .zip(0..)
        .map(|((column, value), seq)| RowChange {
            table: SYSTEM_CONFIG.to_owned(),
            key: packed.clone(),
            column: column.to_owned(),
            value,
            col_version: edits(column) + 1,
            causal_length,
            seq,
        });
    changes.collect()
}

fn is_address(text: &str) -> bool {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    port.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn gate_id(packed: &[u8]) -> Option<GateId> {
    match key::unpack(packed).ok()?.as_slice() {
        [Value::Integer(id)] => u32::try_from(*id).ok().map(GateId),
        _ => None,
    }
}

fn terminal_id(rows: &RowSet, code: TerminalCode) -> Option<i64> {
    let mut live = rows.live_rows(TERMINALS);
    let (packed, _) = live.find(|(_, row)| text(row, "code", "") == code.as_str())?;
    match key::unpack(packed).ok()?.as_slice() {
        [Value::Integer(id)] => Some(*id),
        _ => None,
    }
}

fn terminal_code(rows: &RowSet, id: i64) -> Option<String> {
    let packed = key::pack(&[Value::Integer(id)]).ok()?;
    let row = rows.row(TERMINALS, &packed).filter(|row| row.is_live())?;
    Some(text(row, "code", "")).filter(|code| !code.is_empty())
}

fn integer(row: &Row, column: &str) -> Option<i64> {
    match row.value(column) {
        Some(Value::Integer(integer)) => Some(*integer),
        _ => None,
    }
}

fn text(row: &Row, column: &str, default: &str) -> String {
    match row.value(column) {
        Some(Value::Text(text)) => text.clone(),
        _ => default.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> GateCode {
        text.parse().unwrap()
    }

    fn network() -> RowSet {
        let mut rows = RowSet::default();
        let terminal = RowChange {
            table: TERMINALS.to_owned(),
            key: key::pack(&[Value::Integer(1)]).unwrap(),
            column: "code".to_owned(),
            value: Value::Text("A".to_owned()),
            col_version: 1,
            causal_length: 1,
            seq: 0,
        };
        rows.merge(&terminal).unwrap();
        for change in add_gate(&rows, &gate(7, "A-ENTRY-01")).unwrap() {
            rows.merge(&change).unwrap();
        }
        rows
    }

    fn gate(id: u32, text: &str) -> NewGate {
        NewGate {
            id: GateId(id),
            terminal: "A".parse().unwrap(),
            code: code(text),
            gate_type: GateType::Entry,
            address: "10.0.0.7:7401".to_owned(),
        }
    }

    #[test]
    fn a_gate_that_was_entered_is_listed_with_its_terminal() {
        let gates = gates(&network());
        assert_eq!(gates.len(), 1);
        assert_eq!((gates[0].id, gates[0].code.as_str()), (GateId(7), "A-ENTRY-01"));
        assert_eq!(gates[0].terminal.as_deref(), Some("A"));
        assert_eq!(
            (gates[0].gate_type.as_str(), gates[0].status.as_str()),
            ("entry", "online")
        );
    }

    #[test]
    fn an_edit_wins_over_all_edits_before_it() {
        let mut rows = network();
        for status in [GateStatus::Maintenance, GateStatus::Error, GateStatus::Online] {
            let change = set_gate_status(&rows, code("A-ENTRY-01"), status).unwrap();
            assert!(rows.merge(&change).unwrap(), "{status:?}");
            assert_eq!(gates(&rows)[0].status, status.name());
        }
    }

    #[test]
    fn a_key_is_revoked_again_and_again_and_stays_so() {
        let mut rows = network();
        let (key, site) = (PublicKey([0xab; 32]), SiteId([1; 16]));
        for last in [Seq(5), Seq(9)] {
            let revocation = Revocation {
                key: &key,
                node: NodeId(7),
                sites: &[(site, last)],
                at_ms: 2_000,
            };
            for edit in revoke_key(&rows, &revocation) {
                assert!(rows.merge(&edit).unwrap(), "{edit:?}");
            }
            let named = key::pack(&[Value::Text(format!("revoked.{}", "ab".repeat(32)))]).unwrap();
            let row = rows.row(SYSTEM_CONFIG, &named).unwrap();
            assert_eq!(text(row, "value", ""), format!("7 {site}:{last}"));
            assert_eq!(integer(row, "updated_at"), Some(2));
        }
    }

    #[test]
    fn what_cannot_be_edited_is_refused_with_a_reason() {
        let rows = network();
        let unknown = set_gate_status(&rows, code("B-EXIT-01"), GateStatus::Online);
        assert_eq!(unknown, Err(EditError::UnknownGate(code("B-EXIT-01"))));
        assert_eq!(
            add_gate(&rows, &gate(7, "A-EXIT-01")),
            Err(EditError::NumberTaken(7))
        );
        assert_eq!(add_gate(&rows, &gate(0, "A-EXIT-01")), Err(EditError::NumberZero));
        let taken = Err(EditError::CodeTaken(code("A-ENTRY-01")));
        assert_eq!(add_gate(&rows, &gate(8, "A-ENTRY-01")), taken);
        let elsewhere = NewGate {
            terminal: "B".parse().unwrap(),
            ..gate(8, "B-EXIT-01")
        };
        let unknown = EditError::UnknownTerminal("B".parse().unwrap());
        assert_eq!(add_gate(&rows, &elsewhere), Err(unknown));
        for address in ["host", ":7401", "host:0", "host:port"] {
            let gate = NewGate {
                address: address.to_owned(),
                ..gate(8, "A-EXIT-01")
            };
            assert_eq!(
                add_gate(&rows, &gate),
                Err(EditError::Address(address.to_owned()))
            );
        }
        assert!(matches!(
            "offline".parse::<GateStatus>(),
            Err(EditError::Status(_))
        ));
    }
}
