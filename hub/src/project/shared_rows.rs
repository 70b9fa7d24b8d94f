//! Terminals and gates out of the merged shared tables: which rows the service's tables take, and why not the others.
//!
//! Columns of the shared tables arrive one by one and are not checked against each other (D-13), so a row may be
//! incomplete, and two rows may claim one code. Pure: the same merged rows give the same judgement, in whatever order
//! they came.

use std::collections::BTreeMap;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sync_protocol::id::{GateCode, TerminalCode};
use sync_protocol::rows::{Row, RowChange, RowSet, SENTINEL, Value, key};

use super::{ProjectError, TRANSACTIONS};

/// Most characters of a terminal's name: R-11.
const NAME_CHARS_MAX: usize = 100;

/// A terminal as the service shows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Terminal {
    pub(super) id: i32,
    pub(super) code: TerminalCode,
    pub(super) name: String,
    pub(super) location: Option<String>,
    pub(super) latitude: Option<f64>,
    pub(super) longitude: Option<f64>,
    pub(super) is_active: bool,
}

/// A gate as the service shows it, without what follows from heartbeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gate {
    pub(super) id: i64,
    pub(super) terminal_id: i32,
    pub(super) code: GateCode,
    pub(super) gate_type: String,
    pub(super) status: String,
    pub(super) mode: String,
}

/// A row that is not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    pub(super) table: &'static str,
    pub(super) key: String,
    pub(super) reason: String,
}

/// What the merged rows come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Judged {
    /// By id.
    pub(super) terminals: Vec<Terminal>,
    /// By id.
    pub(super) gates: Vec<Gate>,
    /// In order of their tables and keys.
    pub(super) rejected: Vec<Rejected>,
}

impl Judged {
    /// The id of each terminal by its code.
    pub(super) fn ids(&self) -> BTreeMap<TerminalCode, i32> {
        self.terminals
            .iter()
            .map(|terminal| (terminal.code, terminal.id))
            .collect()
    }
}

/// The cells of the table `rows`, merged.
pub(super) fn merged(cells: &[PgRow]) -> Result<RowSet, ProjectError> {
    let mut rows = RowSet::default();
    for cell in cells {
        let change = change(cell).map_err(ProjectError::of(TRANSACTIONS))?;
        rows.merge(&change)
            .map_err(|refusal| ProjectError::unreadable(format!("rows, {change}"), refusal))?;
    }
    Ok(rows)
}

fn change(cell: &PgRow) -> Result<RowChange, sqlx::Error> {
    let column: String = cell.try_get("column_name")?;
    let value = match cell.try_get("value_type")? {
        "integer" => Value::Integer(cell.try_get("value_integer")?),
        "real" => Value::real(cell.try_get("value_real")?),
        // A text with NUL in it is kept as bytes there; nothing that is shown may hold one.
        "text" => Value::Text(
            cell.try_get::<Option<String>, _>("value_text")?
                .unwrap_or_default(),
        ),
        "blob" => Value::Blob(Vec::new()),
        _ => Value::Null,
    };
    Ok(RowChange {
        table: cell.try_get("table_name")?,
        key: cell.try_get("key")?,
        value: if column == SENTINEL { Value::Null } else { value },
        column,
        col_version: cell.try_get("col_version")?,
        causal_length: cell.try_get("causal_length")?,
        seq: 0,
    })
}

