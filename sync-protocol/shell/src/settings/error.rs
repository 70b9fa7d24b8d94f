//! Why settings are refused, for the person who wrote them.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use serde::de;

use super::tree::Place;

/// Why settings are refused.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the settings {path}: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in the file.
    #[error("{path}, line {line}, column {column}: {what}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// Something in the environment.
    #[error("the environment variable {name}: {what}")]
    Variable {
        /// Which variable.
        name: String,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// A key that must be set.
    #[error("the setting {key} is missing: set it in {}, or set the environment variable {variable}", told(.file.as_deref()))]
    Missing {
        /// Which, with its tables.
        key: String,
        /// The file that was read.
        file: Option<PathBuf>,
        /// The variable that sets it.
        variable: String,
    },
    /// Settings that do not fit together.
    #[error("the settings are refused: {0}")]
    Other(String),
}

fn told(file: Option<&Path>) -> String {
    file.map_or_else(|| "a settings file".to_owned(), |file| file.display().to_string())
}

/// An error on its way up from where it happened.
#[derive(Debug)]
pub(super) struct ReadError {
    what: String,
    place: Option<Place>,
    missing: Option<&'static str>,
    /// The tables and the key it happened in.
    path: Vec<String>,
}

impl ReadError {
    /// The error happened here, unless it is known to have happened further inside.
    pub(super) fn at(mut self, place: &Place) -> ReadError {
        self.place.get_or_insert_with(|| place.clone());
        self
    }

    /// The error happened inside this key.
    pub(super) fn inside(mut self, key: &str) -> ReadError {
        self.path.insert(0, key.to_owned());
        self
    }

    /// As it is told to the person.
    pub(super) fn told(self, file: Option<&Path>, env_prefix: &str) -> SettingsError {
        if let Some(missing) = self.missing {
            let path: Vec<&str> = self.path.iter().map(String::as_str).chain([missing]).collect();
            return SettingsError::Missing {
                key: path.join("."),
                file: file.map(Path::to_owned),
                variable: format!("{env_prefix}{}", path.join("__").to_ascii_uppercase()),
            };
        }
        let what = if self.path.is_empty() {
            self.what
        } else {
            format!("{}: {}", self.path.join("."), self.what)
        };
        match (self.place, file) {
            (Some(Place::Variable(name)), _) => SettingsError::Variable { name, what },
            (Some(Place::File { line, column }), Some(path)) => SettingsError::File {
                path: path.to_owned(),
                line,
                column,
                what,
            },
            _ => SettingsError::Other(what),
        }
    }
}

impl de::Error for ReadError {
    fn custom<T: Display>(what: T) -> ReadError {
        ReadError {
            what: what.to_string(),
            place: None,
            missing: None,
            path: Vec::new(),
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> ReadError {
        ReadError::custom(format_args!(
            "the key {field} is not known; allowed are {}",
            expected.join(", ")
        ))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> ReadError {
        ReadError::custom(format_args!("{variant:?} is not one of {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> ReadError {
        let mut error = ReadError::custom(format_args!("the key {field} is missing"));
        error.missing = Some(field);
        error
    }
}

impl Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for ReadError {}
