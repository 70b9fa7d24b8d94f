//! What a command says on standard output.

use std::fmt::Display;
use std::io::{self, Write as _};

/// Writes a line. A reader that has heard enough, as in `| head -1`, is no error.
///
/// # Errors
/// The line cannot be written, as on a full disk.
pub fn say(line: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
