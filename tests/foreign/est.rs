//! EST by curl and openssl alone, against the running program: a machine is told a secret, enrols, comes in
//! with its certificate and renews it.

use portcullis::console::command::terms::Terms;
use portcullis::console::command::{Command, tenant};
use portcullis::domain::device::{Device, DeviceState};
use portcullis::store::redb::Redb;
use portcullis::store::{Store as _, table};
use serde_json::Value;

use crate::outside::{Heard, Outside, P256};
use crate::rig::{openssl, said, text};
use crate::support::gate::{Gate, id};

const BY_CERTIFICATE: &str = r#"
[[rule]]
name  = "News"
paths = ["/news/**"]
who   = ["group:clients"]
need  = ["certificate"]
"#;

const PKCS10: &str = "content-type: application/pkcs10";

async fn outside() -> Outside {
    let gate = Gate::with(|plan| plan.portal = BY_CERTIFICATE.to_owned()).await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    let terms = Terms { est: Some(true), ..Terms::default() };
    gate.run(Command::Tenant(tenant::Command::Certificates { id: id("bank"), terms })).await;
    Outside::of(gate).await
}

impl Outside {
    /// The DER of a request in base64, as `openssl base64` writes it.
    fn base64_of(&self, name: &str) -> String {
        let (csr, der, file) =
            (self.path(&format!("{name}.csr")), self.path(&format!("{name}.der")), format!("{name}.b64"));
        let turned = openssl(&["req", "-in", text(&csr), "-outform", "DER", "-out", text(&der)]);
        assert!(turned.status.success(), "{}", said(&turned));
        let turned = openssl(&["base64", "-in", text(&der), "-out", text(&self.path(&file))]);
        assert!(turned.status.success(), "{}", said(&turned));
        format!("@{file}")
    }

    /// The certificates of an answer, as openssl takes them out of it.
    #[track_caller]
    fn taken_from(&self, heard: &Heard, name: &str) -> String {
        assert_eq!(heard.status, 200, "{heard:?}");
        assert!(heard.head.contains("content-type: application/pkcs7-mime"), "{heard:?}");
        assert!(heard.head.contains("content-transfer-encoding: base64"), "{heard:?}");
        let coded = self.write(&format!("{name}.p7.b64"), heard.body.as_bytes());
        let (der, pem) = (self.path(&format!("{name}.p7")), self.path(&format!("{name}.pem")));
        let turned = openssl(&["base64", "-d", "-in", text(&coded), "-out", text(&der)]);
        assert!(turned.status.success(), "{}", said(&turned));
        let printed =
            openssl(&["pkcs7", "-inform", "DER", "-in", text(&der), "-print_certs", "-out", text(&pem)]);
        assert!(printed.status.success(), "{}", said(&printed));
        String::from_utf8(self.read(&format!("{name}.pem"))).unwrap()
    }

    fn enrols(&self, user: &str, body: &str) -> Heard {
        let more = ["--user", user, "--header", PKCS10, "--data-binary", body];
        self.curl("start", "/.well-known/est/simpleenroll", &more)
    }

    fn renews(&self, with: &str, key: &str, body: &str) -> Heard {
        let more = ["--cert", with, "--key", key, "--header", PKCS10, "--data-binary", body];
        self.curl("bank", "/.well-known/est/simplereenroll", &more)
    }

    fn reads_news(&self, with: &str, key: &str) -> u16 {
        self.curl("bank", "/news/today", &["--cert", with, "--key", key]).status
    }

