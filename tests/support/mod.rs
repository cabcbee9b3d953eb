//! A whole gate in the test's own process, and those who come to it: browsers, a phone, the desk, a
//! backend that writes down what it gets. Shared by every test that needs the real house.

pub(crate) mod backend;
pub(crate) mod browser;
pub(crate) mod ca;
pub(crate) mod cashier;
pub(crate) mod clock;
pub(crate) mod desk;
pub(crate) mod ended;
pub(crate) mod faketime;
pub(crate) mod gate;
pub(crate) mod installed;
pub(crate) mod laid_out;
pub(crate) mod list;
pub(crate) mod load;
pub(crate) mod lost;
pub(crate) mod page;
pub(crate) mod payment;
pub(crate) mod phone;
pub(crate) mod ports;
pub(crate) mod program;
pub(crate) mod push_service;
pub(crate) mod raw;
pub(crate) mod reloads;
pub(crate) mod sealed;
pub(crate) mod settings;
pub(crate) mod signed_in;
pub(crate) mod skipped;
pub(crate) mod tunnel;
pub(crate) mod wire;

/// No step of a test takes longer.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// A password that the rules take.
pub(crate) const PASSWORD: &str = "pebble orchard seventeen kites";
