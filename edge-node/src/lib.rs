//! One gate. So far its store: the SQLite file from which it decides alone and from which it serves others.

pub mod store;
