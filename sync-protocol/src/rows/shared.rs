//! The tables that are shared today, for who merges row changes without SQLite: the hub.

use std::sync::LazyLock;

use super::{Column, Kind, Schema, TableSchema};

/// The replicated tables, as `sql/edge/migrations` declares them. A gate reads the same from its own database, and
/// its tests compare the two.
#[must_use]
pub fn shared() -> &'static Schema {
    static SHARED: LazyLock<Schema> = LazyLock::new(build);
    &SHARED
}

fn build() -> Schema {
    let (integer, text) = (required(Kind::Integer), required(Kind::Text));
    let tables = [
        (
            "terminals",
            table(
                &[Kind::Integer],
                &[
                    ("code", text),
                    ("name", text),
                    ("location", optional(Kind::Text)),
                    ("latitude", optional(Kind::Real)),
                    ("longitude", optional(Kind::Real)),
                    ("is_active", integer),
                ],
            ),
        ),
        (
            "gates",
            table(
                &[Kind::Integer],
                &[
                    ("terminal_id", integer),
                    ("gate_code", text),
                    ("type", text),
                    ("status", text),
                    ("mode", text),
                    ("address", text),
                    ("public_key", optional(Kind::Blob)),
                ],
            ),
        ),
        (
            "system_config",
            table(&[Kind::Text], &[("value", text), ("updated_at", integer)]),
        ),
        (
            "deny_list",
            table(
                &[Kind::Text, Kind::Integer, Kind::Integer],
                &[
                    ("denial", integer),
                    ("lifted", integer),
                    ("reason", text),
                    ("at_ms", integer),
                ],
            ),
        ),
    ];
    Schema {
        tables: tables.map(|(name, table)| (name.to_owned(), table)).into(),
    }
}

fn table(key: &[Kind], columns: &[(&str, Column)]) -> TableSchema {
    let columns = columns.iter().map(|(name, column)| ((*name).to_owned(), *column));
    TableSchema {
        key: key.to_vec(),
        columns: columns.collect(),
    }
}

const fn required(kind: Kind) -> Column {
    Column {
        kind,
        nullable: false,
    }
}

const fn optional(kind: Kind) -> Column {
    Column { kind, nullable: true }
}
