//! A TOML text as it is read piece by piece, each piece with its place in the text: an error names its own line even
//! inside a `[[fault]]` whose keys depend on its `kind`.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// A table with its place in the text.
pub(super) type Table<'text> = Spanned<DeTable<'text>>;

/// What is not allowed, and where it is written.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Bytes of the text before it.
    pub(super) offset: usize,
    /// What is wrong and what is allowed.
    pub(super) message: String,
}

impl Wrong {
    /// Something at an offset of the text.
    pub(super) fn at(offset: usize, message: impl Into<String>) -> Wrong {
        Wrong {
            offset,
            message: message.into(),
        }
    }

    /// The same, with the name of what it is about before it.
    #[must_use]
    pub(super) fn within(self, what: &str) -> Wrong {
        Wrong {
            message: format!("{what}: {}", self.message),
            ..self
        }
    }

    /// What serde says about a piece that lies at `offset`.
    fn of(error: &toml::de::Error, offset: usize) -> Wrong {
        Wrong::at(
            error.span().map_or(offset, |span| span.start),
            error.message().to_owned(),
        )
    }
}

/// A whole text.
pub(super) struct Document<'text> {
    root: Table<'text>,
}

impl<'text> Document<'text> {
    /// Reads a text as TOML.
    pub(super) fn parse(text: &'text str) -> Result<Document<'text>, Wrong> {
        DeTable::parse(text)
            .map(|root| Document { root })
            .map_err(|error| Wrong::of(&error, 0))
    }

    /// Takes the tables of an array out, such as every `[[fault]]`; none when there is no such key.
    pub(super) fn take_tables(&mut self, key: &str) -> Result<Vec<Table<'text>>, Wrong> {
        let Some(value) = self.root.get_mut().remove(key) else {
            return Ok(Vec::new());
        };
        let offset = value.span().start;
        let not_tables = || Wrong::at(offset, format!("{key}: write [[{key}]] before each"));
        let DeValue::Array(values) = value.into_inner() else {
            return Err(not_tables());
        };
        let into_table = |value: Spanned<DeValue<'text>>| {
            let span = value.span();
            match value.into_inner() {
                DeValue::Table(table) => Ok(Spanned::new(span, table)),
                _ => Err(not_tables()),
            }
        };
        values.into_iter().map(into_table).collect()
    }

    /// Where the values of one of its tables are written.
    pub(super) fn spans_in(&self, key: &str) -> Spans {
        self.root
            .get_ref()
            .get(key)
            .map_or_else(Spans::default, Spans::of_value)
    }

    /// Takes one value out.
    pub(super) fn take(&mut self, key: &str) -> Option<Spanned<DeValue<'text>>> {
        self.root.get_mut().remove(key)
    }

    /// Reads what has not been taken out.
    pub(super) fn read_rest<T: DeserializeOwned>(self) -> Result<T, Wrong> {
        read(self.root)
    }
}

/// Where the values of a table are written.
#[derive(Default)]
pub(super) struct Spans {
    table: usize,
    keys: BTreeMap<String, usize>,
}

impl Spans {
    /// Of every key of a table.
    pub(super) fn of(table: &Table<'_>) -> Spans {
        Spans::new(table.span().start, Some(table.get_ref()))
    }

    /// Of a value: of its keys as well when it is a table.
    pub(super) fn of_value(value: &Spanned<DeValue<'_>>) -> Spans {
        Spans::new(value.span().start, value.get_ref().as_table())
    }

    fn new(start: usize, table: Option<&DeTable<'_>>) -> Spans {
        let values = table.into_iter().flatten();
        Spans {
            table: start,
            keys: values
                .map(|(key, value)| (key.get_ref().to_string(), value.span().start))
                .collect(),
        }
    }

    /// Of one key; of the table when it has no such key.
    pub(super) fn of_key(&self, key: &str) -> usize {
        self.find(key).unwrap_or(self.table)
    }

    /// Of one key, if the table has it.
    pub(super) fn find(&self, key: &str) -> Option<usize> {
        self.keys.get(key).copied()
    }
}

/// Moves these keys into a table of their own.
pub(super) fn split_off<'text>(table: &mut Table<'text>, keys: &[&str]) -> Table<'text> {
    let span = table.span();
    let (own, rest) = std::mem::take(table.get_mut())
        .into_iter()
        .partition(|(key, _)| keys.contains(&key.get_ref().as_ref()));
    *table.get_mut() = rest;
    Spanned::new(span, own)
}

/// Reads a table.
pub(super) fn read<T: DeserializeOwned>(table: Table<'_>) -> Result<T, Wrong> {
    let span = table.span();
    let value = Spanned::new(span.clone(), DeValue::Table(table.into_inner()));
    T::deserialize(ValueDeserializer::from(value)).map_err(|error| Wrong::of(&error, span.start))
}

/// The `kind` of a table.
pub(super) fn kind_of<'table>(table: &'table Table<'_>) -> Result<&'table str, Wrong> {
    let kind = table.get_ref().get("kind");
    let kind = kind.ok_or_else(|| Wrong::at(table.span().start, "missing field `kind`"))?;
    let text = kind.get_ref().as_str();
    text.ok_or_else(|| Wrong::at(kind.span().start, "kind: a name in quotes is allowed"))
}

/// Reads a table whose `kind` names the variant of an enum and whose other keys are the variant's fields. Unlike
/// serde's own tag this keeps the place of every key.
pub(super) fn read_tagged<T: DeserializeOwned>(mut table: Table<'_>) -> Result<T, Wrong> {
    let span = table.span();
    let kind = kind_of(&table)?.to_owned();
    let kind_key = table.get_mut().remove_entry("kind");
    let kind_span = kind_key.map_or(span.clone(), |(_, value)| value.span());
    let first_key = table.get_ref().keys().next();
    let first_key = first_key.map(|key| (key.get_ref().to_string(), key.span().start));
    let fields = DeValue::Table(std::mem::take(table.get_mut()));
    let tag = Spanned::new(kind_span.clone(), kind.clone().into());
    let tagged = DeTable::from_iter([(tag, Spanned::new(span.clone(), fields))]);
    let value = Spanned::new(span.clone(), DeValue::Table(tagged));
    T::deserialize(ValueDeserializer::from(value)).map_err(|error| {
        // A variant without fields complains of the whole table: say which key is too many.
        match first_key {
            Some((key, offset)) if error.message() == "expected empty table" => Wrong::at(
                offset,
                format!("unknown field `{key}`: {kind} has no fields of its own"),
            ),
            _ => Wrong::of(&error, kind_span.start),
        }
    })
}
