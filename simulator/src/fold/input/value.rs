//! JSON values with messages that name the field, quote what stands there and say what is allowed.
//!
//! Values are kept as they are written until somebody asks for one, so `5000.0` is refused as `5000.0` and no number
//! ever passes through floating point. A name given twice in one object is refused.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use sync_protocol::money::{Money, MoneyError};

/// Longest piece of a wrong value quoted in a message, in characters.
const QUOTED_CHARS_MAX: usize = 60;

/// Most fields of one object: more than any fact has.
const FIELDS_MAX: usize = 32;

/// What is wrong with a line, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    what: String,
    allowed: String,
}

impl Wrong {
    pub(super) fn new(what: impl Into<String>, allowed: impl Into<String>) -> Wrong {
        let (what, allowed) = (what.into(), allowed.into());
        Wrong { what, allowed }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.allowed)
    }
}

/// The fields of an object, in the order of writing.
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Reads an object from a line.
    pub(super) fn read(text: &'a str) -> Result<Fields<'a>, Wrong> {
        serde_json::from_str(text).map_err(|error| {
            let message = error.to_string();
            let (what, _) = message.split_once(" at line").unwrap_or((&message, ""));
            let place = match error.column() {
                0 => String::new(),
                column => format!("column {column}: "),
            };
            Wrong::new(format!("{place}{what}"), "one JSON object a line is allowed")
        })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_ref())
    }

    /// A field that must be there.
    pub(super) fn get<A: Into<String>>(
        &self,
        name: &'static str,
        allowed: impl Fn() -> A,
    ) -> Result<Value<'a>, Wrong> {
        self.optional(name)
            .ok_or_else(|| Wrong::new(format!("field {name:?} is missing"), allowed()))
    }

    /// A field known to be there.
    pub(super) fn required(&self, name: &'static str) -> Value<'a> {
        self.optional(name)
            .expect("BUG: the fields of a line are checked before they are read")
    }

    /// A field, unless it is absent or null.
    pub(super) fn optional(&self, field: &'static str) -> Option<Value<'a>> {
        let (_, raw) = self.0.iter().find(|(name, _)| name == field)?;
        (raw.get() != "null").then_some(Value { field, raw })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields<'a>, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields: Self::Value = Vec::with_capacity(16);
                while let Some((Name(name), value)) = map.next_entry()? {
                    if fields.len() == FIELDS_MAX {
                        return Err(serde::de::Error::custom(format_args!(
                            "more than {FIELDS_MAX} fields"
                        )));
                    }
                    if fields.iter().any(|(known, _)| *known == name) {
                        let name = clipped(&name);
                        return Err(serde::de::Error::custom(format_args!(
                            "field {name:?} is given twice"
                        )));
                    }
                    fields.push((name, value));
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Object).map(Fields)
    }
}

/// A text, borrowed where it holds no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name<'a>, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }

        deserializer.deserialize_str(Text).map(Name)
    }
}

/// A value as it is written, and the field it belongs to.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    field: &'static str,
    raw: &'a RawValue,
}

impl<'a> Value<'a> {
    /// Says that the value is none of what is allowed.
    pub(super) fn wrong(&self, allowed: impl Into<String>) -> Wrong {
        let quoted = clipped(self.raw.get());
        Wrong::new(format!("field {:?} is {quoted}", self.field), allowed)
    }

    pub(super) fn text(&self) -> Result<Cow<'a, str>, Wrong> {
        let Name(text) = serde_json::from_str(self.raw.get()).map_err(|_| self.wrong("a text is allowed"))?;
        Ok(text)
    }

    /// A whole number, written as one: neither a text nor a decimal.
    pub(super) fn number<T>(&self, range: RangeInclusive<T>) -> Result<T, Wrong>
    where
        T: DeserializeOwned + PartialOrd + fmt::Display,
    {
        let number = serde_json::from_str(self.raw.get()).ok();
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let (first, last) = (range.start(), range.end());
            self.wrong(format!("a whole number from {first} to {last} is allowed"))
        })
    }

    /// An amount of at least `least`, written as a text.
    pub(super) fn amount(&self, least: Money) -> Result<Money, Wrong> {
        let allowed = || {
            let last = Money::AMOUNT_MAX;
            format!("a text such as \"5000.00\", from \"{least}\" to \"{last}\", is allowed")
        };
        let parsed = self.text().map(|text| text.parse::<Money>());
        let amount: Option<Money> = parsed.ok().and_then(|parsed: Result<_, MoneyError>| parsed.ok());
        amount
            .filter(|amount| *amount >= least)
            .ok_or_else(|| self.wrong(allowed()))
    }

    /// An identifier; `allowed` says which.
    pub(super) fn identifier<T: FromStr>(&self, allowed: &str) -> Result<T, Wrong> {
        let text = self.text().ok();
        text.and_then(|text| text.parse().ok())
            .ok_or_else(|| self.wrong(format!("{allowed} is allowed")))
    }

    /// One of several texts.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, Wrong> {
        let text = self.text().ok();
        let chosen = choices.iter().find(|(name, _)| text.as_deref() == Some(*name));
        chosen
            .map(|(_, choice)| *choice)
            .ok_or_else(|| self.wrong_choice(choices))
    }

    /// One of several words of JSON itself.
    pub(super) fn choice_of_words<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, Wrong> {
        let chosen = choices.iter().find(|(name, _)| self.raw.get() == *name);
        chosen
            .map(|(_, choice)| *choice)
            .ok_or_else(|| self.wrong_choice(choices))
    }

    fn wrong_choice<T>(&self, choices: &[(&str, T)]) -> Wrong {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        self.wrong(format!("{} is allowed", listed(&names, "or")))
    }

    pub(super) fn list(&self, allowed: &str) -> Result<Vec<Value<'a>>, Wrong> {
        let raws: Vec<&'a RawValue> =
            serde_json::from_str(self.raw.get()).map_err(|_| self.wrong(allowed))?;
        let field = self.field;
        Ok(raws.into_iter().map(|raw| Value { field, raw }).collect())
    }

    pub(super) fn object(&self, allowed: &str) -> Result<Fields<'a>, Wrong> {
        serde_json::from_str(self.raw.get()).map_err(|_| self.wrong(allowed))
    }
}

/// "a, b and c", or another last word.
pub(super) fn listed(names: &[&str], last_word: &str) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} {last_word} {last}", first.join(", ")),
    }
}

/// As much of a text as a message quotes.
pub(super) fn clipped(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}
