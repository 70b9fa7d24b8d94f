//! The hub's core as its users see it: runs go in, money, states and published changesets come out.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

mod bookings;
mod cuts;
mod decisions;
mod histories;
mod hostile;
mod listener;
mod network;
mod random;
mod serving;
