//! Everything two nodes must agree on.

pub mod rows;
