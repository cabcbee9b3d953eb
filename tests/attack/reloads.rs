//! Everything is read again and again while requests come in: none is lost, and what is new counts for those who
//! are there already.

use std::sync::Arc;

use axum::body::Body;
use http::Request;

use crate::support::browser::Browser;
use crate::support::desk::anna;
use crate::support::gate::Gate;
use crate::support::load::Load;
use crate::support::program::Program;
use crate::support::reloads::Reloads;
use crate::support::wire::whole;

/// As the row wants it.
const ROUNDS: usize = 20;

/// `benches/run load reload` asks 100 000.
const REQUESTS: u64 = 10_000;

const DEVICES: usize = 6;

/// O-04.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_reloads_under_load_lose_no_request() {
    let gate = Gate::open().await;
    let laptop = anna(&gate).await;
    let client = Arc::new(gate.signed_in("bank", &laptop).await);
    let mut devices = Vec::new();
    for n in 0..DEVICES {
        let handed = gate.device("bank", "anna", &format!("device {n}")).await;
        devices.push(format!("bank/anna/{}", handed.device));
    }
    let program = Program::instead_of(gate).await;
    let reloads = Reloads::of(&program, devices);
    // Opened before the first reload, and used after each.
    let mut h1 = client.wire.h1("bank.localhost").await;
    let mut h2 = client.wire.h2("bank.localhost").await;
    let load = Load::begin(&client, "/accounts");
    for round in 0..ROUNDS {
        tokio::task::block_in_place(|| reloads.round(&program, round));
        let wanted = if Reloads::opens_vault(round) { 200 } else { 403 };
        let mut old = vault(&client);
        old.headers_mut().insert("host", client.host.parse().unwrap());
        let answer = whole(h1.send_request(old).await.unwrap()).await;
        assert_eq!(answer.status, wanted, "on an old connection, round {round}: {}", answer.text());
        let mut old = vault(&client);
        *old.uri_mut() = format!("https://{}/vault/1", client.host).parse().unwrap();
        old.headers_mut().remove("host");
        let answer = whole(h2.send_request(old).await.unwrap()).await;
        assert_eq!(answer.status, wanted, "over HTTP/2, round {round}: {}", answer.text());
        load.reach(REQUESTS / ROUNDS as u64 * (round as u64 + 1)).await;
    }
    let (answered, opened, again, failed) = load.end().await;
    println!("{answered} answered over {opened} connections");
    assert!(answered >= REQUESTS);
    assert_eq!((again, failed), (0, vec![]), "{}", program.log());
    let lines = std::fs::read_to_string(Reloads::access_log(&program, 0)).unwrap();
    assert!(lines.contains("/accounts"), "the first reload brought an access log: {lines}");
    assert_eq!(program.told_of("settings.reloaded"), ROUNDS);
}

fn vault(client: &Browser) -> Request<Body> {
    let mut request = Request::get("/vault/1").body(Body::empty()).unwrap();
    client.dress(&mut request);
    request
}
