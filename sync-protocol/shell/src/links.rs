//! Links between nodes: QUIC with mutual TLS, one connection per pair, frames in both directions.
