//! The gate process.

fn main() {}
