//! Settings from a file and the environment; what is wrong is told with its place.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use sync_shell::settings::{self, SettingsError};
use tempfile::TempDir;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    name: String,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    sync: Sync,
    #[serde(default)]
    weights: BTreeMap<String, f64>,
}

#[derive(Debug, PartialEq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Normal,
    FreeFlow,
}

#[derive(Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sync {
    listen: Option<SocketAddr>,
    peers: Vec<String>,
    verbose: bool,
    limits: Limits,
}

#[derive(Debug, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    bytes_max: i64,
}

/// Loads from a file of this text and these variables; the message of an error has the folder taken out.
fn load(text: &str, variables: &[(&str, &str)]) -> Result<Settings, String> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("edge.toml");
    std::fs::write(&file, text).unwrap();
    let env = variables
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let loaded: Result<Settings, SettingsError> = settings::load(Some(&file), "EDGE_", env);
    loaded.map_err(|error| {
        error
            .to_string()
            .replace(&format!("{}/", folder.path().display()), "")
    })
}

#[test]
fn the_environment_overlays_the_file_key_by_key() {
    let text = "name = 'A'\nport = 1\n[sync]\nlisten = '127.0.0.1:1'\npeers = ['a:1']\n";
    let variables = [
        ("EDGE_PORT", "7400"),
        ("EDGE_MODE", "free_flow"),
        ("EDGE_SYNC__PEERS", "b:2, c:3"),
        ("EDGE_SYNC__VERBOSE", "true"),
        ("EDGE_SYNC__LIMITS__BYTES_MAX", "-5"),
        ("EDGE_WEIGHTS__HEAVY", "1.5"),
        ("HUB_PORT", "nonsense"),
        ("PATH", "/bin"),
    ];
    let settings = load(text, &variables).unwrap();
    assert_eq!(
        settings,
        Settings {
            name: "A".to_owned(),
            port: Some(7_400),
            mode: Mode::FreeFlow,
            sync: Sync {
                listen: Some("127.0.0.1:1".parse().unwrap()),
                peers: vec!["b:2".to_owned(), "c:3".to_owned()],
                verbose: true,
                limits: Limits { bytes_max: -5 },
            },
            weights: BTreeMap::from([("heavy".to_owned(), 1.5)]),
        }
    );
}

#[test]
fn a_text_stays_a_text_whatever_it_looks_like() {
    assert_eq!(load("", &[("EDGE_NAME", "0123")]).unwrap().name, "0123");
    assert_eq!(load("", &[("EDGE_NAME", "true")]).unwrap().name, "true");
    assert_eq!(load("", &[("EDGE_NAME", "")]).unwrap().name, "");
}

#[test]
fn an_empty_variable_unsets_an_optional_setting_and_empties_a_list() {
    let text = "name = 'A'\nport = 1\nsync.peers = ['a']";
    let settings = load(text, &[("EDGE_PORT", ""), ("EDGE_SYNC__PEERS", "")]).unwrap();
    assert_eq!(settings.port, None);
    assert!(settings.sync.peers.is_empty());
}

#[test]
fn the_environment_alone_is_enough() {
    let env = [("EDGE_NAME".to_owned(), "B".to_owned())];
    let settings: Settings = settings::load(None, "EDGE_", env.into_iter()).unwrap();
    assert_eq!(settings.name, "B");
}

/// What is told for a file of this text and these variables.
fn told(text: &str, variables: &[(&str, &str)]) -> String {
    load(text, variables).expect_err("refused")
}

#[test]
fn an_unknown_key_is_told_with_its_place_and_the_keys_there_are() {
    assert_eq!(
        told("name = 'A'\n\n[sync]\n  lisen = '127.0.0.1:1'\n", &[]),
        "edge.toml, line 4, column 3: sync: the key lisen is not known; allowed are listen, peers, verbose, limits"
    );
    assert_eq!(
        told("name = 'A'", &[("EDGE_SYNC__LISEN", "x")]),
        "the environment variable EDGE_SYNC__LISEN: sync: the key lisen is not known; allowed are listen, peers, \
         verbose, limits"
    );
    assert_eq!(
        told("name = 'A'", &[("EDGE_SINC__LISTEN", "x")]),
        "the environment variable EDGE_SINC__LISTEN: the key sinc is not known; allowed are name, port, mode, sync, \
         weights"
    );
}

#[test]
fn a_wrong_value_is_told_with_its_place_and_what_is_expected() {
    assert_eq!(
        told("name = 'A'\nport = 70000\n", &[]),
        "edge.toml, line 2, column 8: port: invalid value: integer `70000`, expected u16"
    );
    assert_eq!(
        told("name = 'A'\nport = 'x'\n", &[]),
        "edge.toml, line 2, column 8: port: invalid type: string \"x\", expected u16"
    );
    assert_eq!(
        told("name = 'A'\nsync = { peers = [ 'a', 5 ] }", &[]),
        "edge.toml, line 2, column 25: sync.peers: invalid type: integer `5`, expected a string"
    );
    assert_eq!(
        told("name = 'A'", &[("EDGE_PORT", "many")]),
        "the environment variable EDGE_PORT: port: invalid type: string \"many\", expected u16"
    );
    assert_eq!(
        told("name = 'A'", &[("EDGE_MODE", "closed")]),
        "the environment variable EDGE_MODE: mode: \"closed\" is not one of normal, free_flow"
    );
    assert_eq!(
        told("name = 'A'", &[("EDGE_SYNC__LISTEN", "here")]),
        "the environment variable EDGE_SYNC__LISTEN: sync.listen: invalid socket address syntax"
    );
    assert_eq!(
        told("name = 'A'", &[("EDGE_SYNC__VERBOSE", "yes")]),
        "the environment variable EDGE_SYNC__VERBOSE: sync.verbose: invalid value: string \"yes\", expected true or false"
    );
}

#[test]
fn a_missing_key_is_told_with_where_it_can_be_set() {
    assert_eq!(
        told("port = 1", &[]),
        "the setting name is missing: set it in edge.toml, or set the environment variable EDGE_NAME"
    );
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    let told = told("name = 'A'\nport = = 2\n", &[]);
    assert!(told.starts_with("edge.toml, line 2, column 8: "), "{told}");
}

#[test]
fn variables_that_name_no_key_are_told() {
    assert!(told("name = 'A'", &[("EDGE_SYNC__", "x")]).contains("EDGE_SYNC__: two underscores"));
    assert!(told("name = 'A'", &[("EDGE_", "x")]).contains("EDGE_: two underscores"));
    assert_eq!(
        told("name = 'A'", &[("EDGE_NAME__FIRST", "x")]),
        "the environment variable EDGE_NAME__FIRST: there is no table that first could be set in"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let file = PathBuf::from("/nowhere/edge.toml");
    let loaded: Result<Settings, _> = settings::load(Some(&file), "EDGE_", std::iter::empty());
    let told = loaded.unwrap_err().to_string();
    assert!(
        told.starts_with("cannot read the settings /nowhere/edge.toml: No such file"),
        "{told}"
    );
}
