//! The real extension in real SQLite. One program, so that it is linked once.

mod convergence;
mod hostile;
mod lifecycle;
mod support;
