//! The wire format held still, and what it refuses.

mod golden;
mod hostile;
mod sample;
