//! The definition of the fold (domain 4.8), sentence by sentence: each test quotes what it shows, and states every
//! number that the card's holder would see.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

mod booking;
mod entries;
mod exits;
mod fares;
mod history;
mod money;
mod order;
