//! What is switched off is off at once: the next request, the open connection, the tunnel.

use portcullis::console::command::{Command, device, person};
use portcullis::domain::certificate::RevocationReason;
use portcullis::domain::session::Session;

use crate::support::browser::navigation;
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::tunnel::{must_end, websocket};
use crate::support::wire::whole;

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_device_is_out_at_once() {
    let gate = Gate::open().await;
    let (client, phone, laptop) = anna_inside(&gate).await;
    let tablet = gate.device("bank", "anna", "tablet").await;
    gate.settle(&tablet).await;
    let other = gate.browser("bank", &tablet);
    later_visit(&other, &phone, "/").await.must_say("the bank's own page");

    let mut h1 = client.wire.h1("bank.localhost").await;
    let mut h2 = client.wire.h2("bank.localhost").await;
    let request = || {
        let mut request = navigation("/accounts");
        client.dress(&mut request);
        request
    };
    let over_h2 = || {
        let mut request = request();
        *request.uri_mut() = format!("https://{}/accounts", client.host).parse().unwrap();
        request.headers_mut().remove("host");
        request
    };
    assert_eq!(whole(h1.send_request(request()).await.unwrap()).await.status, 200);
    assert_eq!(whole(h2.send_request(over_h2()).await.unwrap()).await.status, 200);
    let mut socket = websocket(&client).await;

    let which = format!("bank/anna/{}", laptop.device).parse().unwrap();
    let command =
        device::Command::Revoke { device: which, reason: RevocationReason::KeyCompromise, yes: true };
    gate.run(Command::Device(command)).await;
    gate.backend.forget();
    must_end(&mut socket).await;
    for answer in [h1.send_request(request()).await, h2.send_request(over_h2()).await] {
        assert!(answer.is_err() || answer.unwrap().status() == 403);
    }
    let page = client.open("/accounts").await;
    assert_eq!(page.status, 403);
    page.must_say("This certificate was switched off on");
    assert_eq!(gate.backend.bytes(), 0, "{}", gate.backend.text());
    let of_laptop = |one: &Session| one.device == laptop.device;
    assert!(!gate.all::<Session>().await.iter().any(of_laptop));
    other.open("/").await.must_say("the bank's own page");
    gate.must_verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_person_is_out_at_once() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let mut socket = websocket(&client).await;
    let person = || "bank/anna".parse().unwrap();
    let why = "asked for it".to_owned();
    gate.run(Command::Person(person::Command::Lock { person: person(), why, hours: None, yes: true })).await;
    must_end(&mut socket).await;
    gate.backend.forget();
    client.open("/").await.must_say("Your access is closed for now");
    assert_eq!(gate.backend.bytes(), 0);
    gate.run(Command::Person(person::Command::Unlock { person: person(), why: None })).await;
    client.open("/").await.must_say("Your password");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_certificate_ends_when_the_newer_has_signed_in() {
    let gate = Gate::open().await;
    let (client, phone, laptop) = anna_inside(&gate).await;
    gate.wait(60);
    let newer = gate.renewed(&laptop).await;
    client.open("/").await.must_say("the bank's own page");
    let renewed = gate.browser("bank", &newer);
    renewed.open("/").await.must_say("Your password");
    client.open("/").await.must_say("the bank's own page");
    later_visit(&renewed, &phone, "/").await.must_say("the bank's own page");
    client.open("/").await.must_say("A newer certificate has taken this one’s place");
    let trail = gate.trail().await;
    assert!(trail.iter().any(|line| line.details.contains_key(&format!("superseded {}", laptop.serial))));
}
