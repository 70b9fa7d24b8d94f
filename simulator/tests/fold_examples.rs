//! Input and output side by side: `NAME.jsonl` and `NAME.expected.json`, one point of the definition each.
//!
//! Those in `tests/data` were made with the production fold and checked by eye against domain 4.8. Others are read from the directory that the
//! environment variable `FOLD_EXAMPLES` names, or from `../shared/examples` beside the checkout.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::env;
use std::path::{Path, PathBuf};

use simulator::fold::examples;
use simulator::fold::output::Fold;

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
    let examples = examples::read(directory).unwrap();
    for example in &examples {
        for fold in [Fold::Production, Fold::Reference] {
            assert!(example.holds(fold).unwrap(), "{fold:?} fold of {}", example.name);
        }
        assert_eq!(example.differing().unwrap(), 0, "{}", example.name);
    }
    examples.len()
}
