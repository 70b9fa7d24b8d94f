//! Input and output side by side: `NAME.jsonl` and `NAME.expected.json`, one point of the definition each.
//!
//! Those in `tests/data` were made with the production fold and checked by eye against domain 4.8. Others are read from the directory that the
//! environment variable `FOLD_EXAMPLES` names, or from `../shared/examples` beside the checkout.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::env;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde_json::Value;
use simulator::fold::input::{self, Input};
use simulator::fold::output::{self, Fold};

#[test]
fn examples_here_come_out_as_expected() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    assert!(check_all(&directory) >= 25, "examples are missing");
}

#[test]
fn examples_of_others_come_out_as_expected() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/examples");
    match env::var_os("FOLD_EXAMPLES").map(PathBuf::from) {
        Some(named) => assert!(check_all(&named) > 0, "no examples in {}", named.display()),
        None if beside.is_dir() => assert!(check_all(&beside) > 0),
        None => {}
    }
}

/// Checks every example of a directory by both folds, and returns how many there are.
fn check_all(directory: &Path) -> usize {
    let files = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut facts: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    facts.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    facts.sort();
    for file in &facts {
        let expected = fs::read_to_string(file.with_extension("expected.json")).unwrap();
        let expected = without_order(serde_json::from_str(&expected).unwrap());
        let input = read(file);
        for fold in [Fold::Production, Fold::Reference] {
            let mut folded = Vec::new();
            output::write(&input, fold, &mut folded).unwrap();
            let folded = without_order(serde_json::from_slice(&folded).unwrap());
            assert_eq!(folded, expected, "{fold:?} fold of {}", file.display());
        }
        let differing = output::write_differences(&input, std::io::sink()).unwrap();
        assert_eq!(differing, 0, "{}", file.display());
    }
    facts.len()
}

fn read(file: &Path) -> Input {
    let name = file.display().to_string();
    let stream = BufReader::new(File::open(file).unwrap());
    input::read(&name, stream).unwrap_or_else(|refusal| panic!("{refusal}"))
}

/// The order inside journeys, flags and postings does not matter.
fn without_order(mut document: Value) -> Value {
    for card in document["cards"].as_array_mut().unwrap() {
        for list in ["journeys", "flags", "postings"] {
            card[list].as_array_mut().unwrap().sort_by_key(Value::to_string);
        }
    }
    document
}
