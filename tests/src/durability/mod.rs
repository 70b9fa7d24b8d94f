//! Does a gate's store keep what it acknowledged, on the real disk of this machine?
//!
//! A [`writer`] in a process of its own works on a gate's database and acknowledges, on a pipe, every tap and every
//! changeset after the store called it durable. Then it is killed ([`kills`]), or its file system loses its power
//! ([`power`]), at any moment. The [`audit`] reads the file with plain SQL and holds it against what was
//! acknowledged, against its own hash chains, and against a second store that is made from the journal alone.

pub mod acknowledged;
pub mod audit;
pub mod kills;
pub mod power;
pub mod town;
pub mod writer;
