//! What openssl makes of our certificates, .p12 files, revocation lists and requests, and that no
//! client's key lies anywhere but in its .p12.

use std::fs;

use portcullis::ca::{CrlShelf, Encoding, NewKey, ProvenKey, pem_of};
use portcullis::domain::certificate::{CertificateState, RevocationReason};

use crate::rig::{Ca, KEYS, open_p12, openssl, openssl_with, said, text};
use crate::support::skipped::skipped;

#[test]
fn openssl_verifies_a_device_for_clients_and_for_nothing_else() {
    let ca = Ca::new();
    let issued = ca.issue(NewKey::make().unwrap().prove().unwrap()).unwrap();
    ca.write("leaf.pem", pem_of(&issued.certificate.der).as_bytes());
    let good = ca.verify("devices", "leaf.pem", &["-purpose", "sslclient"]);
    assert!(good.status.success(), "{}", said(&good));
    for (issuer, purpose) in [("devices", "sslserver"), ("staff", "sslclient"), ("server", "sslclient")] {
        let bad = ca.verify(issuer, "leaf.pem", &["-purpose", purpose]);
        assert!(!bad.status.success(), "{issuer} {purpose}: {}", said(&bad));
    }
    let printed =
        said(&openssl(&["x509", "-in", text(&ca.path("leaf.pem")), "-noout", "-text", "-nameopt", "utf8"]));
    for line in
        ["CA:FALSE", "URI:portcullis://bank/device/laptop-1", "TLS Web Client Authentication", "Änna Muster"]
    {
        assert!(printed.contains(line), "{line} in\n{printed}");
    }
    assert!(!printed.contains("TLS Web Server"));
}

#[test]
fn openssl_opens_the_modern_p12_with_its_password_alone() {
    let ca = Ca::new();
    let (path, password, issued) = ca.wrapped(Encoding::Modern);
    let opened = open_p12(&path, password.expose());
    let printed = said(&opened);
    assert!(opened.status.success(), "{printed}");
    for line in ["MAC: sha256", "PBES2", "AES-256-CBC", "BEGIN PRIVATE KEY"] {
        assert!(printed.contains(line), "{line} in\n{printed}");
    }
    assert_eq!(printed.matches("BEGIN CERTIFICATE").count(), 3, "leaf, issuing CA and root");
    for der in &issued.chain {
        assert!(printed.contains(pem_of(der).trim()), "a certificate of the chain is missing");
    }
    let wrong = open_p12(&path, "x7kd4-m2qpa-x7kd4-m2qpa");
    assert!(!wrong.status.success() && !said(&wrong).contains("BEGIN"), "{}", said(&wrong));
}

#[test]
fn openssl_opens_the_compatible_p12_without_its_legacy_provider() {
    let ca = Ca::new();
    let (path, password, _) = ca.wrapped(Encoding::Compatible);
    let opened = open_p12(&path, password.expose());
    let printed = said(&opened);
    assert!(opened.status.success(), "{printed}");
    for line in ["MAC: sha1", "pbeWithSHA1And3-KeyTripleDES-CBC", "BEGIN PRIVATE KEY"] {
        assert!(printed.contains(line), "{line} in\n{printed}");
    }
    assert!(!open_p12(&path, "wrong").status.success());
}

#[test]
fn openssl_opens_both_with_its_legacy_provider_too() {
    if !openssl(&["list", "-providers", "-provider", "legacy"]).status.success() {
        return skipped("openssl has no legacy provider here");
    }
    let ca = Ca::new();
    for encoding in [Encoding::Modern, Encoding::Compatible] {
        let (path, password, issued) = ca.wrapped(encoding);
        let arguments = ["pkcs12", "-legacy", "-in", text(&path), "-passin", "env:P", "-nodes"];
        let opened = openssl_with(password.expose(), &arguments);
        let printed = said(&opened);
        assert!(opened.status.success() && printed.contains("BEGIN PRIVATE KEY"), "{encoding:?}: {printed}");
        assert!(printed.contains(pem_of(&issued.certificate.der).trim()), "{encoding:?}");
        assert!(!openssl_with("wrong", &arguments).status.success(), "{encoding:?}");
    }
}

#[test]
fn no_file_but_the_p12_holds_the_clients_key() {
    let ca = Ca::new();
    let (path, password, issued) = ca.wrapped(Encoding::Modern);
    ca.write("leaf.pem", &issued.certificate.der);
    let pem = open_p12(&path, password.expose()).stdout;
    let key = ca.write("key.pem", &pem);
    let printed = said(&openssl(&["pkey", "-in", text(&key), "-noout", "-text"]));
    fs::remove_file(key).unwrap();
    let hex: String = printed
        .split("priv:")
        .nth(1)
        .and_then(|rest| rest.split("pub:").next())
        .unwrap()
        .chars()
        .filter(char::is_ascii_hexdigit)
        .collect();
    let scalar = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
    let scalar = scalar.strip_prefix(&[0]).unwrap_or(&scalar);
    assert!((30..=32).contains(&scalar.len()));
    let spellings = [
        scalar.to_vec(),
        hex.clone().into_bytes(),
        hex.to_uppercase().into_bytes(),
        data_encoding::BASE64.encode(&scalar[..30]).into_bytes(),
        data_encoding::BASE64.encode(&scalar[1..28]).into_bytes(),
        data_encoding::BASE64.encode(&scalar[2..29]).into_bytes(),
        password.expose().as_bytes().to_vec(),
    ];
    let mut files = 0;
    for folder in [ca.path(KEYS), ca.dir.path().to_owned()] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                continue;
            }
            files += 1;
            let bytes = fs::read(&path).unwrap();
            for spelling in &spellings {
                let found = bytes.windows(spelling.len()).any(|window| window == spelling.as_slice());
                assert!(!found, "{} holds the key", path.display());
            }
            assert!(!bytes.windows(11).any(|window| window == b"PRIVATE KEY"), "{}", path.display());
        }
    }
    assert!(files >= 13, "five keys, six CA certificates, a leaf and a .p12: {files}");
}

