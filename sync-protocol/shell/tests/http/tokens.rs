//! Tokens and their files.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use sync_shell::http::{Token, TokenError};
use tempfile::TempDir;

#[test]
fn a_token_is_made_once_for_its_owner_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state/token");
    let made = Token::load_or_create(&path, &[0xab; 32]).unwrap();
    assert_eq!(made.text(), "ab".repeat(32));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = Token::load_or_create(&path, &[1; 32]).unwrap();
    assert_eq!(again.text(), made.text());
    assert!(Token::load(&path).unwrap().is(made.text()));
    assert!(!made.is("ab") && !made.is(""));
    assert_eq!(format!("{made:?}"), "Token(…)");
}

#[test]
fn a_token_file_that_does_not_serve_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("token");
    assert!(matches!(Token::load(&path), Err(TokenError::Read { .. })));
    Token::load_or_create(&path, &[1; 32]).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let told = Token::load_or_create(&path, &[1; 32]).unwrap_err().to_string();
    assert!(told.contains("(mode 0644): run chmod 600 "), "{told}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    for text in [
        "",
        "short",
        "with spaces in the middle",
        "two\nlines of some length",
    ] {
        fs::write(&path, text).unwrap();
        assert!(
            matches!(Token::load(&path), Err(TokenError::Malformed { .. })),
            "{text:?}"
        );
    }
}
