//! The whole house over real TLS, without a browser: what a unit cannot show. The oracle is what the
//! backend received, what stands in the audit trail, and what the page says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must fail"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the browser tests share it and use the rest")]
mod support;

mod api;
mod attacks;
mod backends;
mod bulk;
mod ca_life;
mod confirm;
mod csr;
mod delivery;
mod doors;
mod engines;
mod est;
mod expired;
mod first_visit;
mod forward_auth;
mod generations;
mod hints;
mod history;
mod identity;
mod lists;
mod lost_phone;
mod not_me;
mod offline;
mod outside;
mod phones;
mod policy;
mod proxy;
mod push;
mod recovery;
mod relayed;
mod reload;
mod revocation;
mod routes;
mod sessions;
mod settings;
mod streaming;
mod throttles;
mod unrouted;
mod upgrade;
mod visits;
mod waiting;
mod websocket;
