//! The front on real sockets: doors, handshakes, limits, closing. What reaches the handler is
//! the oracle, never what the client was told alone.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on must fail")]

mod closing;
mod crowds;
mod doors;
mod gate;
mod handshakes;
mod limits;
mod plain;
mod relayed;
mod resting;
mod resumption;
