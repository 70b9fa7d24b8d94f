//! Free ports, kept for this process until it ends.
//!
//! They lie below the range from which systems take ports for outgoing connections, so that a server that was killed
//! finds its own port free when it comes back.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::Mutex;

use anyhow::Context as _;

const FIRST: u32 = 10_240;
const COUNT: u32 = 20_000;

/// Locks of the ports given out. The system drops them with the process.
static TAKEN: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A loopback port, free for TCP and UDP, that no other process of these tests was given.
///
/// # Errors
/// None is left, or the folder of locks cannot be written.
pub fn free() -> anyhow::Result<u16> {
    let folder = std::env::temp_dir().join("gate-sync-engine-ports");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut taken = TAKEN
        .lock()
        .map_err(|_| anyhow::anyhow!("a thread panicked while it took a port"))?;
    let start = std::process::id().wrapping_mul(7_919);
    for step in 0..COUNT {
        let port = u16::try_from(FIRST + start.wrapping_add(step) % COUNT)?;
        let name = folder.join(port.to_string());
        let lock = File::create(&name).with_context(|| format!("cannot write {}", name.display()))?;
        if lock.try_lock().is_ok() && is_free(port) {
            taken.push(lock);
            return Ok(port);
        }
    }
    anyhow::bail!("no port between {FIRST} and {} is free", FIRST + COUNT)
}

/// Whether nobody listens at a loopback port, neither TCP nor UDP.
#[must_use]
pub fn is_free(port: u16) -> bool {
    let address = (Ipv4Addr::LOCALHOST, port);
    TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
}
