//! Issuing CAs change while the gate runs: nobody who was inside is sent away, and whoever comes next has a
//! certificate of the new one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use portcullis::ca::Encoding;
use portcullis::console::command::{Command, Output, ca, device};
use portcullis::control;
use portcullis::domain::Secret;
use portcullis::domain::certificate::{Issuer, IssuerKind, RevocationReason};
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::support::desk::anna_inside;
use crate::support::gate::{Gate, Handed};
use crate::support::laid_out::PASSPHRASE;

/// Has the running gate do it, as the command line does.
async fn told(gate: &Gate, command: Command) -> Output {
    control::call(&gate.config.control_socket(), &command).await.unwrap()
}

async fn rotated(gate: &Gate, kind: IssuerKind) -> String {
    let command = ca::Command::Rotate { kind, passphrase: Secret::new(PASSPHRASE), certificate: None };
    told(gate, Command::Ca(command)).await.json["ca"].as_str().unwrap().to_owned()
}

async fn issued(gate: &Gate, name: &str) -> Handed {
    let person = "bank/anna".parse().unwrap();
    let command = device::Command::Issue { person, name: name.to_owned(), encoding: Encoding::Modern };
    gate.handed(told(gate, Command::Device(command)).await)
}

pub(crate) async fn revoked(gate: &Gate, handed: &Handed) {
    let device = format!("bank/anna/{}", handed.device).parse().unwrap();
    let command = device::Command::Revoke { device, reason: RevocationReason::KeyCompromise, yes: true };
    told(gate, Command::Device(command)).await;
}

