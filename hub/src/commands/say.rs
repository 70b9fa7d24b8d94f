//! What commands say on standard output.

use std::fmt::Display;

use super::Failure;

/// Writes a line; see [`sync_shell::output::say`].
///
/// # Errors
/// The line cannot be written, as on a full disk.
pub fn say(line: impl Display) -> Result<(), Failure> {
    sync_shell::output::say(line).map_err(Failure::unreachable)
}
