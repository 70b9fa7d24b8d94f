//! Settings: a TOML file, then the environment; flags are the caller's and come last.
//!
//! A wrong setting stops a start with a message that names the file, line and column, or the variable, and what would
//! be right. The environment overlays the file key by key: with the prefix `EDGE_`, `EDGE_STORE` is the key `store` and
//! `EDGE_SYNC__LISTEN` is `listen` in the table `sync`.

mod error;
mod reader;
mod tree;

use std::path::Path;

use serde::de::DeserializeOwned;

pub use error::SettingsError;
use reader::Reader;
use tree::Node;

/// Reads settings from `file`, if any, then from those variables of `env` whose name begins with `env_prefix` (with
/// its underscore: `EDGE_`). The caller leaves out variables of that prefix that are no settings.
///
/// A variable's text is read as what the setting is: a number, a truth value, a text, or a list with commas between;
/// an empty one unsets an optional setting.
///
/// # Errors
/// The file cannot be read or is no TOML; a key is unknown (where `T` denies those), missing or of the wrong kind.
pub fn load<T: DeserializeOwned>(
    file: Option<&Path>,
    env_prefix: &str,
    env: impl Iterator<Item = (String, String)>,
) -> Result<T, SettingsError> {
    let mut root = match file {
        Some(path) => tree::read_file(path)?,
        None => Node::empty(),
    };
    tree::overlay(&mut root, env_prefix, env)?;
    T::deserialize(Reader::of(&root)).map_err(|error| error.told(file, env_prefix))
}
