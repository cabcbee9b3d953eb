//! Attacks on the real program over loopback, with a backend that writes down what it gets. `ATTACKS.md`
//! says which test shows which row. The oracle is what the backend received and what the trail holds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on must fail, and says what it counted"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "other tests share it and use the rest")]
mod support;

mod afterwards;
mod answers;
mod answers_http2;
mod behind;
mod broken_off;
mod canaries;
mod certificates;
mod chains;
mod codes;
mod conformance;
mod constraints;
mod dates;
mod delivery;
mod desk;
mod downgrade;
mod drain;
mod expect;
mod expired;
mod expiry;
mod flooding;
mod floods;
mod forms;
mod frames;
mod framing;
mod framing_http2;
mod guesses;
mod handover;
mod headers;
mod hello;
mod inside;
mod keys_at_rest;
mod latency;
mod limits;
mod links;
mod lists;
mod mailed;
mod malformed;
mod names;
mod old_tls;
mod openssl;
mod paths;
mod peers;
mod phone;
mod phones;
mod recorder;
mod recovery;
mod redirects;
mod reloads;
mod reminders;
mod resets;
mod resumption;
mod revoked;
mod rollback;
mod routes;
mod scarce;
mod sessions;
mod signatures;
mod squares;
mod strangers;
mod talk;
mod two;
mod uniform;
mod upgrade;
mod variants;
mod weak;

use support::desk::{anna, first_visit, sam};
use support::gate::Gate;
use support::program::Program;

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_client_is_served() {
    let gate = Gate::open().await;
    let agent = sam(&gate).await;
    let laptop = anna(&gate).await;
    let program = Program::instead_of(gate).await;
    let (client, _phone) = first_visit(&program, &agent, &laptop).await;
    client.open("/accounts").await.must_say("the bank's own page at /accounts");
    assert_eq!(program.told_of("device.released"), 1);
}
