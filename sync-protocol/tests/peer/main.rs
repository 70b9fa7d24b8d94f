//! The sync engine over an in-memory network: it converges under any interleaving, survives failures and hostile
//! peers, and is quiet when there is nothing to say.

mod convergence;
mod failures;
mod forks;
mod hostile;
mod idle;
mod journal;
mod network;
mod solo;
