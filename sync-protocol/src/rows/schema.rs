//! What a replica takes: its tables, and the types of their columns.
//!
//! Types are checked before merging because SQLite converts what does not fit (text `'5'` in an INTEGER column
//! becomes 5). Replicas would then compare different values for the same change and diverge.
//! Invariant: a change that passes [`Schema::check`] is stored by SQLite exactly as it is.

use std::collections::BTreeMap;

use super::{Refusal, RowChange, Value, key};

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 64-bit integers only.
    Integer,
    /// Doubles only.
    Real,
    /// Text only.
    Text,
    /// Bytes only.
    Blob,
    /// Any value; SQLite must not convert it (ANY of a STRICT table, or no declared type).
    Any,
}

impl Kind {
    /// Whether SQLite stores `value` in a column of this type as it is. NULL never fits: see [`Column::nullable`].
    pub fn fits(self, value: &Value) -> bool {
        match value {
            Value::Null => false,
            Value::Integer(_) => matches!(self, Kind::Integer | Kind::Any),
            Value::Real(_) => matches!(self, Kind::Real | Kind::Any),
            Value::Text(_) => matches!(self, Kind::Text | Kind::Any),
            Value::Blob(_) => matches!(self, Kind::Blob | Kind::Any),
        }
    }
}

/// A column outside the primary key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its type.
    pub kind: Kind,
    /// Whether it takes NULL.
    pub nullable: bool,
}

/// A replicated table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableSchema {
    /// Types of the primary key columns, in key order.
    pub key: Vec<Kind>,
    /// The other columns by name.
    pub columns: BTreeMap<String, Column>,
}

/// The replicated tables by name; a change to any other table or column is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// Tables by name.
    pub tables: BTreeMap<String, TableSchema>,
}

impl Schema {
    /// Refuses a change that this schema cannot store exactly as it is, and all that [`RowChange::check`] refuses.
    pub fn check(&self, change: &RowChange) -> Result<(), Refusal> {
        change.check()?;
        let table = self
            .tables
            .get(&change.table)
            .ok_or_else(|| Refusal::UnknownTable {
                table: change.table.clone(),
            })?;
        table.check_key(change)?;
        if change.is_sentinel() {
            return table.check_sentinel(change);
        }
        let column = table
            .columns
            .get(&change.column)
            .ok_or_else(|| Refusal::UnknownColumn {
                table: change.table.clone(),
                column: change.column.clone(),
            })?;
        let fits = match change.value {
            Value::Null => column.nullable,
            _ => column.kind.fits(&change.value),
        };
        match fits {
            true => Ok(()),
            false => Err(Refusal::ValueMismatch {
                table: change.table.clone(),
                column: change.column.clone(),
            }),
        }
    }
}

impl TableSchema {
    fn check_key(&self, change: &RowChange) -> Result<(), Refusal> {
        let values = key::unpack(&change.key)?;
        let fits = values.len() == self.key.len()
            && self.key.iter().zip(&values).all(|(kind, value)| kind.fits(value));
        match fits {
            true => Ok(()),
            false => Err(Refusal::KeyMismatch {
                table: change.table.clone(),
            }),
        }
    }

    /// A first insertion announces its columns, and the row itself only when there are none. A bare creation
    /// would be recorded by a replica without the row, and ignored by one which has it.
    fn check_sentinel(&self, change: &RowChange) -> Result<(), Refusal> {
        match change.causal_length == 1 && !self.columns.is_empty() {
            true => Err(Refusal::BareCreation {
                table: change.table.clone(),
            }),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{SENTINEL, VERSION_MAX};
    use super::*;

    fn schema() -> Schema {
        let columns = [
            (
                "name".to_owned(),
                Column {
                    kind: Kind::Text,
                    nullable: false,
                },
            ),
            (
                "latitude".to_owned(),
                Column {
                    kind: Kind::Real,
                    nullable: true,
                },
            ),
        ];
        let terminals = TableSchema {
            key: vec![Kind::Integer],
            columns: columns.into(),
        };
        let pairs = TableSchema {
            key: vec![Kind::Text, Kind::Blob],
            columns: BTreeMap::new(),
        };
        Schema {
            tables: [("terminals".to_owned(), terminals), ("pairs".to_owned(), pairs)].into(),
        }
    }

    fn change(column: &str, value: Value) -> RowChange {
        RowChange {
            table: "terminals".to_owned(),
            key: key::pack(&[Value::Integer(7)]).unwrap(),
            column: column.to_owned(),
            value,
            col_version: 1,
            causal_length: 1,
            seq: 0,
        }
    }

    #[test]
    fn takes_what_fits_and_names_what_does_not() {
        let schema = schema();
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(schema.check(&change("name", text("Bundaran"))), Ok(()));
        assert_eq!(schema.check(&change("latitude", Value::real(-6.1))), Ok(()));
        assert_eq!(schema.check(&change("latitude", Value::Null)), Ok(()));

        let mismatch = |column: &str| {
            Err(Refusal::ValueMismatch {
                table: "terminals".to_owned(),
                column: column.to_owned(),
            })
        };
        assert_eq!(schema.check(&change("name", Value::Null)), mismatch("name"));
        assert_eq!(schema.check(&change("name", Value::Integer(5))), mismatch("name"));
        assert_eq!(
            schema.check(&change("latitude", Value::Integer(5))),
            mismatch("latitude")
        );
        assert!(matches!(
            schema.check(&change("id", Value::Integer(5))),
            Err(Refusal::UnknownColumn { .. })
        ));
        assert!(matches!(
            schema.check(&change(SENTINEL, Value::Null)),
            Err(Refusal::BareCreation { .. })
        ));
    }

    #[test]
    fn refuses_keys_of_another_shape() {
        let schema = schema();
        for values in [
            vec![Value::Text("7".to_owned())],
            vec![Value::Integer(7), Value::Integer(7)],
        ] {
            let mut change = change("name", Value::Text(String::new()));
            change.key = key::pack(&values).unwrap();
            assert_eq!(
                schema.check(&change),
                Err(Refusal::KeyMismatch {
                    table: "terminals".to_owned()
                })
            );
        }
    }

    #[test]
    fn refuses_a_sentinel_that_contradicts_itself() {
        let sentinel = RowChange {
            col_version: 3,
            causal_length: 3,
            ..change(SENTINEL, Value::Null)
        };
        assert_eq!(schema().check(&sentinel), Ok(()));
        let version = RowChange {
            col_version: 5,
            ..sentinel.clone()
        };
        let value = RowChange {
            value: Value::Integer(3),
            ..sentinel
        };
        for change in [version, value] {
            assert_eq!(change.check(), Err(Refusal::Sentinel));
        }
    }

    #[test]
    fn refuses_versions_that_would_stop_cr_sqlite() {
        let good = change("name", Value::Text(String::new()));
        for version in [i64::MIN, -1, VERSION_MAX + 1, i64::MAX] {
            let bad = RowChange {
                col_version: version,
                ..good.clone()
            };
            assert_eq!(bad.check(), Err(Refusal::ColVersion { col_version: version }));
            let bad = RowChange {
                causal_length: version,
                ..good.clone()
            };
            assert_eq!(
                bad.check(),
                Err(Refusal::CausalLength {
                    causal_length: version
                })
            );
            let bad = RowChange {
                seq: version,
                ..good.clone()
            };
            assert_eq!(bad.check(), Err(Refusal::Seq { seq: version }));
        }
        assert_eq!(
            RowChange {
                causal_length: 2,
                ..good
            }
            .check(),
            Err(Refusal::ColumnOfDeletedRow)
        );
    }
}
