//! The manners of an HTTP server: problem details, who may ask, limits, a graceful end.