    /// As after a release at the desk.
    async fn let_in(&mut self, device: &Value) {
        assert_eq!(self.program.stop(), Some(0));
        let all = self.program.kept::<Device>().await;
        let device = all.into_iter().find(|one| one.id.as_str() == device.as_str().unwrap()).unwrap();
        let store = Redb::create_or_open(&self.program.config.store, self.program.world.clone()).unwrap();
        let released = Device { state: DeviceState::Released, ..device };
        store.commit(vec![table::put(&released)]).await.unwrap();
        drop(store);
        self.program.start();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ca_certificates_and_wishes_are_read_by_openssl() {
    let outside = outside().await;
    for path in ["/.well-known/est/cacerts", "/.well-known/est/bank/cacerts"] {
        let pem = outside.taken_from(&outside.curl("start", path, &[]), "cas");
        let (issuing, root) = (outside.read("devices.pem"), outside.read("devices-root.pem"));
        for one in [issuing, root] {
            let one = String::from_utf8(one).unwrap();
            assert!(pem.contains(one.trim()), "{path} lacks a certificate");
        }
        assert!(
            !pem.contains(portcullis::ca::pem_of(&outside.program.wire.root).trim()),
            "another purpose's root"
        );
    }
    let heard = outside.curl("start", "/.well-known/est/csrattrs", &[]);
    assert!(heard.head.contains("content-type: application/csrattrs"), "{heard:?}");
    let coded = outside.write("wishes.b64", heard.body.as_bytes());
    let der = outside.path("wishes.der");
    assert!(openssl(&["base64", "-d", "-in", text(&coded), "-out", text(&der)]).status.success());
    let parsed = said(&openssl(&["asn1parse", "-inform", "DER", "-in", text(&der)]));
    for wish in ["id-ecPublicKey", "prime256v1", "ecdsa-with-SHA256"] {
        assert!(parsed.contains(wish), "{parsed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_enrols_comes_in_and_renews() {
    let mut outside = outside().await;
    let told = outside.program.json(&["device", "enrol-secret", "bank/anna", "--name", "robot"]);
    let user = format!("{}:{}", told["user"].as_str().unwrap(), told["secret"].as_str().unwrap());
    outside.good_request("robot");
    let body = outside.base64_of("robot");

    let asked =
        outside.curl("start", "/.well-known/est/simpleenroll", &["--header", PKCS10, "--data-binary", &body]);
    assert_eq!(asked.status, 401, "{asked:?}");
    assert!(asked.head.contains("www-authenticate: basic realm=\"est\""), "{asked:?}");

    let first = outside.taken_from(&outside.enrols(&user, &body), "robot");
    assert_eq!(first.matches("BEGIN CERTIFICATE").count(), 1, "the issued one alone: {first}");
    outside.must_verify(&outside.path("robot.pem"));
    let uri = format!("URI:portcullis://bank/device/{}", told["device"].as_str().unwrap());
    let printed = outside.printed(&outside.path("robot.pem"));
    assert!(printed.contains(&uri) && printed.contains("Anna Muster, robot, until"), "{printed}");

    // The secret is used up; what never was is told in the same words.
    let (again, never) = (outside.enrols(&user, &body), outside.enrols("nobody:x", &body));
    assert_eq!((again.status, never.status), (401, 401), "{again:?} {never:?}");
    assert_eq!(again.body, never.body);

    // Support lets it in, as every device; until then it neither comes in nor renews.
    assert_ne!(outside.reads_news("robot.pem", "robot.key"), 200);
    outside.request(
        "next",
        P256,
        &["-subj", "/CN=Eve", "-addext", "subjectAltName=URI:portcullis://bank/device/other"],
    );
    let body = outside.base64_of("next");
    assert_eq!(outside.renews("robot.pem", "robot.key", &body).status, 403);
    outside.let_in(&told["device"]).await;
    assert_eq!(outside.reads_news("robot.pem", "robot.key"), 200);

    // Renewed for the device of the certificate that is shown, whatever the request names.
    let second = outside.taken_from(&outside.renews("robot.pem", "robot.key", &body), "next");
    assert_ne!(first, second);
    outside.must_verify(&outside.path("next.pem"));
    let printed = outside.printed(&outside.path("next.pem"));
    assert!(
        printed.contains(&uri) && !printed.contains("Eve") && !printed.contains("device/other"),
        "{printed}"
    );
    assert_eq!(outside.reads_news("next.pem", "next.key"), 200);
    assert_eq!(outside.reads_news("robot.pem", "robot.key"), 200, "the answer may have been lost");

    // With its successor the machine renews again, over HTTP/1.1 this time, and the first falls.
    outside.good_request("third");
    let body = outside.base64_of("third");
    let more =
        ["--http1.1", "--cert", "next.pem", "--key", "next.key", "--header", PKCS10, "--data-binary", &body];
    outside.taken_from(&outside.curl("bank", "/.well-known/est/simplereenroll", &more), "third");
    assert_eq!(outside.reads_news("third.pem", "third.key"), 200);
    assert_eq!(outside.reads_news("next.pem", "next.key"), 200);
    assert_eq!(outside.reads_news("robot.pem", "robot.key"), 403, "two count at most");
    assert_eq!(outside.renews("robot.pem", "robot.key", &body).status, 403);

    // Switched off for the tenant, the path is the backend's as every other.
    outside.program.json(&["tenant", "certificates", "bank", "--est", "no"]);
    let heard = outside.renews("third.pem", "third.key", &body);
    assert!(heard.status == 403 && heard.body.contains("policy-denied"), "{heard:?}");
    assert!(!outside.program.log().contains(told["secret"].as_str().unwrap()), "the secret is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_with_the_next_step() {
    let outside = outside().await;
    let told = outside.program.json(&["device", "enrol-secret", "bank/anna", "--name", "robot"]);
    let user = format!("{}:{}", told["user"].as_str().unwrap(), told["secret"].as_str().unwrap());
    let requests: [(&str, &[&str], &[&str], &str); 4] = [
        ("rsa1024", &["-newkey", "rsa:1024"], &[], "an RSA key of 1024 bits"),
        ("rsa2048", &["-newkey", "rsa:2048"], &[], "an RSA key of 2048 bits"),
        ("sha1", P256, &["-sha1"], "signed with SHA-1"),
        ("ed25519", &["-newkey", "ed25519"], &[], "an Ed25519 key"),
    ];
    for (name, key, more, reason) in requests {
        outside.request(name, key, more);
        let heard = outside.enrols(&user, &outside.base64_of(name));
        assert_eq!(heard.status, 400, "{heard:?}");
        assert!(heard.head.contains("content-type: text/plain"), "{heard:?}");
        assert!(heard.body.contains(reason) && heard.body.contains("openssl req"), "{heard:?}");
    }
    outside.good_request("good");
    outside.write("large.b64", &[b'A'; 70_000]);
    let good = outside.base64_of("good");
    let path = "/.well-known/est/simpleenroll";
    let cases: [(&[&str], u16, &str); 6] = [
        (&["--user", &user, "--header", PKCS10, "--data-binary", "@good.csr"], 400, "plain base64"),
        (&["--user", &user, "--header", PKCS10, "--data-binary", "@good.der"], 400, "plain base64"),
        (&["--user", &user, "--header", PKCS10, "--data-binary", "@large.b64"], 413, "64 KiB"),
        (&["--user", &user, "--data-binary", &good], 415, "application/pkcs10"),
        (
            &[
                "--user",
                &user,
                "--header",
                PKCS10,
                "--header",
                "origin: https://evil.example",
                "--data-binary",
                &good,
            ],
            403,
            "programs",
        ),
        (
            &["--header", "authorization: Bearer x", "--header", PKCS10, "--data-binary", &good],
            401,
            "HTTP Basic",
        ),
    ];
    for (more, status, reason) in cases {
        let heard = outside.curl("start", path, more);
        assert_eq!(heard.status, status, "{more:?}: {heard:?}");
        assert!(heard.body.contains(reason), "{more:?}: {heard:?}");
    }
    let elsewhere = outside.curl(
        "start",
        "/.well-known/est/simplereenroll",
        &["--header", PKCS10, "--data-binary", &good],
    );
    assert!(elsewhere.status == 403 && elsewhere.body.contains("your tenant's own door"), "{elsewhere:?}");
    let (get, other) =
        (outside.curl("start", path, &[]), outside.curl("start", "/.well-known/est/serverkeygen", &[]));
    assert_eq!((get.status, other.status), (405, 404), "{get:?} {other:?}");
    // None of it cost the machine its secret.
    outside.taken_from(&outside.enrols(&user, &good), "good");
    for (arguments, reason) in [
        (&["device", "enrol-secret", "bank/anna", "--name", "robot"][..], "has a device \"robot\" already"),
        (&["device", "enrol-secret", "bank/anna", "--name", "x", "--hours", "25"], "between 1 and 24"),
        (&["device", "enrol-secret", "bank/nobody", "--name", "x"], "no person"),
    ] {
        let refused = outside.program.cli(arguments);
        assert!(!refused.status.success() && said(&refused).contains(reason), "{}", said(&refused));
    }
    outside.program.json(&["tenant", "certificates", "bank", "--est", "no"]);
    let refused = outside.program.cli(&["device", "enrol-secret", "bank/anna", "--name", "x"]);
    assert!(said(&refused).contains("portcullis tenant certificates bank --est yes"), "{}", said(&refused));
}
