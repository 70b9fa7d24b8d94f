//! The program as a process whose standard output is closed early or full.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::fs::File;
use std::io::pipe;
use std::process::{Command, Output, Stdio};

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tiny.toml");

fn simulator(arguments: &[&str], stdout: impl Into<Stdio>) -> Output {
    let process = Command::new(env!("CARGO_BIN_EXE_simulator"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn();
    process.unwrap().wait_with_output().unwrap()
}

#[test]
fn a_reader_that_has_heard_enough_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    for arguments in [&["list"][..], &["run", TINY, "--out", out]] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let output = simulator(arguments, writer);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
    assert!(folder.path().join("report.json").exists());
}

#[test]
fn a_full_disk_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    for arguments in [&["list"][..], &["run", TINY, "--out", out]] {
        let output = simulator(arguments, File::create("/dev/full").unwrap());
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(
            message.starts_with("simulator: standard output: No space left"),
            "{message}"
        );
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
