//! What commands say on standard output.

use std::io::{self, Write as _};

/// Writes a text to the end. A reader that has heard enough, as in `| head -1`, is no error.
///
/// # Errors
/// The text cannot be written, as on a full disk.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
