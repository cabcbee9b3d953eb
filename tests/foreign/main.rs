//! Other people's tools read what our CA makes and what a gate says of its clients: openssl, NSS, Java's
//! keytool, Python, Node, curl, the `p12` crate and webpki. What is not installed is skipped aloud.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a surprise ends the test"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "other tests share it and use the rest")]
mod support;

mod backend;
mod backends;
mod beside;
mod chains;
mod est;
mod fetched;
mod grpc;
mod mobileconfig;
mod observed;
mod openssl;
mod outside;
mod p12;
mod ports;
mod receipts;
mod requests;
mod revocation;
mod rig;
mod scanned;
mod strangers;
mod systemd;
