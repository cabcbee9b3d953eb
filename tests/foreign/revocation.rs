//! openssl asks a running gate about certificates: its revocation list and its OCSP, over the plain listener.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use portcullis::ca::pem_of;
use portcullis::console::command::{Command, device};
use portcullis::domain::certificate::{Certificate, RevocationReason};

use crate::rig::{openssl, said, text};
use crate::strangers::{command, python, run};
use crate::support::desk::anna;
use crate::support::gate::{Gate, Handed};

/// A gate, its CAs as PEM in a folder, a good certificate and one that was switched off.
struct Asked {
    gate: Gate,
    plain: String,
    good: PathBuf,
    bad: PathBuf,
    /// Of the good one.
    serial: String,
}

impl Asked {
    async fn new() -> Self {
        let gate = Gate::open().await;
        let laptop = anna(&gate).await;
        let tablet = gate.device("bank", "anna", "tablet").await;
        let plain = format!("http://{}", gate.started().plain.unwrap());
        let (good, bad) = (gate.folder.path().join("good.pem"), gate.folder.path().join("bad.pem"));
        let serial = laptop.serial.clone();
        let asked = Self { gate, plain, good, bad, serial };
        asked.write("good.pem", &asked.der(&laptop).await);
        asked.write("bad.pem", &asked.der(&tablet).await);
        for issuer in &asked.gate.issuers {
            asked.write(&format!("{}.pem", issuer.id), &issuer.der);
            asked.write(&format!("{}-root.pem", issuer.id), &issuer.root_der);
        }
        let before = asked.number().await;
        let which = format!("bank/anna/{}", tablet.device).parse().unwrap();
        let reason = RevocationReason::KeyCompromise;
        let begun = Instant::now();
        asked.gate.run(Command::Device(device::Command::Revoke { device: which, reason, yes: true })).await;
        while asked.number().await == before {
            assert!(begun.elapsed() < Duration::from_secs(1), "the list follows within a second");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        eprintln!("the list followed in {} ms", begun.elapsed().as_millis());
        asked
    }

    async fn der(&self, handed: &Handed) -> Vec<u8> {
        let all = self.gate.all::<Certificate>().await;
        all.into_iter().find(|one| one.serial == handed.serial).unwrap().der
    }

    fn write(&self, name: &str, der: &[u8]) {
        std::fs::write(self.path(name), pem_of(der)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.gate.folder.path().join(name)
    }

    /// The list that is served, and its tag.
    async fn number(&self) -> String {
        let curl = command("curl").expect("curl is installed");
        let (url, list) = (format!("{}/crl/devices.crl", self.plain), self.path("devices.crl"));
        let arguments = ["-sS", "-f", "-D", "-", "-o", text(&list), &url];
        let answer = tokio::task::block_in_place(|| run(&curl, "", &arguments));
        assert!(answer.status.success(), "{}", said(&answer));
        said(&answer).lines().find(|line| line.starts_with("etag:")).unwrap().to_owned()
    }

    /// `openssl ocsp` about a certificate, as of an issuer, trusting that issuer's root alone.
    fn ocsp(&self, issuer: &str, leaf: &Path, more: &[&str]) -> Output {
        self.ocsp_of(issuer, &["-cert", text(leaf)], more)
    }

    fn ocsp_of(&self, issuer: &str, about: &[&str], more: &[&str]) -> Output {
        let (ca, root) = (self.path(&format!("{issuer}.pem")), self.path(&format!("{issuer}-root.pem")));
        let url = format!("{}/ocsp", self.plain);
        // A second certificate is named after its issuer, a hash before.
        let (after, before) = if more.first() == Some(&"-cert") { (more, &[][..]) } else { (&[][..], more) };
        let question = [&["-issuer", text(&ca)][..], about, after, &["-url", &url]].concat();
        let trust = ["-CAfile", text(&root), "-verify_other", text(&ca)];
        tokio::task::block_in_place(|| openssl(&[&["ocsp"][..], before, &question, &trust].concat()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_hears_good_revoked_and_unknown() {
    let asked = Asked::new().await;
    for hash in ["-sha1", "-sha256"] {
        let good = said(&asked.ocsp("devices", &asked.good, &[hash]));
        assert!(good.contains("Response verify OK") && good.contains("good.pem: good"), "{good}");
        assert!(!good.contains("WARNING"), "the nonce came back: {good}");
        let bad = said(&asked.ocsp("devices", &asked.bad, &[hash]));
        assert!(bad.contains("Response verify OK") && bad.contains("bad.pem: revoked"), "{bad}");
        assert!(bad.contains("Reason: keyCompromise") && bad.contains("Revocation Time"), "{bad}");
        // The same serial, asked of another CA, which answers for itself.
        let serial = format!("0x{}", asked.serial);
        let other = said(&asked.ocsp_of("staff", &["-serial", &serial], &[hash]));
        assert!(other.contains("Response verify OK") && other.contains(": unknown"), "{other}");
    }
    let plain = said(&asked.ocsp("devices", &asked.good, &["-no_nonce", "-resp_text"]));
    assert!(plain.contains("good.pem: good") && !plain.contains("OCSP Nonce:"), "{plain}");
    for line in ["OCSP Signing", "OCSP No Check", "Responder Id", "ecdsa-with-SHA256"] {
        assert!(plain.contains(line), "{line} in {plain}");
    }
    // The delegated signer counts below its own CA alone.
    let (ca, root) = (asked.path("devices.pem"), asked.path("server-root.pem"));
    let url = format!("{}/ocsp", asked.plain);
    let arguments =
        ["ocsp", "-issuer", text(&ca), "-cert", text(&asked.good), "-url", &url, "-CAfile", text(&root)];
    let foreign = said(&tokio::task::block_in_place(|| openssl(&arguments)));
    assert!(
        foreign.contains("Response Verify Failure") || foreign.contains("Response verify failure"),
        "{foreign}"
    );
    let both = asked.ocsp("devices", &asked.good, &["-cert", text(&asked.bad)]);
    let both = said(&both);
    assert!(both.contains("good.pem: good") && both.contains("bad.pem: revoked"), "several at once: {both}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_by_get_and_python_reads_it() {
    let asked = Asked::new().await;
    let Some(curl) = command("curl") else { return };
    let (question, answer) = (asked.path("question.der"), asked.path("answer.der"));
    let ca = asked.path("devices.pem");
    let made = openssl(&[
        "ocsp",
        "-issuer",
        text(&ca),
        "-cert",
        text(&asked.bad),
        "-no_nonce",
        "-reqout",
        text(&question),
    ]);
    assert!(question.exists(), "{}", said(&made));
    let base64 = data_encoding::BASE64.encode(&std::fs::read(&question).unwrap());
    let escaped = base64.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    for spelling in [base64, escaped] {
        let url = format!("{}/ocsp/{spelling}", asked.plain);
        let got = tokio::task::block_in_place(|| {
            run(&curl, "", &["-sS", "-f", "--path-as-is", "-D", "-", "-o", text(&answer), &url])
        });
        let headers = said(&got);
        assert!(headers.contains("content-type: application/ocsp-response"), "{headers}");
        assert!(headers.contains("max-age=300") && headers.contains("last-modified:"), "{headers}");
        let read = said(&openssl(&[
            "ocsp",
            "-respin",
            text(&answer),
            "-issuer",
            text(&ca),
            "-cert",
            text(&asked.bad),
            "-CAfile",
            text(&asked.path("devices-root.pem")),
            "-verify_other",
            text(&ca),
        ]));
        assert!(read.contains("Response verify OK") && read.contains("bad.pem: revoked"), "{read}");
    }
    let Some(python) = python() else { return };
    let read = python.ask("", &["ocsp", text(&answer), text(&ca), text(&asked.bad)]).unwrap();
    assert_eq!(read, serde_json::json!({ "status": "REVOKED", "reason": "keyCompromise" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_heeds_the_list_that_is_served() {
    let asked = Asked::new().await;
    let (list, ca) = (asked.path("devices.crl"), asked.path("devices.pem"));
    let root = asked.path("devices-root.pem");
    let pem = asked.path("devices-crl.pem");
    let made = openssl(&["crl", "-inform", "DER", "-in", text(&list), "-out", text(&pem)]);
    assert!(made.status.success(), "{}", said(&made));
    let verify = |leaf: &PathBuf| {
        said(&openssl(&[
            "verify",
            "-x509_strict",
            "-CAfile",
            text(&root),
            "-untrusted",
            text(&ca),
            "-crl_check",
            "-CRLfile",
            text(&pem),
            text(leaf),
        ]))
    };
    let good = verify(&asked.good);
    assert!(good.contains("good.pem: OK"), "{good}");
    let bad = verify(&asked.bad);
    assert!(bad.contains("certificate revoked"), "{bad}");
}