/// Judges the merged rows. Of two rows that claim one code the lower id has it, as on gates.
pub(super) fn judge(rows: &RowSet) -> Judged {
    let mut judged = Judged::default();
    let mut owners: BTreeMap<TerminalCode, i32> = BTreeMap::new();
    for (id, row) in by_id(rows, "terminals") {
        let known = terminal(id, row).and_then(|terminal| match owners.get(&terminal.code) {
            Some(owner) => Err(format!("code {} belongs to terminal {owner}", terminal.code)),
            None => Ok(terminal),
        });
        match known {
            Ok(terminal) => {
                owners.insert(terminal.code, terminal.id);
                judged.terminals.push(terminal);
            }
            Err(reason) => judged.reject("terminals", id, reason),
        }
    }
    let mut owners: BTreeMap<(i32, GateCode), i64> = BTreeMap::new();
    for (id, row) in by_id(rows, "gates") {
        let known = gate(id, row, &judged.terminals).and_then(|gate| {
            match owners.get(&(gate.terminal_id, gate.code)) {
                Some(owner) => Err(format!("code {} belongs to gate {owner}", gate.code)),
                None => Ok(gate),
            }
        });
        match known {
            Ok(gate) => {
                owners.insert((gate.terminal_id, gate.code), gate.id);
                judged.gates.push(gate);
            }
            Err(reason) => judged.reject("gates", id, reason),
        }
    }
    judged
}

impl Judged {
    fn reject(&mut self, table: &'static str, id: i64, reason: String) {
        let key = id.to_string();
        self.rejected.push(Rejected { table, key, reason });
    }
}

/// The live rows of a table whose key is one integer, by that.
fn by_id<'a>(rows: &'a RowSet, table: &str) -> BTreeMap<i64, &'a Row> {
    let live = rows.live_rows(table);
    live.filter_map(|(packed, row)| match key::unpack(packed).ok()?.as_slice() {
        [Value::Integer(id)] => Some((*id, row)),
        _ => None,
    })
    .collect()
}

fn terminal(id: i64, row: &Row) -> Result<Terminal, String> {
    let id = i32::try_from(id).ok().filter(|id| *id > 0);
    let code = text(row, "code").unwrap_or_default();
    Ok(Terminal {
        id: id.ok_or("a terminal's id lies between 1 and 2147483647")?,
        code: code.parse().map_err(|error| format!("{error}"))?,
        name: text(row, "name")
            .unwrap_or_default()
            .chars()
            .take(NAME_CHARS_MAX)
            .collect(),
        location: text(row, "location").map(str::to_owned),
        latitude: degrees(row, "latitude", 90),
        longitude: degrees(row, "longitude", 180),
        is_active: row.value("is_active") != Some(&Value::Integer(0)),
    })
}

fn gate(id: i64, row: &Row, terminals: &[Terminal]) -> Result<Gate, String> {
    let terminal = match row.value("terminal_id") {
        Some(Value::Integer(id)) => i32::try_from(*id).ok(),
        _ => None,
    };
    let terminal_id = terminal.filter(|id| terminals.iter().any(|terminal| terminal.id == *id));
    if id <= 0 {
        return Err("a gate's id is above 0".to_owned());
    }
    let code = text(row, "gate_code").unwrap_or_default();
    Ok(Gate {
        id,
        terminal_id: terminal_id.ok_or("its terminal is not known")?,
        code: code.parse().map_err(|error| format!("{error}"))?,
        gate_type: word(row, "type", &["bidirectional", "entry", "exit"])?,
        status: word(row, "status", &["online", "maintenance", "error", "removed"])?,
        mode: word(row, "mode", &["normal", "closed", "free_flow"])?,
    })
}

fn text<'a>(row: &'a Row, column: &str) -> Option<&'a str> {
    match row.value(column) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// One of the words a column may hold; the first when it holds none.
fn word(row: &Row, column: &str, allowed: &[&str]) -> Result<String, String> {
    let Some(found) = text(row, column) else {
        return Ok(allowed.first().copied().unwrap_or_default().to_owned());
    };
    match allowed.contains(&found) {
        true => Ok(found.to_owned()),
        false => Err(format!("{column} {found:?} is none of {}", allowed.join(", "))),
    }
}

