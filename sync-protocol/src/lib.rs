//! Everything two nodes must agree on. Pure: no sockets, clock, randomness or SQL; time, randomness and keys come
//! in as arguments, so the simulator runs exactly what production runs.
//!
//! From a card at the reader to a fact: [`decide`].
//! From facts to money: [`fact`] → [`journey`] (the fold) → [`ledger`] (postings).
//! From what is verified to what is believed: [`judge`].
//! From a writer to its peers: [`changeset`] (numbered, chained, signed) → [`have`] (who holds what) → [`wire`]
//! (frames) → [`peer`] (who says what when). What was cut off: [`snapshot`].

pub mod changeset;
pub mod clones;
pub mod codec;
pub mod decide;
pub mod digest;
pub mod ed25519;
pub mod fact;
pub mod fare;
pub mod have;
pub mod id;
pub mod journey;
pub mod judge;
pub mod knowledge;
pub mod ledger;
pub mod money;
pub mod mutation;
pub mod peer;
pub mod rows;
pub mod snapshot;
pub mod time;
pub mod wire;
