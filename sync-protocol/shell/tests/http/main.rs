//! The manners of the HTTP server, asked over real TCP.

mod client;
mod guard;
mod serving;
mod tokens;
