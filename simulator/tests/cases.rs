//! Every kept case passes: each is a seed that failed once.

use std::path::Path;

use simulator::case::Case;
use simulator::sweep::{End, play_text};

#[test]
fn no_case_fails_again() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "there are cases");
    for path in paths {
        let case = Case::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        let comment = case.text.starts_with('#') && !case.run.failed.is_empty();
        assert!(
            comment,
            "{name} begins with what once failed, and names the check"
        );
        match play_text(&name, &case.text, case.run.seed) {
            End::Reported(report) => {
                let failed: Vec<_> = report.checks.iter().filter(|check| !check.passed).collect();
                assert!(failed.is_empty(), "{name}: {failed:?}");
            }
            end => panic!("{name}: {end:?}"),
        }
    }
}
