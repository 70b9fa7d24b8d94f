//! Links over real QUIC on loopback.

mod big;
mod duplicates;
mod limits;
mod one_way;
mod raw;
mod restarts;
mod strangers;
mod support;
