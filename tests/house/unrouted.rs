//! Requests that fit no route of their tenant: to people a page that is not there, to the operator a line that says why.

use portcullis::domain::route::Route;
use serde_json::Value;

use crate::support::browser::program;
use crate::support::gate::{Gate, id};
use crate::support::program::Program;

/// The backend is well: nobody looks for a fault there, and no page tries again by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_fits_no_route_is_told_so() {
    let open = "[[rule]]\nname = \"news\"\npaths = [\"/news/**\"]\nwho = [\"everyone\"]\nneed = []\n";
    let gate = Gate::with(|plan| plan.portal = format!("{open}{}", plan.portal)).await;
    gate.put(&Route::to(&id("bank"), "portal", "/app", format!("http://{}", gate.backend.address))).await;
    let program_ = Program::instead_of(gate).await;
    let stranger = program_.stranger("bank");
    let page = stranger.open("/news/today").await;
    assert_eq!(page.status, 404, "{}", page.words());
    page.must_say("There is no page at this address").must_say("+41 44 555 01 77");
    assert!(!page.says("tries again by itself"), "{}", page.words());
    let told = stranger.send(program("/news/today")).await;
    assert_eq!(told.problem()["type"], "urn:portcullis:refusal:no-route");
    let log = program_.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.map(|line| line["fields"].clone()).find(|fields| fields["refused"] == "no-route");
    let line = line.unwrap_or_else(|| panic!("{log}"));
    let why = line["why"].as_str().unwrap();
    assert!(why.contains("no route") && why.contains("portcullis route list"), "{line}");
    assert_eq!(line["host"], program_.host("bank"), "{line}");
    assert!(!why.contains("/news"), "paths stand in the access log alone: {line}");
}
