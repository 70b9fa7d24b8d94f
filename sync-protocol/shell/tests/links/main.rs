//! Links over real QUIC on loopback.

mod big;
mod duplicates;
mod limits;
mod raw;
mod restarts;
mod strangers;
mod support;
