//! What the processes of gates and hub share around the sans-IO engine of `sync-protocol`: who a node is, links between
//! nodes, settings, and the manners of an HTTP server. The engine itself stays free of all of it.

pub mod certify;
pub mod http;
pub mod identity;
pub mod links;
pub mod output;
pub mod settings;