#[test]
fn openssl_verifies_revocation_lists_and_heeds_them() {
    let ca = Ca::new();
    let issued = ca.issue(NewKey::make().unwrap().prove().unwrap()).unwrap();
    ca.write("leaf.pem", pem_of(&issued.certificate.der).as_bytes());
    let shelf = CrlShelf::new();
    let check = || {
        let list = shelf.current("devices").unwrap();
        let der = ca.write("devices.crl", &list.der);
        let chain =
            [fs::read(ca.path("devices.pem")).unwrap(), fs::read(ca.path("devices-root.pem")).unwrap()];
        let trusted = ca.write("chain.pem", &chain.concat());
        let (der, pem) = (text(&der).to_owned(), text(&ca.path("crl.pem")).to_owned());
        let read = openssl(&[
            "crl",
            "-inform",
            "DER",
            "-in",
            &der,
            "-CAfile",
            text(&trusted),
            "-text",
            "-out",
            &pem,
        ]);
        assert!(said(&read).contains("verify OK"), "{}", said(&read));
        let judged =
            ca.verify("devices", "leaf.pem", &["-purpose", "sslclient", "-crl_check", "-CRLfile", &pem]);
        (fs::read_to_string(&pem).unwrap(), judged)
    };
    shelf.refresh(&ca.authority, [&issued.certificate], ca.world.now()).unwrap();
    let (list, judged) = check();
    assert!(list.contains("No Revoked Certificates"), "{list}");
    assert!(judged.status.success(), "{}", said(&judged));

    let mut gone = issued.certificate.clone();
    gone.state = CertificateState::Revoked { reason: RevocationReason::KeyCompromise, at: ca.world.now() };
    shelf.refresh(&ca.authority, [&gone], ca.world.now()).unwrap();
    let (list, judged) = check();
    assert!(list.contains(&gone.serial.to_uppercase()) && list.contains("Key Compromise"), "{list}");
    assert!(!judged.status.success() && said(&judged).contains("certificate revoked"), "{}", said(&judged));
}

#[test]
fn openssl_takes_localhost_from_the_server_root_and_no_other_name() {
    let ca = Ca::new();
    let verify = |name: &str, more: &[&str]| {
        let server = ca.authority.issue_server(&[name.to_owned()], ca.world.now()).unwrap();
        ca.write("server-leaf.pem", server.chain_pem.as_bytes());
        ca.verify("server", "server-leaf.pem", &[&["-purpose", "sslserver"], more].concat())
    };
    let good = verify("bank.localhost", &["-verify_hostname", "bank.localhost"]);
    assert!(good.status.success(), "{}", said(&good));
    let other = verify("bank.localhost", &["-verify_hostname", "phone.localhost"]);
    assert!(!other.status.success(), "a door's certificate is for that door alone");
    for name in ["example.com", "localhost.example.com", "127.0.0.1", "::1"] {
        let bad = verify(name, &[]);
        assert!(!bad.status.success() && said(&bad).contains("subtree violation"), "{name}: {}", said(&bad));
    }
    let client = verify("bank.localhost", &["-purpose", "sslclient"]);
    assert!(!client.status.success());
}

#[test]
fn requests_made_by_openssl_are_taken_or_refused_with_the_reason() {
    let ca = Ca::new();
    let request = |key: &[&str], digest: &str| {
        let (file, private) = (ca.path("request.pem"), ca.path("private.pem"));
        let made = openssl(
            &[
                &[
                    "req",
                    "-new",
                    "-nodes",
                    digest,
                    "-subj",
                    "/CN=whatever",
                    "-keyout",
                    text(&private),
                    "-out",
                    text(&file),
                ],
                key,
            ]
            .concat(),
        );
        assert!(made.status.success(), "{}", said(&made));
        fs::read(file).unwrap()
    };
    for curve in ["ec_paramgen_curve:P-256", "ec_paramgen_curve:P-384"] {
        let key = ["-newkey", "ec", "-pkeyopt", curve];
        let issued = ca.issue(ProvenKey::from_request(&request(&key, "-sha256")).unwrap()).unwrap();
        ca.write("leaf.pem", pem_of(&issued.certificate.der).as_bytes());
        let good = ca.verify("devices", "leaf.pem", &["-purpose", "sslclient"]);
        assert!(good.status.success(), "{}", said(&good));
    }
    let curve = |name| ["-newkey", "ec", "-pkeyopt", name];
    let weak = [
        request(&["-newkey", "rsa:1024"], "-sha256"),
        request(&["-newkey", "rsa:2048"], "-sha256"),
        request(&curve("ec_paramgen_curve:secp256k1"), "-sha256"),
        request(&curve("ec_paramgen_curve:P-521"), "-sha256"),
        request(
            &[&curve("ec_paramgen_curve:P-256")[..], &["-pkeyopt", "ec_param_enc:explicit"]].concat(),
            "-sha256",
        ),
    ];
    for request in weak {
        let error = ProvenKey::from_request(&request).unwrap_err().to_string();
        assert!(error.contains("only P-256 and P-384"), "{error}");
    }
    let sha1 = request(&curve("ec_paramgen_curve:P-256"), "-sha1");
    let error = ProvenKey::from_request(&sha1).unwrap_err().to_string();
    assert!(error.contains("signed with SHA-1"), "{error}");
}
