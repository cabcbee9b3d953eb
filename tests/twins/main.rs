//! The proptest twins of the fuzz targets: each runs the functions of `fuzz/properties` over the committed corpus
//! and over what becomes of it when bytes are changed, cut, doubled and put together.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a surprise ends the test"
)]

#[path = "../../fuzz/properties/mod.rs"]
mod properties;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "other tests share it and use the rest")]
mod support;

mod corpus;
mod grown;
mod seeds;

/// A slow machine's late answer is not to be taken for none.
const IN_A_HURRY: bool = false;
