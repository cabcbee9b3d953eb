//! Certificate requests by openssl, in PEM and DER, through the running program's own command line; the
//! chain that comes back is verified by openssl and shown to the gate by curl.

use portcullis::domain::device::{Device, DeviceState};
use serde_json::Value;

use crate::outside::{Outside, P256};
use crate::rig::{openssl, said, text};
use crate::support::gate::Gate;

const BY_CERTIFICATE: &str = r#"
[[rule]]
name  = "News"
paths = ["/news/**"]
who   = ["group:clients"]
need  = ["certificate"]
"#;

async fn outside() -> Outside {
    let gate = Gate::with(|plan| plan.portal = BY_CERTIFICATE.to_owned()).await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    Outside::of(gate).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_pem_or_der_becomes_a_chain_that_opens_the_gate() {
    let mut outside = outside().await;
    let pem = outside.request(
        "robot",
        P256,
        &["-subj", "/CN=Eve/O=Evil", "-addext", "subjectAltName=URI:portcullis://other/device/x"],
    );
    let p384 =
        outside.request("p384", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"], &["-sha384"]);
    let der = outside.path("p384.der");
    let turned = openssl(&["req", "-in", text(&p384), "-outform", "DER", "-out", text(&der)]);
    assert!(turned.status.success(), "{}", said(&turned));

    let issued =
        outside.program.json(&["device", "issue", "bank/anna", "--name", "robot", "--csr", text(&pem)]);
    assert_eq!(issued["file"], "anna-robot.pem");
    assert!(issued.get("import_password").is_none(), "{issued}");
    let chain = outside.path("anna-robot.pem");
    outside.must_verify(&chain);
    let printed = outside.printed(&chain);
    let uri = format!("URI:portcullis://bank/device/{}", issued["device"].as_str().unwrap());
    assert!(printed.contains(&uri) && printed.contains("Anna Muster, robot, until"), "{printed}");
    assert!(
        !printed.contains("Eve") && !printed.contains("other"),
        "the request's wishes are not read: {printed}"
    );
    let text_of = String::from_utf8(outside.read("anna-robot.pem")).unwrap();
    assert_eq!(text_of.matches("BEGIN CERTIFICATE").count(), 2, "leaf and issuing CA: {text_of}");

    let second =
        outside.program.json(&["device", "issue", "bank/anna", "--name", "p384", "--csr", text(&der)]);
    outside.must_verify(&outside.path(second["file"].as_str().unwrap()));

    // The same device gets another, and never over the file that is there.
    let again = outside.good_request("again");
    let renewed = outside.program.json(&["device", "renew", "bank/anna/robot", "--csr", text(&again)]);
    assert_eq!(renewed["file"], "anna-robot-2.pem");
    assert_eq!(renewed["device"], issued["device"]);
    outside.must_verify(&outside.path("anna-robot-2.pem"));
    assert_eq!(outside.program.lines_of("certificate.renewed").len(), 1);
    let told = outside.program.lines_of("certificate.issued");
    assert!(told.iter().all(|line| line["details"]["way"] == "csr") && told.len() == 2, "{told:?}");

    // curl comes in with it once support has let the device in.
    let shown = ["--cert", "anna-robot.pem", "--key", "robot.key"];
    let waits = outside.curl("bank", "/news/today", &shown);
    assert!(waits.status != 200 && waits.head.starts_with("http/"), "{waits:?}");
    assert_eq!(outside.program.stop(), Some(0));
    let device = released(&outside, &issued).await;
    outside.program.start();
    let heard = outside.curl("bank", "/news/today", &shown);
    assert_eq!((heard.status, heard.body.as_str()), (200, "the bank's own page at /news/today"), "{heard:?}");
    let other_key = outside.curl("bank", "/news/today", &["--cert", "anna-robot.pem", "--key", "again.key"]);
    assert_eq!(other_key.status, 0, "{other_key:?}");

    // What was revoked is not renewed, and its key is certified for nobody.
    outside.program.json(&["device", "revoke", &format!("bank/anna/{}", device.id), "--yes"]);
    let refused =
        outside.program.cli(&["device", "renew", &format!("bank/anna/{}", device.id), "--csr", text(&again)]);
    assert!(said(&refused).contains("switched off for good"), "{}", said(&refused));
    let refused =
        outside.program.cli(&["device", "issue", "bank/anna", "--name", "new", "--csr", text(&pem)]);
    assert!(said(&refused).contains("revoked or is another device's"), "{}", said(&refused));
    let refused =
        outside.program.cli(&["device", "issue", "bank/anna", "--name", "new", "--csr", text(&der)]);
    assert!(said(&refused).contains("another device's"), "one key, two devices: {}", said(&refused));
    assert!(!outside.path("anna-new.pem").exists());
    let devices = outside.program.json(&["device", "list", "bank/anna"]);
    assert_eq!(devices["devices"].as_array().unwrap().len(), 2, "no device without a certificate: {devices}");
}

async fn released(outside: &Outside, issued: &Value) -> Device {
    let all = outside.program.kept::<Device>().await;
    let device = all.into_iter().find(|one| one.id.as_str() == issued["device"]).unwrap();
    let device = Device { state: DeviceState::Released, ..device };
    let store = portcullis::store::redb::Redb::create_or_open(
        &outside.program.config.store,
        outside.program.world.clone(),
    )
    .unwrap();
    let write = vec![portcullis::store::table::put(&device)];
    portcullis::store::Store::commit(&store, write).await.unwrap();
    device
}

/// T-17. Keys and signatures that are too weak stand in no certificate of ours, and the reason is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_weak_request_is_refused_with_the_reason_and_leaves_nothing() {
    let outside = outside().await;
    let dsa = outside.path("dsa.pem");
    let made = openssl(&["dsaparam", "-genkey", "-out", text(&dsa), "1024"]);
    assert!(made.status.success(), "{}", said(&made));
    let dsa_key = ["-key", text(&dsa)];
    let curve = |name| ["-newkey", "ec", "-pkeyopt", name];
    let p256 = "ec_paramgen_curve:P-256";
    let explicit = [&curve(p256)[..], &["-pkeyopt", "ec_param_enc:explicit"]].concat();
    let weak: [(&str, &[&str], &[&str], &str); 12] = [
        ("rsa1024", &["-newkey", "rsa:1024"], &[], "an RSA key of 1024 bits"),
        ("rsa1024-sha1", &["-newkey", "rsa:1024"], &["-sha1"], "an RSA key of 1024 bits"),
        ("rsa1024-md5", &["-newkey", "rsa:1024"], &["-md5"], "an RSA key of 1024 bits"),
        ("rsa2048", &["-newkey", "rsa:2048"], &[], "an RSA key of 2048 bits"),
        ("dsa", &dsa_key, &[], "a DSA key"),
        ("p192", &curve("ec_paramgen_curve:prime192v1"), &[], "a P-192 key"),
        ("p224", &curve("ec_paramgen_curve:P-224"), &[], "a P-224 key"),
        ("p521", &curve("ec_paramgen_curve:P-521"), &[], "a P-521 key"),
        ("ed25519", &["-newkey", "ed25519"], &[], "an Ed25519 key"),
        ("explicit", &explicit, &[], "a key on a curve that it spells out itself"),
        ("sha1", &curve(p256), &["-sha1"], "signed with SHA-1"),
        ("sha224", &curve(p256), &["-sha224"], "signed with SHA-224"),
    ];
    for (name, key, more, reason) in weak {
        let file = outside.request(name, key, more);
        let refused =
            outside.program.cli(&["device", "issue", "bank/anna", "--name", name, "--csr", text(&file)]);
        let told = said(&refused);
        assert!(!refused.status.success() && told.contains(reason), "{name}: {told}");
        assert!(told.contains("openssl req -new"), "{name} is told how to do it well: {told}");
    }
    let broken: [(&str, Vec<u8>, &str); 5] = [
        ("empty", vec![], "no certificate request"),
        ("noise", vec![0x30; 900], "no certificate request"),
        ("key", outside.read("sha1.key"), "no certificate request"),
        ("long", vec![b'A'; 16 * 1024 + 1], "longer than 16 KiB"),
        ("certificate", outside.read("devices.pem"), "no certificate request"),
    ];
    for (name, bytes, reason) in broken {
        let file = outside.write(&format!("{name}.bad"), &bytes);
        let refused =
            outside.program.cli(&["device", "issue", "bank/anna", "--name", name, "--csr", text(&file)]);
        assert!(!refused.status.success() && said(&refused).contains(reason), "{name}: {}", said(&refused));
    }
    let absent =
        outside.program.cli(&["device", "issue", "bank/anna", "--name", "x", "--csr", "nowhere.csr"]);
    assert!(said(&absent).contains("name the file of a request"), "{}", said(&absent));
    let listed = outside.program.json(&["device", "list", "bank/anna"]);
    assert_eq!(listed["devices"].as_array().unwrap().len(), 0, "{listed}");
}
