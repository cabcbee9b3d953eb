//! Python's cryptography and webpki verify our chains and heed our revocation lists.

use std::time::Duration;

use portcullis::ca::{CrlShelf, Issued, NewKey, pem_of};
use portcullis::crypto::CERTIFICATE_SIGNATURES;
use portcullis::domain::certificate::{CertificateState, RevocationReason};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList,
    RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy, anchor_from_trusted_cert,
};

use crate::rig::{Ca, text};
use crate::strangers::python;

#[test]
fn python_verifies_a_device_below_its_root_and_below_no_other() {
    let Some(python) = python() else { return };
    let ca = Ca::new();
    let issued = device(&ca);
    let leaf = ca.write("leaf.pem", pem_of(&issued.certificate.der).as_bytes());
    let verify = |verb: &str, issuer: &str, more: &[&str]| {
        let (root, issuing) = (ca.path(&format!("{issuer}-root.pem")), ca.path(&format!("{issuer}.pem")));
        python.ask("", &[&[verb, text(&root), text(&issuing), text(&leaf)], more].concat())
    };
    let verified = verify("client", "devices", &[]).unwrap();
    assert_eq!(verified["names"], serde_json::json!(["portcullis://bank/device/laptop-1"]));
    assert_eq!(verified["length"], 3, "leaf, issuing CA, root");
    for issuer in ["staff", "server"] {
        let refused = verify("client", issuer, &[]).unwrap_err();
        assert!(refused.contains("VerificationError"), "{issuer}: {refused}");
    }
    let refused = verify("server", "devices", &["bank.localhost"]).unwrap_err();
    assert!(refused.contains("VerificationError"), "a device is no server: {refused}");

    let door = ca.authority.issue_server(&["bank.localhost".to_owned()], ca.world.now()).unwrap();
    ca.write("leaf.pem", door.chain_pem.as_bytes());
    assert_eq!(verify("server", "server", &["bank.localhost"]).unwrap()["length"], 3);
    for (verb, more) in [("server", &["phone.localhost"][..]), ("client", &[])] {
        let refused = verify(verb, "server", more).unwrap_err();
        assert!(refused.contains("VerificationError"), "{verb} {more:?}: {refused}");
    }
}

#[test]
fn python_finds_the_revoked_certificate_on_its_issuers_list() {
    let Some(python) = python() else { return };
    let ca = Ca::new();
    let (good, bad) = (device(&ca), device(&ca));
    let shelf = listing(&ca, &good, &bad);
    let ask = |list: &str, issuer: &str, of: &Issued| {
        let list = ca.write("listed.crl", &shelf.current(list).unwrap().der);
        let leaf = ca.write("leaf.pem", pem_of(&of.certificate.der).as_bytes());
        python.ask("", &["revoked", text(&list), text(&ca.path(&format!("{issuer}.pem"))), text(&leaf)])
    };
    let expected = serde_json::json!({ "revoked": true, "reason": "keyCompromise", "entries": 1 });
    assert_eq!(ask("devices", "devices", &bad).unwrap(), expected);
    let expected = serde_json::json!({ "revoked": false, "reason": null, "entries": 1 });
    assert_eq!(ask("devices", "devices", &good).unwrap(), expected);
    assert_eq!(ask("staff", "staff", &bad).unwrap()["entries"], 0, "each issuer has its own list");
    for (list, issuer) in [("devices", "staff"), ("staff", "devices")] {
        let refused = ask(list, issuer, &bad).unwrap_err();
        assert!(refused.contains("another issuer"), "{refused}");
    }
}

#[test]
fn webpki_takes_the_good_one_and_refuses_the_revoked() {
    let ca = Ca::new();
    let (good, bad) = (device(&ca), device(&ca));
    let shelf = listing(&ca, &good, &bad);
    let verified = |leaf: &Issued, list: &str, root: &str, usage: KeyUsage| {
        let der = CertificateDer::from(leaf.certificate.der.as_slice());
        let root = ca.issuers.iter().find(|issuer| issuer.id.as_str() == root).unwrap();
        let root = CertificateDer::from(root.root_der.as_slice());
        let anchors = [anchor_from_trusted_cert(&root).unwrap()];
        let between = [CertificateDer::from(leaf.chain[1].as_slice())];
        let list = OwnedCertRevocationList::from_der(&shelf.current(list).unwrap().der).unwrap();
        let list = [&CertRevocationList::from(list)];
        let heeding = RevocationOptionsBuilder::new(&list).unwrap();
        let heeding = heeding.with_depth(RevocationCheckDepth::EndEntity);
        let heeding = heeding.with_status_policy(UnknownStatusPolicy::Deny);
        let heeding = heeding.with_expiration_policy(ExpirationPolicy::Enforce).build();
        let now = Duration::from_secs(u64::try_from(ca.world.now().secs()).unwrap());
        let now = UnixTime::since_unix_epoch(now);
        let leaf = EndEntityCert::try_from(&der).unwrap();
        let path = leaf.verify_for_usage(
            CERTIFICATE_SIGNATURES,
            &anchors,
            &between,
            now,
            usage,
            Some(heeding),
            None,
        );
        path.map(|path| path.intermediate_certificates().count()).map_err(|error| error.to_string())
    };
    let client = KeyUsage::client_auth;
    assert_eq!(verified(&good, "devices", "devices", client()), Ok(1));
    assert_eq!(verified(&bad, "devices", "devices", client()), Err("CertRevoked".to_owned()));
    assert_eq!(verified(&good, "staff", "devices", client()), Err("UnknownRevocationStatus".to_owned()));
    assert_eq!(verified(&good, "devices", "server", client()), Err("UnknownIssuer".to_owned()));
    let server = verified(&good, "devices", "devices", KeyUsage::server_auth()).unwrap_err();
    assert!(server.contains("RequiredEkuNotFound"), "{server}");
}

fn device(ca: &Ca) -> Issued {
    ca.issue(NewKey::make().unwrap().prove().unwrap()).unwrap()
}

/// The lists once `bad` is revoked.
fn listing(ca: &Ca, good: &Issued, bad: &Issued) -> CrlShelf {
    let mut gone = bad.certificate.clone();
    gone.state = CertificateState::Revoked { reason: RevocationReason::KeyCompromise, at: ca.world.now() };
    let shelf = CrlShelf::new();
    shelf.refresh(&ca.authority, [&good.certificate, &gone], ca.world.now()).unwrap();
    shelf
}
