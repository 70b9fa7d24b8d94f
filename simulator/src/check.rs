//! What is held against the production code.

pub mod reference;
