//! The fuzz targets' one way in. What must hold is said in `properties`, which the proptest twins share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a surprise is what is looked for"
)]

mod properties;

/// The tests' own gate, without what only tests need.
#[path = "../tests/support"]
#[allow(dead_code, reason = "the tests share it and use the rest")]
mod support {
    pub(crate) mod backend;
    pub(crate) mod browser;
    pub(crate) mod ca;
    pub(crate) mod clock;
    pub(crate) mod desk;
    pub(crate) mod gate;
    pub(crate) mod laid_out;
    pub(crate) mod page;
    pub(crate) mod phone;
    pub(crate) mod ports;
    pub(crate) mod wire;

    pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
    pub(crate) const PASSWORD: &str = "pebble orchard seventeen kites";
}

/// A fuzzer that waits finds nothing.
const IN_A_HURRY: bool = true;

/// Runs one input through the property of a target.
///
/// # Panics
/// Where it does not hold, which is what the fuzzer looks for.
pub fn run(target: &str, data: &[u8]) {
    let (_, holds) = properties::ALL.into_iter().find(|(name, _)| *name == target).expect("a target of ours");
    holds(data);
}
