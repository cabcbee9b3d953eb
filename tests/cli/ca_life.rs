//! The CA's own life, with the real binary: a root that is elsewhere, another passphrase, a backup, and what is
//! refused on the way.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::gate::{Done, Gate, portcullis, write_secret};
use crate::sealed::unsealed;

const PASSPHRASE: &str = "correct horse battery staple";

fn openssl(dir: &Path, arguments: &[&str]) -> Done {
    let output = Command::new("openssl").current_dir(dir).args(arguments).output().unwrap();
    Done {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn bank(gate: &Gate) {
    let tenant = ["tenant", "add", "bank", "--name", "Bank", "--telephone", "+41 44 555 01 00"];
    gate.run(&[&tenant[..], &["--host", "bank.localhost", "--backend", "http://127.0.0.1:9"]].concat())
        .well();
    gate.run(&["person", "add", "bank", "--name", "Anna Muster", "--email", "anna@bank.example"]).well();
}

fn issued(gate: &Gate, name: &str) -> Value {
    gate.json(&["device", "issue", "bank/anna-muster", "--name", name, "--out", &format!("{name}.p12")])
}

/// Where the root is taken to: the bundle, the passphrase, and nothing else.
fn elsewhere(bundle: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_secret(&folder.path().join("passphrase"), PASSPHRASE);
    std::fs::copy(bundle, folder.path().join("root.pem")).unwrap();
    folder
}

fn sign(at: &Path, yes: bool) -> Done {
    let mut arguments = vec!["ca", "sign-intermediate", "--bundle", "root.pem", "--request", "devices.csr"];
    arguments.extend(["--out", "devices.crt", "--passphrase-file", "passphrase"]);
    arguments.extend(yes.then_some("--yes"));
    portcullis(at, &arguments)
}

#[test]
fn the_root_signs_where_it_was_taken_to_and_what_does_not_fit_is_refused() {
    let mut gate = Gate::made();
    bank(&gate);
    gate.serve();
    gate.run(&["ca", "init", "--offline-root", "root.pem"]).well();
    for key in ["root.key", "server-root.key"] {
        assert!(!gate.dir().join("data/ca").join(key).exists(), "{key}");
    }
    gate.run(&["ca", "init", "--offline-root", "again.pem"]).refused(1, "not here any more");
    gate.run(&["ca", "rotate", "devices"]).refused(1, "ca sign-intermediate");
    gate.run(&["ca", "rotate", "devices", "--certificate", "root.pem"]).refused(1, "no request waits");

    let asked = gate.json(&["ca", "rotate", "devices", "--request", "devices.csr"]);
    openssl(gate.dir(), &["req", "-in", "devices.csr", "-verify", "-noout", "-text"])
        .refused(0, "devices CA 2");
    // Asked again it is the same key's.
    let again = gate.json(&["ca", "rotate", "devices", "--request", "again.csr"]);
    assert_eq!(asked["key_sha256"], again["key_sha256"]);

    let away = elsewhere(&gate.dir().join("root.pem"));
    std::fs::copy(gate.dir().join("devices.csr"), away.path().join("devices.csr")).unwrap();
    sign(away.path(), false).refused(2, asked["key_sha256"].as_str().unwrap());
    write_secret(&away.path().join("wrong"), "another passphrase");
    let wrong =
        ["ca", "sign-intermediate", "--bundle", "root.pem", "--request", "devices.csr", "--out", "x.crt"];
    portcullis(away.path(), &[&wrong[..], &["--passphrase-file", "wrong", "--yes"]].concat())
        .refused(1, "does not open the CA keys");
    sign(away.path(), true).well();
    let signed = std::fs::read_to_string(away.path().join("devices.crt")).unwrap();

    // Another house's bundle, request and certificate.
    let other = Gate::made();
    other.run(&["ca", "init", "--offline-root", "root.pem"]).well();
    other.run(&["ca", "rotate", "devices", "--request", "devices.csr"]).well();
    let strange = elsewhere(&other.dir().join("root.pem"));
    std::fs::copy(gate.dir().join("devices.csr"), strange.path().join("devices.csr")).unwrap();
    sign(strange.path(), true).refused(1, "another root");
    std::fs::copy(other.dir().join("devices.csr"), strange.path().join("devices.csr")).unwrap();
    sign(strange.path(), true).well();
    std::fs::copy(strange.path().join("devices.crt"), gate.dir().join("strange.crt")).unwrap();
    let take_up = |file: &str| gate.run(&["ca", "rotate", "devices", "--certificate", file]);
    take_up("strange.crt").refused(1, "for another key");
    take_up("devices.csr").refused(1, "does not hold one certificate");
    take_up("root.pem").refused(1, "does not hold one certificate");
    misshapen(&gate, &take_up);

    std::fs::write(gate.dir().join("devices.crt"), &signed).unwrap();
    take_up("devices.crt").well();
    take_up("devices.crt").refused(1, "no request waits");
    let device = issued(&gate, "laptop");
    assert_eq!(device["certificate"]["issuer"], "devices-2");
    let root = gate.run(&["ca", "show", "--pem", "devices"]).well().out;
    std::fs::write(gate.dir().join("root.crt"), root).unwrap();
    openssl(gate.dir(), &["verify", "-x509_strict", "-CAfile", "root.crt", "devices.crt"]).well();
    let text = openssl(gate.dir(), &["x509", "-in", "devices.crt", "-noout", "-text"]).well().out;
    for part in ["Name Constraints: critical", "pathlen:0", "DNS:nobody.invalid", "IP:0.0.0.0/0.0.0.0"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    gate.json(&["audit", "verify"]);
    assert_eq!(gate.stop(), Some(0));
}

/// Signed by the right root for the right key, and not what an issuing CA is.
fn misshapen(gate: &Gate, take_up: &dyn Fn(&str) -> Done) {
    let bundle = std::fs::read_to_string(gate.dir().join("root.pem")).unwrap();
    let blocks = pem::parse_many(&bundle).unwrap();
    let sealed = String::from_utf8(blocks[1].contents().to_vec()).unwrap();
    let key = unsealed(&sealed, "root", PASSPHRASE).unwrap();
    let key = rcgen::KeyPair::try_from(key).unwrap();
    let root = rcgen::Issuer::from_ca_cert_der(&blocks[0].contents().into(), key).unwrap();
    let request = std::fs::read_to_string(gate.dir().join("devices.csr")).unwrap();
    let request = rcgen::CertificateSigningRequestParams::from_pem(&request).unwrap();
    let constrained = rcgen::NameConstraints {
        permitted_subtrees: vec![
            rcgen::GeneralSubtree::DnsName("nobody.invalid".to_owned()),
            rcgen::GeneralSubtree::Rfc822Name("nobody.invalid".to_owned()),
        ],
        excluded_subtrees: vec![
            rcgen::GeneralSubtree::DnsName(String::new()),
            rcgen::GeneralSubtree::IpAddress(rcgen::CidrSubnet::V4([0; 4], [0; 4])),
            rcgen::GeneralSubtree::IpAddress(rcgen::CidrSubnet::V6([0; 16], [0; 16])),
        ],
    };
    type Change<'a> = (&'a str, &'a dyn Fn(&mut rcgen::CertificateParams));
    let changes: [Change<'_>; 7] = [
        ("name constraints", &|params| params.name_constraints = None),
        ("name constraints", &|params| {
            params.name_constraints.as_mut().unwrap().excluded_subtrees.pop();
        }),
        ("path length", &|params| {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(1));
        }),
        ("may not sign", &|params| params.is_ca = rcgen::IsCa::ExplicitNoCa),
        ("may do more", &|params| params.key_usages.push(rcgen::KeyUsagePurpose::DigitalSignature)),
        ("outlives its root", &|params| params.not_after = rcgen::date_time_ymd(2090, 1, 1)),
        ("in force from", &|params| params.not_after = rcgen::date_time_ymd(2024, 1, 1)),
    ];
    for (says, change) in changes {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = request.params.distinguished_name.clone();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
        params.not_before = rcgen::date_time_ymd(2023, 1, 1);
        params.not_after = rcgen::date_time_ymd(2036, 1, 1);
        params.use_authority_key_identifier_extension = true;
        params.name_constraints = Some(constrained.clone());
        change(&mut params);
        let made = params.signed_by(&request.public_key, &root).unwrap();
        std::fs::write(gate.dir().join("misshapen.crt"), made.pem()).unwrap();
        take_up("misshapen.crt").refused(1, says);
    }
}

#[test]
fn another_passphrase_opens_all_keys_and_the_old_one_none() {
    let mut gate = Gate::made();
    bank(&gate);
    gate.serve();
    write_secret(&gate.dir().join("short"), "short");
    write_secret(&gate.dir().join("new"), "five words by chance alone\n");
    gate.run(&["ca", "reseal", "--new-passphrase-file", "short"]).refused(2, "fewer than");
    gate.run(&["ca", "reseal", "--new-passphrase-file", "new", "--passphrase-file", "new"])
        .refused(1, "does not open the CA keys");
    gate.run(&["ca", "reseal", "--new-passphrase-file", "new"]).well();
    // What runs goes on.
    issued(&gate, "laptop");
    gate.run(&["ca", "rotate", "devices"]).refused(1, "does not open the CA keys");
    gate.run(&["ca", "rotate", "devices", "--passphrase-file", "new"]).well();
    issued(&gate, "tablet");
    // It is told before the next start needs it.
    let told = gate.run(&["doctor"]);
    assert!(told.code == 1 && told.out.contains("BAD   passphrase"), "{told:#?}");
    assert_eq!(gate.stop(), Some(0));
    gate.run(&["serve"]).refused(1, "does not open the CA keys");
    std::fs::rename(gate.dir().join("new"), gate.dir().join("passphrase")).unwrap();
    gate.serve();
    assert_eq!(issued(&gate, "phone")["certificate"]["issuer"], "devices-2");
    assert_eq!(gate.stop(), Some(0));
}

#[test]
fn a_backup_becomes_a_gate_in_an_empty_folder_that_knows_what_was_revoked() {
    let mut gate = Gate::made();
    bank(&gate);
    gate.serve();
    let old = issued(&gate, "old");
    let kept = issued(&gate, "kept");
    let which = format!("bank/anna-muster/{}", old["device"].as_str().unwrap());
    gate.run(&["device", "revoke", &which, "--reason", "key-compromise", "--yes"]).well();
    gate.run(&["ca", "rotate", "devices"]).well();
    let backup = ["ca", "backup", "--out", "ca.age"];
    gate.run(&backup).well();
    gate.run(&backup).refused(2, "exists already");
    let root = gate.run(&["ca", "show", "--pem", "devices"]).well().out;
    assert_eq!(gate.stop(), Some(0));
    let file = std::fs::read(gate.dir().join("ca.age")).unwrap();
    assert!(file.starts_with(b"age-encryption.org/v1\n-> scrypt "));
    let opened = age(gate.dir());
    assert!(opened.contains("\"portcullis ca backup 1\""), "{opened}");

    let fresh = tempfile::tempdir().unwrap();
    std::fs::copy(gate.dir().join("ca.age"), fresh.path().join("ca.age")).unwrap();
    write_secret(&fresh.path().join("wrong"), "another passphrase");
    write_secret(&fresh.path().join("passphrase"), PASSPHRASE);
    let restore = |file: &str, passphrase: &str| {
        portcullis(fresh.path(), &["ca", "restore", file, "--dir", ".", "--passphrase-file", passphrase])
    };
    restore("ca.age", "wrong").refused(1, "does not open the CA keys");
    restore("wrong", "passphrase").refused(1, "is no backup");
    let mut broken = file.clone();
    *broken.last_mut().unwrap() ^= 1;
    std::fs::write(fresh.path().join("broken.age"), broken).unwrap();
    assert_ne!(restore("broken.age", "passphrase").code, 0);
    assert!(!fresh.path().join("data").exists() && !fresh.path().join("portcullis.toml").exists());
    restore("ca.age", "passphrase").well();
    restore("ca.age", "passphrase").refused(2, "is there already");

    let mut again = Gate::at(fresh);
    bank(&again);
    again.serve();
    let new = issued(&again, "new");
    assert_eq!(new["certificate"]["issuer"], "devices-2");
    let which = format!("bank/anna-muster/{}", new["device"].as_str().unwrap());
    again.run(&["device", "revoke", &which, "--yes"]).well();
    let same = again.run(&["ca", "show", "--pem", "devices"]).well().out;
    assert_eq!(same, root);
    std::fs::write(again.dir().join("root.crt"), root).unwrap();
    let serial = |device: &Value| device["certificate"]["serial"].as_str().unwrap().to_uppercase();
    let listed = |issuer: &str| {
        let plain = again.plain();
        let url = format!("http://{plain}/crl/{issuer}.crl");
        let crl = format!("{issuer}.crl");
        let curl = Command::new("curl").current_dir(again.dir()).args(["-sf", "-o", &crl, &url]).status();
        assert!(curl.unwrap().success());
        let ca = format!("http://{plain}/ca/{issuer}.crt");
        let file = format!("{issuer}.cer");
        let curl = Command::new("curl").current_dir(again.dir()).args(["-sf", "-o", &file, &ca]).status();
        assert!(curl.unwrap().success());
        openssl(again.dir(), &["x509", "-inform", "DER", "-in", &file, "-out", &format!("{issuer}.pem")])
            .well();
        openssl(again.dir(), &["crl", "-inform", "DER", "-in", &crl, "-out", &format!("{issuer}.crl.pem")])
            .well();
        openssl(again.dir(), &["crl", "-inform", "DER", "-in", &crl, "-text", "-noout"]).well().out
    };
    assert!(listed("devices").contains(&serial(&old)) && !listed("devices").contains(&serial(&kept)));
    let begun = std::time::Instant::now();
    while !listed("devices-2").contains(&serial(&new)) {
        assert!(begun.elapsed().as_secs() < 20, "the new revocation is not listed");
    }
    // The certificates of before, out of their files, by another hand.
    for (name, says) in [("old", "certificate revoked"), ("kept", "leaf.pem: OK")] {
        let device = if name == "old" { &old } else { &kept };
        let password = format!("pass:{}", device["import_password"].as_str().unwrap());
        let p12 = gate.dir().join(format!("{name}.p12"));
        let arguments = ["pkcs12", "-in", p12.to_str().unwrap(), "-clcerts", "-nokeys", "-out", "leaf.pem"];
        openssl(again.dir(), &[&arguments[..], &["-passin", &password]].concat()).well();
        let verify = ["verify", "-crl_check", "-CRLfile", "devices.crl.pem", "-CAfile", "root.crt"];
        let done = openssl(again.dir(), &[&verify[..], &["-untrusted", "devices.pem", "leaf.pem"]].concat());
        let told = format!("{}{}", done.out, done.err);
        assert!(told.contains(says), "{name}: {told}");
    }
    again.json(&["audit", "verify"]);
    assert_eq!(again.stop(), Some(0));
}

/// What the `age` tool shows, which asks for the passphrase on a terminal alone.
fn age(dir: &Path) -> String {
    let script = "import pty, os, sys\n\
        pid, terminal = pty.fork()\n\
        if pid == 0: os.execvp('age', ['age', '-d', '-o', 'opened.json', 'ca.age'])\n\
        said = b''\n\
        while b'assphrase' not in said: said += os.read(terminal, 1000)\n\
        os.write(terminal, sys.argv[1].encode() + b'\\n')\n\
        try:\n\
        \x20   while os.read(terminal, 1000): pass\n\
        except OSError: pass\n\
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";
    let done = Command::new("python3").current_dir(dir).args(["-c", script, PASSPHRASE]).status().unwrap();
    assert!(done.success());
    std::fs::read_to_string(dir.join("opened.json")).unwrap()
}
