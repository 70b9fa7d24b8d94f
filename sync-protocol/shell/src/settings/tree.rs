//! Settings as they stand: a tree of which every part knows where it was written.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::SettingsError;

/// Where a setting was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the file.
    File { line: usize, column: usize },
    /// In a variable of the environment.
    Variable(String),
}

/// A setting, or a table of settings.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Table(BTreeMap<String, Entry>),
    Array(Vec<Node>),
    Text(String),
    Integer(String),
    Float(f64),
    Bool(bool),
    /// Text of a variable: what it means is known once it is known what is wanted.
    Variable(String),
}

/// What a table holds under a key.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key_place: Place,
    pub(super) node: Node,
}

impl Node {
    /// No settings.
    pub(super) fn empty() -> Node {
        Node {
            value: Value::Table(BTreeMap::new()),
            place: Place::File { line: 1, column: 1 },
        }
    }
}

/// Reads a file.
pub(super) fn read_file(path: &Path) -> Result<Node, SettingsError> {
    let text = fs::read_to_string(path).map_err(|source| SettingsError::Read {
        path: path.to_owned(),
        source,
    })?;
    let lines = Lines(&text);
    let table = DeTable::parse(&text).map_err(|error| {
        let (line, column) = lines.of(error.span().map_or(0, |span| span.start));
        SettingsError::File {
            path: path.to_owned(),
            line,
            column,
            what: error.message().to_owned(),
        }
    })?;
    Ok(Node {
        value: Value::Table(lines.table(table.into_inner())),
        place: Place::File { line: 1, column: 1 },
    })
}

/// The text of a file, to find lines in.
#[derive(Clone, Copy)]
struct Lines<'a>(&'a str);

impl Lines<'_> {
    /// Line and column of a byte, both from 1.
    fn of(self, offset: usize) -> (usize, usize) {
        let before = self.0.get(..offset).unwrap_or(self.0);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    fn place(self, offset: usize) -> Place {
        let (line, column) = self.of(offset);
        Place::File { line, column }
    }

    fn table(self, table: DeTable<'_>) -> BTreeMap<String, Entry> {
        let entries = table.into_iter().map(|(key, value)| {
            let entry = Entry {
                key_place: self.place(key.span().start),
                node: self.node(value),
            };
            (key.into_inner().into_owned(), entry)
        });
        entries.collect()
    }

    fn node(self, value: Spanned<DeValue<'_>>) -> Node {
        let place = self.place(value.span().start);
        let value = match value.into_inner() {
            DeValue::String(text) => Value::Text(text.into_owned()),
            // Held as text: it is not known yet how wide an integer is wanted.
            DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Integer(number.to_string()),
                Err(_) => Value::Integer(number.as_str().to_owned()),
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => Value::Float(number),
                Err(_) => Value::Text(number.as_str().to_owned()),
            },
            DeValue::Boolean(truth) => Value::Bool(truth),
            DeValue::Datetime(time) => Value::Text(time.to_string()),
            DeValue::Array(values) => {
                Value::Array(values.into_iter().map(|value| self.node(value)).collect())
            }
            DeValue::Table(table) => Value::Table(self.table(table)),
        };
        Node { value, place }
    }
}

/// Lays the environment's variables over a tree.
pub(super) fn overlay(
    root: &mut Node,
    prefix: &str,
    env: impl Iterator<Item = (String, String)>,
) -> Result<(), SettingsError> {
    let variables: BTreeMap<String, String> = env.filter(|(name, _)| name.starts_with(prefix)).collect();
    for (name, text) in variables {
        let keys = name[prefix.len()..].to_ascii_lowercase();
        let keys: Vec<&str> = keys.split("__").collect();
        set(root, &name, &keys, text)?;
    }
    Ok(())
}

fn set(root: &mut Node, name: &str, keys: &[&str], text: String) -> Result<(), SettingsError> {
    let refused = |what: String| SettingsError::Variable {
        name: name.to_owned(),
        what,
    };
    if keys.iter().any(|key| key.is_empty()) {
        let what = "two underscores stand between a table and its key, none at the ends";
        return Err(refused(what.to_owned()));
    }
    let place = Place::Variable(name.to_owned());
    let mut node = root;
    for key in keys {
        let Value::Table(entries) = &mut node.value else {
            return Err(refused(format!("there is no table that {key} could be set in")));
        };
        let entry = entries.entry((*key).to_owned()).or_insert_with(|| Entry {
            key_place: place.clone(),
            node: Node {
                value: Value::Table(BTreeMap::new()),
                place: place.clone(),
            },
        });
        node = &mut entry.node;
    }
    node.value = Value::Variable(text);
    node.place = place;
    Ok(())
}
