//! Certificate requests at the desk: pasted by an operator, certified for a new device and for one on record.

use portcullis::domain::certificate::Certificate;
use portcullis::domain::device::Device;
use portcullis::domain::person::Role;
use rcgen::{CertificateParams, KeyPair};

use crate::support::desk::staff;
use crate::support::gate::Gate;

const PAGE: &str = "/devices/bank/anna/csr";

fn request(algorithm: &'static rcgen::SignatureAlgorithm) -> String {
    let key = KeyPair::generate_for(algorithm).unwrap();
    CertificateParams::new(vec!["evil.example".to_owned()])
        .unwrap()
        .serialize_request(&key)
        .unwrap()
        .pem()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_certifies_a_key_that_was_made_elsewhere() {
    let gate = Gate::open().await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    let otto = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let of_anna = async || {
        let all = gate.all::<Certificate>().await.into_iter();
        all.filter(|one| one.person.as_str() == "anna").collect::<Vec<_>>()
    };
    let page = otto.open(PAGE).await;
    page.must_say("Certify a key of Anna Muster");

    let weak = request(&rcgen::PKCS_ED25519);
    let refused = otto.submit(&page, PAGE, &[("device", "robot"), ("request", &weak)]).await;
    assert_eq!(refused.status, 422, "{}", refused.words());
    refused.must_say("an Ed25519 key");
    assert!(refused.html.contains(weak.lines().nth(1).unwrap()), "what was pasted stands there still");
    for nothing in ["", "-----BEGIN CERTIFICATE REQUEST-----", "<script>alert(1)</script>"] {
        let refused = otto.submit(&page, PAGE, &[("device", "robot"), ("request", nothing)]).await;
        assert_eq!(refused.status, 422, "{nothing}");
        assert!(!refused.html.contains("<script>alert"), "{nothing}");
    }
    assert!(of_anna().await.is_empty());
    assert!(gate.all::<Device>().await.iter().all(|one| one.person.as_str() != "anna"));

    let good = request(&rcgen::PKCS_ECDSA_P256_SHA256);
    let done = otto.submit(&page, PAGE, &[("device", "robot"), ("request", &good)]).await;
    assert_eq!(done.status, 200, "{}", done.words());
    done.must_say("Anna Muster, robot, until");
    let certificates = of_anna().await;
    assert_eq!(certificates.len(), 1);
    let pem = portcullis::ca::pem_of(&certificates[0].der);
    assert!(done.html.contains(pem.lines().nth(3).unwrap()), "the chain is on the page");
    assert!(done.html.contains("download=\"anna-robot.pem\""));
    assert!(certificates[0].issued_by.contains("otto"), "{}", certificates[0].issued_by);

    // The same device again, with another key.
    let page = otto.open(PAGE).await;
    let device = certificates[0].device.to_string();
    let another = request(&rcgen::PKCS_ECDSA_P384_SHA384);
    let done = otto.submit(&page, PAGE, &[("which", &device), ("request", &another)]).await;
    assert_eq!(done.status, 200, "{}", done.words());
    let certificates = of_anna().await;
    assert_eq!(certificates.len(), 2);
    assert_eq!(certificates[0].device, certificates[1].device);
    let refused = otto.submit(&page, PAGE, &[("which", "nosuchdevice"), ("request", &another)]).await;
    assert_eq!(refused.status, 422, "{}", refused.words());
}

/// M-01. Nobody certifies a key of their own at the desk.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_certifies_a_key_of_their_own() {
    let gate = Gate::open().await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    let otto = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let before = gate.all::<Certificate>().await.len();
    let page = otto.open("/devices/staff/otto/csr").await;
    let good = request(&rcgen::PKCS_ECDSA_P256_SHA256);
    let refused =
        otto.submit(&page, "/devices/staff/otto/csr", &[("device", "second"), ("request", &good)]).await;
    assert_eq!(refused.status, 403, "{}", refused.words());
    assert_eq!(gate.all::<Certificate>().await.len(), before);
}