/// A coordinate, when there is one on this planet.
fn degrees(row: &Row, column: &str, most: i32) -> Option<f64> {
    let degrees = match row.value(column) {
        Some(Value::Real(bits)) => f64::from_bits(*bits),
        _ => return None,
    };
    (degrees.abs() <= f64::from(most)).then_some(degrees)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(rows: &mut RowSet, table: &str, id: i64, cells: &[(&str, Value)]) {
        for (column, value) in cells {
            let change = RowChange {
                table: table.to_owned(),
                key: key::pack(&[Value::Integer(id)]).unwrap(),
                column: (*column).to_owned(),
                value: value.clone(),
                col_version: 1,
                causal_length: 1,
                seq: 0,
            };
            rows.merge(&change).unwrap();
        }
    }

    fn word(word: &str) -> Value {
        Value::Text(word.to_owned())
    }

    fn reasons(judged: &Judged) -> Vec<String> {
        let reason =
            |rejected: &Rejected| format!("{} {}: {}", rejected.table, rejected.key, rejected.reason);
        judged.rejected.iter().map(reason).collect()
    }

    #[test]
    fn a_whole_row_is_taken_and_defaults_fill_what_has_not_come() {
        let mut rows = RowSet::default();
        set(
            &mut rows,
            "terminals",
            1,
            &[("code", word("A")), ("latitude", Value::real(-7.25))],
        );
        set(
            &mut rows,
            "gates",
            4,
            &[("terminal_id", Value::Integer(1)), ("gate_code", word("A-BI-01"))],
        );
        let judged = judge(&rows);
        assert_eq!(judged.rejected, []);
        let terminal = &judged.terminals[0];
        assert_eq!((terminal.name.as_str(), terminal.is_active), ("", true));
        assert_eq!((terminal.latitude, terminal.longitude), (Some(-7.25), None));
        let gate = &judged.gates[0];
        assert_eq!(
            (gate.gate_type.as_str(), gate.status.as_str(), gate.mode.as_str()),
            ("bidirectional", "online", "normal")
        );
    }

    #[test]
    fn of_two_claims_the_lower_id_has_the_code() {
        let mut rows = RowSet::default();
        set(&mut rows, "terminals", 9, &[("code", word("A"))]);
        set(&mut rows, "terminals", 2, &[("code", word("A"))]);
        for id in [6, 5] {
            set(
                &mut rows,
                "gates",
                id,
                &[("terminal_id", Value::Integer(2)), ("gate_code", word("A-1"))],
            );
        }
        let judged = judge(&rows);
        assert_eq!(judged.ids(), [("A".parse().unwrap(), 2)].into());
        assert_eq!(judged.gates.len(), 1);
        assert_eq!(judged.gates[0].id, 5);
        assert_eq!(
            reasons(&judged),
            [
                "terminals 9: code A belongs to terminal 2",
                "gates 6: code A-1 belongs to gate 5"
            ]
        );
    }

    #[test]
    fn what_cannot_be_shown_is_named_with_its_reason() {
        let mut rows = RowSet::default();
        set(&mut rows, "terminals", 1, &[("name", word("without a code"))]);
        set(&mut rows, "terminals", -3, &[("code", word("A"))]);
        set(
            &mut rows,
            "terminals",
            2,
            &[("code", word("B")), ("latitude", Value::real(95.0))],
        );
        set(&mut rows, "gates", 1, &[("gate_code", word("A-1"))]);
        set(
            &mut rows,
            "gates",
            2,
            &[
                ("terminal_id", Value::Integer(2)),
                ("gate_code", word("B-1")),
                ("status", word("melted")),
            ],
        );
        let judged = judge(&rows);
        assert_eq!(judged.terminals.len(), 1);
        assert_eq!(judged.terminals[0].latitude, None, "no such place");
        assert_eq!(judged.gates, []);
        let reasons = reasons(&judged);
        assert_eq!(
            reasons[0],
            "terminals -3: a terminal's id lies between 1 and 2147483647"
        );
        assert!(reasons[1].starts_with("terminals 1: \"\" is not a terminal code"));
        assert_eq!(reasons[2], "gates 1: its terminal is not known");
        assert!(reasons[3].starts_with("gates 2: status \"melted\" is none of"));
    }
}
