//! Links over real QUIC on loopback.

mod duplicates;
mod restarts;
mod support;
