//! Reading a tree of settings into what the program wants, so that an error knows its place.

use std::collections::btree_map;
use std::slice;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};

use super::error::ReadError;
use super::tree::{Entry, Node, Value};

/// Reads one setting or table.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a Node);

impl<'a> Reader<'a> {
    pub(super) fn of(node: &'a Node) -> Reader<'a> {
        Reader(node)
    }

    fn at<T>(self, read: Result<T, ReadError>) -> Result<T, ReadError> {
        read.map_err(|error| error.at(&self.0.place))
    }

    fn integer<'de, V: Visitor<'de>>(text: &str, visitor: V) -> Result<V::Value, ReadError> {
        if let Ok(number) = text.parse() {
            return visitor.visit_i64(number);
        }
        match text.parse() {
            Ok(number) => visitor.visit_u64(number),
            Err(_) => Err(ReadError::invalid_type(Unexpected::Str(text), &visitor)),
        }
    }
}

/// Reads a number: whole in the file, or the text of a variable.
macro_rules! read_integer {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            match &self.0.value {
                Value::Variable(text) => self.at(Reader::integer(text, visitor)),
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

/// Reads a number that may have a fraction.
macro_rules! read_float {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            match &self.0.value {
                Value::Variable(text) => self.at(match text.parse() {
                    Ok(number) => visitor.visit_f64(number),
                    Err(_) => Err(ReadError::invalid_type(Unexpected::Str(text), &visitor)),
                }),
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

/// Reads a text, or whatever the visitor makes of one.
macro_rules! read_text {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            match &self.0.value {
                Value::Variable(text) => self.at(visitor.visit_str(text)),
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.at(match &self.0.value {
            Value::Table(entries) => visitor.visit_map(Table::new(entries.iter())),
            Value::Array(nodes) => visitor.visit_seq(Array(nodes.iter())),
            Value::Text(text) => visitor.visit_str(text),
            Value::Integer(text) => Reader::integer(text, visitor),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::Variable(text) => match (text.parse(), text.parse()) {
                (Ok(truth), _) => visitor.visit_bool(truth),
                (_, Ok(number)) => visitor.visit_i64(number),
                _ => visitor.visit_str(text),
            },
        })
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::Variable(text) => self.at(match text.parse() {
                Ok(truth) => visitor.visit_bool(truth),
                Err(_) => Err(ReadError::invalid_value(Unexpected::Str(text), &"true or false")),
            }),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::Variable(text) if text.is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.at(visitor.visit_newtype_struct(self))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let Value::Variable(text) = &self.0.value else {
            return self.deserialize_any(visitor);
        };
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let nodes: Vec<Node> = parts
            .map(|part| Node {
                value: Value::Variable(part.to_owned()),
                place: self.0.place.clone(),
            })
            .collect();
        self.at(visitor.visit_seq(Array(nodes.iter())))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.at(match &self.0.value {
            Value::Text(text) | Value::Variable(text) => {
                visitor.visit_enum(text.as_str().into_deserializer())
            }
            Value::Table(entries) => {
                visitor.visit_enum(MapAccessDeserializer::new(Table::new(entries.iter())))
            }
            _ => return self.deserialize_any(visitor),
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    read_integer! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    read_float! { deserialize_f32 deserialize_f64 }

    read_text! {
        deserialize_str deserialize_string deserialize_char deserialize_identifier deserialize_bytes
        deserialize_byte_buf
    }

    serde::forward_to_deserialize_any! { unit unit_struct map struct }
}

/// Reads a table.
struct Table<'a> {
    entries: btree_map::Iter<'a, String, Entry>,
    next: Option<(&'a str, &'a Entry)>,
}

impl<'a> Table<'a> {
    fn new(entries: btree_map::Iter<'a, String, Entry>) -> Table<'a> {
        Table { entries, next: None }
    }
}

impl<'de> MapAccess<'de> for Table<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let Some((key, entry)) = self.entries.next() else {
            return Ok(None);
        };
        self.next = Some((key, entry));
        let key: StrDeserializer<'_, ReadError> = key.as_str().into_deserializer();
        let read = seed.deserialize(key);
        read.map(Some).map_err(|error| error.at(&entry.key_place))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let (key, entry) = self
            .next
            .take()
            .expect("BUG: serde asks for a value after its key");
        let read = seed.deserialize(Reader(&entry.node));
        read.map_err(|error| error.at(&entry.node.place).inside(key))
    }
}

/// Reads a list.
struct Array<'a>(slice::Iter<'a, Node>);

impl<'de> SeqAccess<'de> for Array<'_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        self.0
            .next()
            .map(|node| seed.deserialize(Reader(node)))
            .transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}
