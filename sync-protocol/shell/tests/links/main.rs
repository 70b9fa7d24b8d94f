//! Links over real QUIC on loopback.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod big;
mod certify;
mod duplicates;
mod limits;
mod one_way;
mod raw;
mod restarts;
mod strangers;
mod support;
mod twins;