/// The serials on the list of an issuer, as anybody may fetch it, once its signature was verified.
async fn listed(gate: &Gate, issuer: &str) -> Option<Vec<String>> {
    let address = gate.started().plain.unwrap();
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(format!("/crl/{issuer}.crl")).header("host", "start.localhost");
    let request = request.body(axum::body::Body::empty()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    if answer.status() != StatusCode::OK {
        return None;
    }
    let der = answer.into_body().collect().await.unwrap().to_bytes();
    let (_, list) = CertificateRevocationList::from_der(&der).unwrap();
    let issuers = gate.all::<Issuer>().await;
    let ca = issuers.iter().find(|one| one.id.as_str() == issuer).unwrap();
    let (_, ca) = x509_parser::parse_x509_certificate(&ca.der).unwrap();
    list.verify_signature(ca.public_key()).unwrap();
    Some(list.iter_revoked_certificates().map(|one| portcullis::ca::serial::text(one.raw_serial())).collect())
}

/// Waits until something holds that follows a change within moments.
async fn until<T>(mut holds: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..300 {
        if let Some(found) = holds().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it does not come")
}

/// Remembers whose certificates a door asks for.
#[derive(Debug, Default)]
struct Asked(Mutex<Vec<Vec<u8>>>);

impl ResolvesClientCert for Asked {
    fn resolve(&self, hints: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        *self.0.lock().unwrap() = hints.iter().map(|hint| hint.to_vec()).collect();
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The issuers (by id) whose certificates a door asks for.
async fn asked(gate: &Gate, door: &str) -> Vec<String> {
    let mut config = gate.wire.bare().config(&["http/1.1"]);
    let heard = Arc::new(Asked::default());
    config.client_auth_cert_resolver = Arc::clone(&heard) as Arc<dyn ResolvesClientCert>;
    drop(gate.wire.tls_so(&format!("{door}.localhost"), Arc::new(config)).await.unwrap());
    let hints = heard.0.lock().unwrap().clone();
    let mut ids = Vec::new();
    for issuer in gate.all::<Issuer>().await {
        let (_, ca) = x509_parser::parse_x509_certificate(&issuer.der).unwrap();
        if hints.iter().any(|hint| hint == ca.subject().as_raw()) {
            ids.push(issuer.id.to_string());
        }
    }
    assert!(ids.len() >= hints.len(), "a hint is no issuer's: {hints:?}");
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn old_and_new_clients_are_served_while_the_ca_changes() {
    let mut gate = Gate::open().await;
    let (client, _, laptop) = anna_inside(&gate).await;
    let before = asked(&gate, "bank").await;
    assert!(before.contains(&"devices".to_owned()) && !before.contains(&"devices-2".to_owned()));

    assert_eq!(rotated(&gate, IssuerKind::Devices).await, "devices-2");
    client.open("/").await.must_say("the bank's own page");
    until(async || asked(&gate, "bank").await.contains(&"devices-2".to_owned()).then_some(())).await;
    assert!(asked(&gate, "bank").await.contains(&"devices".to_owned()));
    assert_eq!(asked(&gate, "console").await, ["staff"]);

    let tablet = issued(&gate, "tablet").await;
    let new = gate.all::<Issuer>().await.into_iter().find(|one| one.id.as_str() == "devices-2").unwrap();
    let (_, leaf) = x509_parser::parse_x509_certificate(&tablet.identity.chain[0]).unwrap();
    let (_, ca) = x509_parser::parse_x509_certificate(&new.der).unwrap();
    leaf.verify_signature(Some(ca.public_key())).unwrap();
    assert_eq!(tablet.identity.chain[1], new.der);
    gate.settle(&tablet).await;
    gate.browser("bank", &tablet).open("/").await.must_say("Your password");
    client.open("/").await.must_say("the bank's own page");

    // Each CA signs its own list on.
    let (phone_old, phone_new) =
        (gate.device("bank", "anna", "old phone").await, issued(&gate, "phone").await);
    revoked(&gate, &phone_old).await;
    revoked(&gate, &phone_new).await;
    until(async || (listed(&gate, "devices").await? == [phone_old.serial.clone()]).then_some(())).await;
    until(async || (listed(&gate, "devices-2").await? == [phone_new.serial.clone()]).then_some(())).await;
    gate.browser("bank", &phone_new).open("/").await.must_say("This certificate was switched off on");

    // Again, and over a restart.
    assert_eq!(rotated(&gate, IssuerKind::Devices).await, "devices-3");
    gate.restart().await;
    client.open("/").await.must_say("the bank's own page");
    gate.browser("bank", &tablet).open("/").await.must_say("Your password");
    let asked = asked(&gate, "bank").await;
    assert!(["devices", "devices-2", "devices-3"].iter().all(|id| asked.iter().any(|one| one == id)));
    assert_eq!(listed(&gate, "devices").await.unwrap(), std::slice::from_ref(&phone_old.serial));
    assert_eq!(listed(&gate, "devices-2").await.unwrap(), [phone_new.serial]);
    assert_eq!(listed(&gate, "devices-3").await.unwrap(), [""; 0]);

    let shown = told(&gate, Command::Ca(ca::Command::Show { pem: None })).await;
    let issues: Vec<_> =
        shown.json["issuers"].as_array().unwrap().iter().filter(|one| one["issues"] == true).collect();
    let issues: Vec<_> = issues.iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(issues, ["devices-3", "server", "staff"]);
    assert_eq!(gate.told(portcullis::audit::Event::CaRotated).await, 2);
    assert!(laptop.serial != phone_old.serial);
    gate.must_verify().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doors_of_the_built_in_ca_take_up_its_successor() {
    let gate = Gate::open().await;
    let old = gate.wire.tls("bank.localhost", "http/1.1").await.unwrap();
    assert_eq!(rotated(&gate, IssuerKind::Server).await, "server-2");
    let new = gate.all::<Issuer>().await.into_iter().find(|one| one.id.as_str() == "server-2").unwrap();
    until(async || {
        let stream = gate.wire.tls("bank.localhost", "http/1.1").await.unwrap();
        let chain = stream.get_ref().1.peer_certificates().unwrap();
        (chain[1].as_ref() == new.der.as_slice()).then_some(())
    })
    .await;
    drop(old);
    // The root is what browsers trust, and it stays.
    assert_eq!(new.root_der, gate.wire.root);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_cannot_be_done_changes_nothing() {
    let gate = Gate::open().await;
    let keys = gate.config.data.join("ca");
    let before = gate.all::<Issuer>().await;
    let files = || std::fs::read_dir(&keys).unwrap().count();
    let count = files();
    let command = |passphrase: &str| {
        let passphrase = Secret::new(passphrase);
        Command::Ca(ca::Command::Rotate { kind: IssuerKind::Devices, passphrase, certificate: None })
    };
    let socket = gate.config.control_socket();
    let refused = control::call(&socket, &command("another passphrase")).await.err().unwrap().to_string();
    assert!(refused.contains("the passphrase does not open the CA keys"), "{refused}");
    assert_eq!((files(), gate.all::<Issuer>().await), (count, before.clone()));

    // As a crash between the key's file and the commit leaves it.
    std::fs::copy(keys.join("devices.key"), keys.join("devices-2.key")).unwrap();
    std::fs::write(keys.join("devices-2.new"), "half a ke").unwrap();
    assert_eq!(rotated(&gate, IssuerKind::Devices).await, "devices-2");
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    assert_eq!(issued(&gate, "tablet").await.identity.chain.len(), 2);
    assert_eq!(files(), count + 1);
}
