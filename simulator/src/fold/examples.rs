//! Examples of the fold: `NAME.jsonl` beside `NAME.expected.json`, one point of the definition each.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use super::input::{self, Input};
use super::output::{self, Fold};

/// One example.
pub struct Example {
    /// Its name.
    pub name: String,
    input: Input,
    expected: Value,
}

impl Example {
    /// Whether a fold makes of its facts what is expected. The order inside journeys, flags and postings does not
    /// matter.
    ///
    /// # Errors
    /// What the fold makes cannot be written.
    pub fn holds(&self, fold: Fold) -> anyhow::Result<bool> {
        let mut folded = Vec::new();
        output::write(&self.input, fold, &mut folded)?;
        Ok(without_order(serde_json::from_slice(&folded)?) == self.expected)
    }

    /// On how many cards the two folds differ.
    ///
    /// # Errors
    /// What they make cannot be written.
    pub fn differing(&self) -> anyhow::Result<usize> {
        Ok(output::write_differences(&self.input, std::io::sink())?)
    }
}

/// Every example of a folder, by name.
///
/// # Errors
/// A file cannot be read, or is not what it ought to be.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Example>> {
    let shown = || folder.display().to_string();
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(shown)?
        .map(|file| file.map(|file| file.path()))
        .collect::<Result<_, _>>()
        .with_context(shown)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    files.iter().map(|file| read_one(file)).collect()
}

fn read_one(file: &Path) -> anyhow::Result<Example> {
    let shown = || file.display().to_string();
    let beside = file.with_extension("expected.json");
    let expected = fs::read_to_string(&beside).with_context(|| beside.display().to_string())?;
    let stream = BufReader::new(File::open(file).with_context(shown)?);
    Ok(Example {
        name: file
            .file_stem()
            .map_or_else(shown, |stem| stem.to_string_lossy().into_owned()),
        input: input::read(&shown(), stream)?,
        expected: without_order(
            serde_json::from_str(&expected).with_context(|| beside.display().to_string())?,
        ),
    })
}

fn without_order(mut document: Value) -> Value {
    let cards = document.get_mut("cards").and_then(Value::as_array_mut);
    for card in cards.into_iter().flatten() {
        for list in ["journeys", "flags", "postings"] {
            if let Some(list) = card.get_mut(list).and_then(Value::as_array_mut) {
                list.sort_by_key(Value::to_string);
            }
        }
    }
    document
}
